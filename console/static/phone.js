/* What makes the sending page a phone's: the app on the home screen, photos shared from the gallery, and the memory of
   what was chosen and is not sent yet. */
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
    const lot = unkept.splice(0).map(({ digest, name, size, state }) => ({ digest, name, size, state }));
    keeping = null;
    phoneStore.keep(lot);
  }, 200);
}

document.addEventListener("entry", ({ detail: { entry } }) => {
  const state = STATES[entry.state];
  if (!state || !entry.digest) return;
  const before = items.get(entry.digest);
  if (before && before.chosen && (before.state === state || before.state === "stored")) return;
  const item = { digest: entry.digest, name: entry.file.name, size: entry.file.size, state, chosen: true };
  items.set(entry.digest, item);
  keep(item);
  if (before) drawLeft();
  if (state !== "waiting" && entry.file.key !== undefined) phoneStore.drop(entry.file.key);
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
  await takeShared();
}
begin();
}
