// Devices and agents, live: puts the badge of the new state in place of the old one, nothing moves.

const live = document.querySelector("[data-live]");
let source = null;
let seen = "";

function show(kind, { id, state }) {
  const badge = live.querySelector(`template[data-badge="${CSS.escape(state)}"]`);
  if (!badge) return;
  for (const place of document.querySelectorAll(`[data-${kind}="${CSS.escape(id)}"]`)) {
    if (place.dataset.state === state) continue;
    place.dataset.state = state;
    place.replaceChildren(badge.content.cloneNode(true));
  }
}

function lock({ id, state }) {
  if (state !== "locked") return;
  const badge = live.querySelector("template[data-locked]");
  for (const place of document.querySelectorAll(`[data-clearing="${CSS.escape(id)}"]`)) {
    place.replaceChildren(badge.content.cloneNode(true));
  }
}

function listen() {
  const address = new URL(live.dataset.live, location.href);
  if (seen) address.searchParams.set("after", seen);
  source = new EventSource(address);
  for (const kind of ["device", "agent", "seen"]) {
    source.addEventListener(kind, (event) => {
      seen = event.lastEventId;
      if (kind === "seen") return;
      show(kind, JSON.parse(event.data));
      if (kind === "device") lock(JSON.parse(event.data));
    });
  }
}

// A page nobody looks at holds no connection; what it missed is told when it is looked at again.
function look() {
  source?.close();
  source = null;
  if (document.visibilityState === "visible") listen();
}

document.addEventListener("visibilitychange", look);
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) look();
});
look();
