// A clearing, live: follows the events of the request and shows them in place, without moving anything.

const panel = document.querySelector("[data-events]");
const bar = panel.querySelector("[data-progress]");
const percent = panel.querySelector("[data-percent]");
const message = panel.querySelector("[data-message]");
const clock = panel.querySelector("[data-elapsed]");
const log = document.querySelector("[data-log]");

let base = Number(clock.dataset.elapsed);
let since = performance.now();

function two(number) {
  return String(number).padStart(2, "0");
}

function showElapsed() {
  const seconds = Math.floor(base + (performance.now() - since) / 1000);
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  clock.textContent = hours ? `${hours}:${rest}` : rest;
}

function addLine({ at, text, level }) {
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

function onProgress({ progress, message: text, elapsed_seconds: elapsed, lines }) {
  for (const line of lines) addLine(line);
  bar.value = progress;
  percent.textContent = `${progress}%`;
  if (text) message.textContent = text;
  if (Number.isFinite(elapsed)) {
    base = elapsed;
    since = performance.now();
  }
}

function onStage({ name, state, message: text }) {
  const item = panel.querySelector(`[data-stage="${CSS.escape(name)}"]`);
  if (!item) return;
  item.dataset.state = state;
  item.toggleAttribute("aria-current", false);
  if (state === "running") item.setAttribute("aria-current", "step");
  item.querySelector("small").textContent = text ?? "";
}

const source = new EventSource(panel.dataset.events);
source.addEventListener("progress", (event) => onProgress(JSON.parse(event.data)));
source.addEventListener("stage", (event) => onStage(JSON.parse(event.data)));
source.addEventListener("end", () => {
  source.close();
  location.reload();
});
setInterval(showElapsed, 1000);
