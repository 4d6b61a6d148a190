// A batch, live: fetches the page's own table and swaps it while something still runs.

const PAUSE = 1000; // milliseconds between two looks

const region = document.getElementById("rows");

async function look() {
  const response = await fetch(location.href, { headers: { "X-Fragment": "rows" } });
  if (!response.ok || response.redirected) {
    location.reload();
    return;
  }
  region.innerHTML = await response.text();
  if (region.querySelector("[data-live-batch]").dataset.liveBatch === "yes") setTimeout(look, PAUSE);
  else location.reload();
}

setTimeout(look, PAUSE);
