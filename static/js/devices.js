// Devices and agents, live: puts the badge of the new state in place of the old one, nothing moves.

const live = document.querySelector("[data-live]");

function show(kind, { id, state }) {
  const badge = live.querySelector(`template[data-badge="${CSS.escape(state)}"]`);
  if (!badge) return;
  for (const place of document.querySelectorAll(`[data-${kind}="${CSS.escape(id)}"]`)) {
    if (place.dataset.state === state) continue;
    place.dataset.state = state;
    place.replaceChildren(badge.content.cloneNode(true));
  }
}

const source = new EventSource(live.dataset.live);
for (const kind of ["device", "agent"]) {
  source.addEventListener(kind, (event) => show(kind, JSON.parse(event.data)));
}
addEventListener("pagehide", () => source.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
