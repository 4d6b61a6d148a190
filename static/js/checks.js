// The pre-checks run by themselves: once the page is there, and anew when another choice is made in the dialog.
// The answer is the whole page; the parts that tell of them are put into this one.
// Without this module the link 立即检查 runs them; submitting refuses what is known to fail in any case.

const PAUSE = 400; // milliseconds without a change before the devices are asked again

const section = document.querySelector("[data-checks]");
const form = document.querySelector("#clearing-dialog form");
const confirm = form?.querySelector("footer .primary");
let timer;
let running;

function put(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const place = document.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!place) continue;
    place.toggleAttribute("data-blocked", part.hasAttribute("data-blocked"));
    place.replaceChildren(...part.childNodes);
  }
  if (confirm) confirm.disabled = form.querySelector("[data-blocked]") !== null;
}

async function check() {
  running?.abort();
  running = new AbortController();
  const body = new URLSearchParams(form ? new FormData(form) : undefined);
  body.delete("password");
  section.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(section.dataset.checks, { method: "POST", body, signal: running.signal });
    if (response.ok && !response.redirected) put(await response.text());
    else if (confirm) confirm.disabled = false; // what can't be checked here is checked when it is sent
    section.removeAttribute("aria-busy");
  } catch (error) {
    if (error.name !== "AbortError") section.removeAttribute("aria-busy");
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(check, PAUSE);
}

form?.addEventListener("change", (event) => {
  if (!["reason", "contact_name", "contact_phone", "password", "checklist", "accepted_warnings"].includes(event.target.name)) soon();
});
section.querySelector("[data-check-again]").addEventListener("click", (event) => {
  event.preventDefault();
  check();
});
if (section.hasAttribute("data-now")) check();
