/* What makes the sending page a phone's: the app on the home screen, photos shared from the gallery, the memory of what
   was chosen and is not sent yet, and the ledger: everything that was chosen and every round is told to the station. */
"use strict";

{
const room = document.getElementById("phone");
const words = JSON.parse(room.dataset.words);
const counted = (n, one, many) => (n === 1 ? one : many).replace("{n}", n.toLocaleString());
const NAMED = 5;

/* ---- the app ---- */
const install = room.querySelector("[data-install]");
const isApp = matchMedia("(display-mode: standalone)").matches || navigator.standalone;
const isApple = /iPhone|iPad/.test(navigator.userAgent);
const isPhone = isApple || /Android|Mobi/.test(navigator.userAgent);
let offer = null;

function offerToInstall(how) {
  if (isApp || localStorage.getItem("everpx-later")) return;
  install.dataset.shows = how;
  install.hidden = false;
}

window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offer = event;
  offerToInstall("button");
});
window.addEventListener("appinstalled", () => { install.hidden = true; });
install.querySelector("button[data-how]").addEventListener("click", () => offer?.prompt());
install.querySelector("[data-later]").addEventListener("click", () => {
  localStorage.setItem("everpx-later", "1");
  install.hidden = true;
});
if (isPhone && !window.isSecureContext) offerToInstall("insecure");
else if (isApple) offerToInstall("apple");
navigator.serviceWorker?.register(room.dataset.worker, { scope: "/" });

/* ---- what waits ---- */
const left = room.querySelector("[data-left]");
const items = new Map(); /* digest -> what is remembered of it */

function drawLeft() {
  const waiting = [...items.values()].filter((item) => item.state === "waiting" && !item.chosen);
  left.hidden = !waiting.length;
  left.querySelector("h2").textContent = counted(waiting.length, words.left_one, words.left_many);
  const names = waiting.slice(0, NAMED).map((item) => item.name);
  if (waiting.length > NAMED) names.push(words.more.replace("{n}", (waiting.length - NAMED).toLocaleString()));
  left.querySelector("ul").replaceChildren(...names.map((name) => Object.assign(document.createElement("li"), { textContent: name })));
}

const STATES = { looked: "waiting", here: "stored", safe: "stored", deleted: "deleted" };
let unkept = [];
let keeping = null;

/* Written in lots: a thousand photos are not a thousand transactions. */
function keep(item) {
  unkept.push(item);
  keeping ??= setTimeout(() => {
    const lot = unkept.splice(0).map(({ digest, name, size, state, told }) => ({ digest, name, size, state, told }));
    keeping = null;
    phoneStore.keep(lot);
  }, 200);
}

/* ---- the station's side of the ledger: told until it has heard ---- */
const LOT = 1000;
const SOON = 1500;
const AGAIN = 5000;
const LATER = 60000;
const headers = { "Content-Type": "application/json", "X-CSRFToken": room.dataset.token };
let registered = false;

class Refused extends Error {}

async function tell(method, path, body) {
  const answer = await fetch(room.dataset.api + path, { method, headers, body: JSON.stringify(body) });
  if (answer.ok) return;
  if (answer.status === 404) { /* somebody made the station forget this phone: begin its list anew */
    registered = false;
    for (const item of items.values()) item.told = false;
  }
  throw new Refused(`${path}: ${answer.status}`);
}

const untold = () => [...items.values()].filter((item) => !item.told);

async function tellItems() {
  const every = untold();
  if (!registered && (every.length || round)) { await tell("PUT", "", {}); registered = true; }
  for (let at = 0; at < every.length; at += LOT) {
    const lot = every.slice(at, at + LOT);
    await tell("POST", "/items", { items: lot.map(({ digest, name, size }) => ({ digest, name: name.slice(0, 255), size })) });
    for (const item of lot) { item.told = true; keep(item); }
  }
}

/* A round: everything that was not done when it began, and what is chosen until all is done. */
let round = null;

function countsOf({ entries }) {
  const of = (...states) => entries().filter((entry) => states.includes(entry.state));
  return {
    found: entries().length, known: of("here").length, deleted: of("deleted").length, sent: of("safe").length, failed: of("failed").length,
    bytes: of("safe").reduce((sum, entry) => sum + entry.file.size, 0),
  };
}

async function tellRound() {
  if (!round) return;
  const told = round;
  const finished = told.entries().every((entry) => entry.over);
  await tell("PUT", `/rounds/${told.key}`, { ...countsOf(told), finished });
  if (!finished) return;
  round = null;
  htmx.trigger("#safe", "ledger");
}

let timer = null;
let due = 0;
let talking = false;

function talkSoon(wait) {
  const then = performance.now() + wait;
  if (timer && due <= then) return;
  clearTimeout(timer);
  due = then;
  timer = setTimeout(talk, wait);
}

async function talk() {
  timer = null;
  if (talking) { talkSoon(200); return; }
  talking = true;
  let wait = AGAIN;
  try {
    await tellItems();
    await tellRound();
  } catch (error) {
    if (error instanceof Refused) wait = LATER;
  }
  talking = false;
  if (round || untold().length) talkSoon(wait);
}

function follow(files) {
  if (!round && files.some((entry) => !entry.over)) {
    const done = new Set(files.filter((entry) => entry.over));
    const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    round = { key, entries: () => files.filter((entry) => !done.has(entry)) };
  }
  if (round) talkSoon(files.every((entry) => entry.over) ? 300 : SOON);
}

window.addEventListener("pagehide", () => {
  if (!round || !registered) return;
  const body = JSON.stringify({ ...countsOf(round), finished: false });
  fetch(`${room.dataset.api}/rounds/${round.key}`, { method: "PUT", headers, body, keepalive: true });
});

document.addEventListener("entry", ({ detail: { entry, files } }) => {
  follow(files);
  const state = STATES[entry.state];
  if (!state || !entry.digest) return;
  if (state !== "waiting" && entry.file.key !== undefined) phoneStore.drop(entry.file.key);
  const before = items.get(entry.digest);
  if (before && before.chosen && (before.state === state || before.state === "stored")) return;
  const item = { digest: entry.digest, name: entry.file.name, size: entry.file.size, state, chosen: true, told: before?.told ?? false };
  items.set(entry.digest, item);
  keep(item);
  if (before) drawLeft();
});

/* ---- photos shared from the gallery: they wait in the store, and survive a closed page ---- */
async function takeShared() {
  const shared = await phoneStore.shared();
  if (!shared.length) return;
  const files = shared.map(({ key, file }) => Object.assign(file, { key }));
  document.dispatchEvent(new CustomEvent("add-files", { detail: files }));
  const notice = room.querySelector("[data-shared]");
  notice.querySelector("p").textContent = counted(files.length, words.shared_one, words.shared_many);
  notice.hidden = false;
}

async function begin() {
  if (String(await phoneStore.meta("person")) !== room.dataset.person) {
    if (await phoneStore.meta("person")) await phoneStore.forget(); /* the phone is somebody else's now */
    await phoneStore.setMeta("person", room.dataset.person);
  }
  await phoneStore.setMeta("language", document.documentElement.lang.slice(0, 2));
  for (const item of await phoneStore.items()) if (!items.has(item.digest)) items.set(item.digest, item);
  drawLeft();
  talkSoon(0);
  await takeShared();
}
begin();
}
