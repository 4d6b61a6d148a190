// A clearing, live: follows the events of the request from 待审核 on and shows them in place, without moving anything.

import { follow, renewed } from "./connection.js";

const live = document.querySelector("[data-events]");

let shown = live.dataset.state;
let since = performance.now();

const part = (name) => document.querySelector(`[data-${name}]`);
const two = (number) => String(number).padStart(2, "0");

function showElapsed() {
  const clock = part("elapsed");
  const away = document.querySelector("[data-connection=away]:not([hidden])");
  if (!clock || shown !== "running" || away) return; // nobody knows whether it still runs
  const seconds = Math.floor(Number(clock.dataset.elapsed) + (performance.now() - since) / 1000);
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  clock.textContent = hours ? `${hours}:${rest}` : rest;
}

function addLine({ at, text, level }) {
  const log = part("log");
  const moment = new Date(at);
  const time = document.createElement("time");
  time.dateTime = moment.toISOString();
  time.textContent = moment.toLocaleTimeString("zh-CN", { timeZone: "Asia/Shanghai", hourCycle: "h23" });
  const words = document.createElement("span");
  words.textContent = text;
  const line = document.createElement("li");
  if (level === "warning") words.className = "warn";
  if (level === "error") words.className = "bad";
  line.append(time, words);
  log.querySelector("[data-none]")?.remove();
  log.prepend(line);
}

function onProgress({ progress, message, elapsed_seconds: elapsed, lines }) {
  for (const line of lines) addLine(line);
  if (!part("progress")) return;
  part("progress").value = progress;
  part("percent").textContent = `${progress}%`;
  if (message) part("message").textContent = message;
  const running = document.querySelector('[data-stage][data-state="running"] small');
  if (running && message) running.textContent = message;
  part("elapsed").dataset.elapsed = elapsed;
  since = performance.now();
  if (shown === "running") document.title = document.title.replace(/^(\d+% )?/, `${progress}% `);
}

function onStage({ name, state, message }) {
  const item = document.querySelector(`[data-stage="${CSS.escape(name)}"]`);
  if (!item) return;
  item.dataset.state = state;
  item.toggleAttribute("aria-current", false);
  if (state === "running") item.setAttribute("aria-current", "step");
  item.querySelector("small").textContent = message ?? "";
}

// Another state is another page: what can be done, what is said and the tab's title all change with it.
async function onState({ state, final }) {
  if (state === shown) return;
  shown = state;
  since = performance.now();
  if (!final) await renewed();
}

follow({
  stream: live.dataset.events,
  look: live.dataset.look,
  names: ["stage", "progress", "state", "end"],
  take(name, data) {
    if (name === "stage") onStage(data);
    else if (name === "progress") onProgress(data);
    else if (name === "state") onState(data);
    else renewed();
    return name === "end";
  },
});
setInterval(showElapsed, 1000);
