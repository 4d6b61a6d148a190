// What the chosen clearing will do, live: a change of the choice fetches that part of the page anew.
// Without this module the button 预览 sends the form for it.

const NAMES = new Set(["mode", "kind", "scope", "invoice_types", "period"]);

const region = document.querySelector("[data-preview]");
const part = region.querySelector("[data-preview-part]");
const form = region.closest("form");
let running;

// Taken away, not hidden: Enter presses the first button of a form.
region.querySelector("[data-preview-button]").remove();

async function refresh() {
  running?.abort();
  running = new AbortController();
  const body = new URLSearchParams(new FormData(form));
  body.delete("password");
  region.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(region.dataset.preview, {
      method: "POST",
      headers: { "X-Fragment": "effects" },
      body,
      signal: running.signal,
    });
    if (response.ok && !response.redirected) part.innerHTML = await response.text();
    region.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name !== "AbortError") region.removeAttribute("aria-busy");
  }
}

form.addEventListener("change", (event) => {
  if (NAMES.has(event.target.name)) refresh();
});
