// A batch, live: asks what changed since the last look and puts only that in place; focus, selection and scroll stay.

import { Gone, ask, pause, say, wait } from "./connection.js";
import { morph } from "./morph.js";

const PAUSE = 1500; // milliseconds between two looks
const PARTS = ["batch-head", "batch-summary", "batch-dialogs", "batch-skipped"];

const rows = document.getElementById("batch-rows");
const word = document.title;

function place(page) {
  for (const id of PARTS) {
    const fresh = page.getElementById(id);
    const old = document.getElementById(id);
    if (fresh && old) morph(old, fresh);
  }
  if (!rows) return;
  const changes = page.querySelector("table[data-gone]");
  for (const id of changes.dataset.gone.split(" ")) {
    if (id) rows.querySelector(`[data-key="${CSS.escape(id)}"]`)?.remove();
  }
  for (const row of changes.querySelectorAll("tr[data-key]")) {
    const old = rows.querySelector(`[data-key="${CSS.escape(row.dataset.key)}"]`);
    if (old) morph(old, row);
    else rows.append(row);
  }
  if (rows.firstElementChild) document.getElementById("batch-none")?.remove();
}

async function look() {
  const address = new URL(location.href);
  address.searchParams.set("since", document.getElementById("batch-summary").dataset.since);
  address.searchParams.delete("confirm");
  const answer = await ask(address, { "X-Fragment": "changes" });
  place(new DOMParser().parseFromString(await answer.text(), "text/html"));
  const mark = document.querySelector("#batch-head .badge").textContent;
  document.title = word.replace(/^[^·]*/, `${mark} `);
  return document.getElementById("batch-summary").dataset.live === "yes";
}

let goesOn = true;
for (let failures = 0; goesOn; ) {
  await wait(failures ? pause(failures) : PAUSE);
  try {
    goesOn = await look();
    failures = 0;
    say("");
  } catch (error) {
    goesOn = !(error instanceof Gone);
    say(goesOn ? "away" : "gone");
    failures += 1;
  }
}
