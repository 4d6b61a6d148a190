// What the chosen clearing will do and how it starts, live: a change of the choice fetches that part of
// the dialog anew. Without this module the button 预览 sends the form for it.

const NAMES = new Set([
  "mode", "kind", "scope", "invoice_types", "period",
  "clearing_date", "scheduled_for", "override_window", "exceptional",
]);

const region = document.querySelector("[data-preview]");
const part = region.querySelector("[data-preview-part]");
const form = region.closest("form");
const confirm = form.querySelector("footer .primary");
const proof = form.querySelector("[data-password]");
let running;

// Taken away, not hidden: Enter presses the first button of a form.
region.querySelector("[data-preview-button]").remove();

// The button and the password follow the decision whether a reviewer looks at it.
function follow(start) {
  confirm.textContent = start.dataset.confirm;
  if (!proof) return;
  proof.hidden = !start.dataset.proof;
  proof.querySelector("input").disabled = proof.hidden;
}

async function refresh() {
  running?.abort();
  running = new AbortController();
  const body = new URLSearchParams(new FormData(form));
  body.delete("password");
  region.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(region.dataset.preview, {
      method: "POST",
      headers: { "X-Fragment": "parts" },
      body,
      signal: running.signal,
    });
    if (response.ok && !response.redirected) {
      part.innerHTML = await response.text();
      follow(part.querySelector("[data-confirm]"));
    }
    region.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name !== "AbortError") region.removeAttribute("aria-busy");
  }
}

form.addEventListener("change", (event) => {
  // A time is on its own day; both say the same unless the day is changed afterwards.
  if (event.target.name === "scheduled_for" && event.target.value) {
    form.elements.clearing_date.value = event.target.value.slice(0, 10);
  }
  if (NAMES.has(event.target.name)) refresh();
});
