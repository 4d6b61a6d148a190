// Search as you type: form[data-live] fetches the same page's table and swaps it into #rows.
// Without this module the form is sent as usual.

const PAUSE = 180; // milliseconds without a key before asking

const form = document.querySelector("form[data-live]");
const region = document.getElementById(form.dataset.live);
let timer;
let running;

function address() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
  const text = query.toString();
  return form.action + (text ? `?${text}` : "");
}

// The state links keep what has been typed since the page was made.
function keepInLinks() {
  for (const link of form.querySelectorAll(".seg a")) {
    const url = new URL(link.href);
    for (const [name, value] of new FormData(form)) {
      if (name === "state") continue;
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    link.href = url;
  }
}

async function refresh() {
  clearTimeout(timer);
  running?.abort();
  running = new AbortController();
  region.setAttribute("aria-busy", "true");
  const url = address();
  try {
    const response = await fetch(url, { headers: { "X-Fragment": "rows" }, signal: running.signal });
    if (!response.ok || response.redirected) {
      location.assign(url);
      return;
    }
    region.innerHTML = await response.text();
    history.replaceState(null, "", url);
    region.removeAttribute("aria-busy");
    keepInLinks();
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url);
  }
}

form.addEventListener("input", (event) => {
  clearTimeout(timer);
  if (!event.isComposing) timer = setTimeout(refresh, PAUSE);
});
form.addEventListener("compositionend", refresh);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});
