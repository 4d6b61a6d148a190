// The way to the server: says when it is away, tries again ever more slowly, and asks when no stream can be had.

import { morph } from "./morph.js";

const WAITS = [500, 1000, 2000, 4000, 8000, 15000]; // milliseconds until the next try
const HIDDEN = 5000; // milliseconds between two looks of a page nobody looks at, for its title
const SILENT = 40000; // milliseconds after which a stream that says nothing is broken

export const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export const pause = (failures) => WAITS[Math.min(failures, WAITS.length - 1)] * (0.8 + 0.4 * Math.random());

// Nobody is signed in any more, or the right to see this is lost.
export class Gone extends Error {}

// Shows how the connection is: "" (well), "away" or "gone".
export function say(how) {
  for (const note of document.querySelectorAll("[data-connection]")) note.hidden = note.dataset.connection !== how;
}

export async function ask(address, headers = {}) {
  const response = await fetch(address, { headers });
  if (response.redirected || [401, 403, 404].includes(response.status)) throw new Gone();
  if (!response.ok) throw new Error(`${response.status}`);
  return response;
}

// Makes the page what it is by now, in place. Throws when it can't be had.
export async function renew() {
  const response = await ask(location.href, { Accept: "text/html" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  document.title = page.title;
  morph(document.getElementById("main"), page.getElementById("main"));
}

// The same until it works; gives false when nobody may see it any more.
export async function renewed() {
  for (let failures = 0; ; failures += 1) {
    try {
      await renew();
      return true;
    } catch (error) {
      say(error instanceof Gone ? "gone" : "away");
      if (error instanceof Gone) return false;
      await wait(pause(failures));
    }
  }
}

// Follows a stream of events until `take` gives true for one. Without the stream it asks `look` for the same events.
export function follow({ stream, look, names, take }) {
  let source = null;
  let seen = "";
  let refused = 0;
  let timer = 0;
  let heard = 0;
  let over = false;
  let trying = false;

  function close() {
    source?.close();
    source = null;
  }

  function hear(name, data, id) {
    if (over) return;
    if (id) seen = id;
    if (!take(name, data)) return;
    over = true;
    close();
  }

  function address(path) {
    const whole = new URL(path, location.href);
    if (seen) whole.searchParams.set("after", seen);
    return whole;
  }

  function listen() {
    const own = new EventSource(address(stream));
    source = own;
    heard = performance.now();
    for (const name of [...names, "alive"]) {
      own.addEventListener(name, (event) => {
        heard = performance.now();
        refused = 0;
        say("");
        if (name === "alive") seen = event.lastEventId;
        else hear(name, JSON.parse(event.data), event.lastEventId);
      });
    }
    own.addEventListener("error", () => {
      if (source === own) retry();
    });
  }

  // A stream that ends is no loss as long as the server answers: streams are ended now and then on purpose.
  async function retry() {
    clearTimeout(timer);
    close();
    if (trying || over) return;
    trying = true;
    for (let lost = 0; !over; lost += 1) {
      if (refused || lost) {
        say("away");
        await wait(pause(lost || Math.min(refused, 3)));
      }
      try {
        const { events } = await (await ask(address(look))).json();
        for (const { name, data, id } of events) hear(name, data, id);
        break;
      } catch (error) {
        if (error instanceof Gone) return say("gone");
      }
    }
    trying = false;
    if (over) return say("");
    if (document.visibilityState === "hidden") {
      refused = 0;
      timer = setTimeout(retry, HIDDEN);
    } else {
      refused += 1; // until the stream says something
      listen();
    }
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.visibilityState === "hidden") timer = setTimeout(retry, HIDDEN);
    else if (!source) retry();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && retry());
  setInterval(() => {
    if (source && performance.now() - heard > SILENT) retry();
  }, 5000);
  listen();
}
