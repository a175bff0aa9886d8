/* Adding files: each is hashed, asked for, and sent in pieces only when it is not here already (tus 1.0).
   A lost connection is waited for; a closed page goes on when the same files are chosen again.
   Whoever wants to follow hears "entry" on the document for every step of every file (phone.js). */
"use strict";

{
document.documentElement.classList.add("js");
const form = document.getElementById("upload");
const words = JSON.parse(form.dataset.words);
const total = document.getElementById("total");
const list = total.querySelector("[data-queue]");
const pauseButton = total.querySelector("[data-pause]");
const PIECE = 8 * 1024 * 1024;
const AT_ONCE = 3;
const ASKED_AT_ONCE = 200;
const HASHED_AHEAD = 1000; /* files that were hashed and wait for their turn */
const SHOWN = 200; /* lines; a thousand photos need no thousand lines */
const files = [];
const GOOD = ["safe", "here"];
const OVER = [...GOOD, "deleted", "failed"];
const stored = new Set(); /* digests that are on the drive */
const leavesDeleted = "leaveDeleted" in form.dataset;
let paused = false;
let begun = 0;

class Entry {
  constructor(file) {
    this.file = file;
    this.sent = 0;
    this.state = "waiting";
    this.upload = null;
    this.line = null;
  }

  get over() { return OVER.includes(this.state); }
  get good() { return GOOD.includes(this.state); }

  become(state, more = "") {
    this.state = state;
    if (this.over && state !== "failed") this.sent = this.file.size;
    if (this.good) failures = 0;
    if (this.good && this.digest) stored.add(this.digest);
    this.more = more;
    draw(this);
    drawTotal();
    document.dispatchEvent(new CustomEvent("entry", { detail: { entry: this, files } }));
  }
}

/* ---- what is shown ---- */
function draw(entry) {
  if (!entry.line) return;
  const [, state, bar] = entry.line.children;
  state.textContent = entry.more || (words[entry.state] ?? words.looking);
  state.className = `state ${{ safe: "good", here: "good", failed: "danger", offline: "warn" }[entry.state] || "off"}`;
  bar.hidden = entry.over;
  bar.value = entry.file.size ? entry.sent / entry.file.size : 1;
  if (entry.over && entry.state !== "failed" && files.length > SHOWN) { entry.line.remove(); entry.line = null; fill(); }
}

function fill() {
  for (const entry of files) {
    if (list.children.length >= SHOWN) return;
    if (entry.line || (entry.over && entry.state !== "failed" && files.length > SHOWN)) continue;
    entry.line = document.createElement("li");
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = entry.file.name;
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", entry.file.name);
    entry.line.append(name, document.createElement("span"), bar);
    list.append(entry.line);
    draw(entry);
  }
}

function spoken(seconds) {
  if (seconds < 60) return words.seconds.replace("{n}", Math.max(1, Math.round(seconds)));
  if (seconds < 5400) return words.minutes.replace("{n}", Math.round(seconds / 60));
  return words.hours.replace("{n}", Math.round(seconds / 3600));
}

let drawing = false;
function drawTotal() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const size = files.reduce((sum, entry) => sum + entry.file.size, 0);
    const sent = files.reduce((sum, entry) => sum + entry.sent, 0);
    const safe = files.filter((entry) => entry.good).length;
    const deleted = files.filter((entry) => entry.state === "deleted").length;
    const wanted = files.length - deleted;
    const over = files.every((entry) => entry.over);
    total.hidden = !files.length;
    total.querySelector(":scope > progress").value = size ? sent / size : over ? 1 : 0;
    const all = over && safe === wanted && wanted > 0;
    const sentence = (!all ? words.some : wanted === 1 ? words.one : words.done).replace("{n}", safe.toLocaleString()).replace("{all}", wanted.toLocaleString());
    const besides = deleted ? (deleted === 1 ? words.besides_one : words.besides).replace("{n}", deleted.toLocaleString()) : "";
    total.querySelector("[data-said]").textContent = [wanted ? sentence : "", besides].filter(Boolean).join(" ");
    const elapsed = (performance.now() - begun) / 1000;
    const rest = sent && elapsed > 3 && !over && !paused ? ((size - sent) * elapsed) / sent : 0;
    total.querySelector("[data-left]").textContent = paused ? words.paused : rest ? words.left.replace("{time}", spoken(rest)) : "";
    total.querySelector("[data-after]").hidden = !(over && safe);
    form.classList.toggle("busy", !over);
    const failed = files.some((entry) => entry.state === "failed");
    pauseButton.hidden = over && !failed;
    pauseButton.querySelector("span").textContent = over ? words.again : paused ? words.resume : words.pause;
  });
}

/* ---- looking: hashes one file after the other, and asks for many at once ---- */
let hasher = null;
const hashing = new Map();
function hashOf(file) {
  if (!hasher) {
    hasher = new Worker(form.dataset.hasher);
    hasher.onmessage = ({ data }) => {
      const { ok, no } = hashing.get(data.id);
      hashing.delete(data.id);
      if (data.digest) ok(data.digest); else no(new Error(data.error));
    };
    hasher.onerror = () => {
      for (const { no } of hashing.values()) no(new Error(words.failed));
      hashing.clear();
      hasher = null;
    };
  }
  const id = crypto.getRandomValues(new Uint32Array(1))[0];
  return new Promise((ok, no) => { hashing.set(id, { ok, no }); hasher.postMessage({ id, file }); });
}

let looking = false;
async function look() {
  if (looking) return;
  looking = true;
  const asked = [];
  let first = 0;
  while (!paused && files.filter((entry) => entry.state === "ready").length < HASHED_AHEAD) {
    const entry = files.find((each) => each.state === "waiting");
    if (entry) {
      entry.become("looking");
      try {
        entry.digest ??= await hashOf(entry.file);
        entry.become("looked");
        asked.push(entry);
        first ||= performance.now();
      } catch (error) {
        entry.become("failed", `${words.failed}: ${error.message}`);
      }
    }
    if (asked.length && (!entry || asked.length >= ASKED_AT_ONCE || performance.now() - first > 1000)) {
      await ask(asked.splice(0));
      first = 0;
      go();
    }
    if (!entry && !files.some((each) => each.state === "waiting")) break;
  }
  if (paused) asked.forEach((entry) => entry.become("paused"));
  else if (asked.length) await ask(asked);
  looking = false;
}

async function ask(entries) {
  if (form.dataset.folder) { entries.forEach((entry) => entry.become("ready")); return; } /* there it shall be, wherever else it is */
  let answer;
  try {
    const said = await fetch(form.dataset.known, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.dataset.token },
      body: JSON.stringify({ digests: entries.map((entry) => entry.digest) }),
    });
    if (said.status === 401) { entries.forEach((entry) => entry.become("failed", words.signin)); return; }
    if (!said.ok) throw new TypeError(`known: ${said.status}`);
    answer = await said.json();
  } catch {
    entries.forEach((entry) => entry.become("offline"));
    soon();
    return;
  }
  const [known, deleted] = [new Set(answer.known), new Set(leavesDeleted ? answer.deleted : [])];
  for (const entry of entries) {
    entry.become(known.has(entry.digest) ? "here" : deleted.has(entry.digest) ? "deleted" : "ready");
  }
}

/* ---- sending ---- */
/* tus-js-client takes every answer to "how far is it?" but a good one for "there is no such upload", forgets what has
   arrived and begins anew.  Only an upload that is really gone begins anew; the rest is an error like any other. */
function onlyGoneIsGone(asked, answer) {
  const status = answer.getStatus();
  if (asked.getMethod() !== "HEAD" || status < 400 || [404, 410].includes(status)) return;
  throw Object.assign(new Error(`how far: ${status}`), { answer });
}

const answerTo = (error) => error.originalResponse || error.causingError?.answer;

function worthAnother(error) {
  const status = answerTo(error)?.getStatus() || 0;
  return navigator.onLine && (status < 400 || status >= 500 || [409, 423].includes(status));
}

function told(error) {
  const response = answerTo(error);
  if (!response || (response !== error.originalResponse && response.getStatus() >= 500)) return null; /* not there */
  if (response.getStatus() === 401) return words.signin;
  try {
    const said = JSON.parse(response.getBody());
    return [said.message, said.hint].filter(Boolean).join(" ");
  } catch {
    return words.failed;
  }
}

function send(entry, digest) {
  return new Promise((finished) => {
    const metadata = { filename: entry.file.name, modified: String(entry.file.lastModified) };
    if (digest) metadata.digest = digest;
    if (form.dataset.folder) Object.assign(metadata, { folder: form.dataset.folder, drive: form.dataset.drive });
    entry.upload = new tus.Upload(entry.file, {
      endpoint: form.dataset.endpoint,
      chunkSize: PIECE,
      metadata,
      headers: { "X-CSRFToken": form.dataset.token },
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
      storeFingerprintForResuming: true,
      /* the same file on its way to another folder is another upload */
      fingerprint: (file) => Promise.resolve(["everpx", file.name, file.size, file.lastModified, form.dataset.drive, form.dataset.folder].join("-")),
      removeFingerprintOnSuccess: true,
      onAfterResponse: onlyGoneIsGone,
      onShouldRetry: worthAnother,
      onProgress: (sent) => { entry.sent = sent; draw(entry); drawTotal(); },
      onSuccess: () => { entry.become("safe"); finished(); },
      onError: (error) => {
        const said = told(error);
        if (said !== null) entry.become("failed", said);
        else { entry.become("offline"); soon(); }
        finished();
      },
    });
    entry.pause = () => entry.upload.abort().then(() => { entry.become("paused"); finished(); });
    entry.upload.findPreviousUploads().then((previous) => {
      if (previous.length) entry.upload.resumeFromPreviousUpload(previous[0]);
      if (paused) { entry.become("paused"); finished(); return; }
      entry.become("sending");
      entry.upload.start();
    });
  });
}

async function handle(entry) {
  try {
    await send(entry, entry.digest);
  } catch (error) {
    entry.become("failed", `${words.failed}: ${error.message}`);
  } finally {
    entry.pause = null;
  }
}

const busy = new Set();
function go() {
  begun ||= performance.now();
  while (!paused && busy.size < AT_ONCE) {
    const onTheirWay = new Set([...busy].map((each) => each.digest)); /* the same photo chosen twice is sent once */
    const entry = files.find((each) => each.state === "ready" && !onTheirWay.has(each.digest));
    if (!entry) break;
    if (stored.has(entry.digest)) { entry.become("here"); continue; }
    busy.add(entry);
    handle(entry).finally(() => { busy.delete(entry); go(); });
  }
  look();
}

/* Lost connections: tried again when the browser sees a network, and after 2 s, 4 s, 8 s, … a minute at most. */
const LONGEST_WAIT = 60000;
let timer = null;
let failures = 0;
function soon() { timer ??= setTimeout(again, Math.min(LONGEST_WAIT, 2000 * 2 ** failures++)); }
function again() {
  clearTimeout(timer);
  timer = null;
  files.filter((entry) => entry.state === "offline" && !busy.has(entry)).forEach((entry) => entry.become("waiting"));
  go();
}
window.addEventListener("online", again);

pauseButton.addEventListener("click", () => {
  if (files.every((entry) => entry.over)) {
    files.filter((entry) => entry.state === "failed").forEach((entry) => entry.become("waiting"));
    paused = false;
  } else {
    paused = !paused;
    if (paused) busy.forEach((entry) => entry.pause?.());
    else files.filter((entry) => entry.state === "paused" && !busy.has(entry)).forEach((entry) => entry.become("waiting"));
  }
  drawTotal();
  go();
});

/* ---- choosing ---- */
const chosenBefore = new Set();
function add(chosen) {
  for (const file of chosen) {
    const key = `${file.size} ${file.lastModified} ${file.name}`;
    if (chosenBefore.has(key)) continue;
    chosenBefore.add(key);
    files.push(new Entry(file));
  }
  fill();
  drawTotal();
  go();
}

document.getElementById("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
document.addEventListener("add-files", (event) => add(event.detail));
form.addEventListener("submit", (event) => event.preventDefault());

async function inside(entry) {
  if (entry.isFile) return [await new Promise((ok, no) => entry.file(ok, no))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((ok, no) => reader.readEntries(ok, no));
    if (!some.length) return found;
    for (const each of some) if (!each.name.startsWith(".")) found.push(...await inside(each));
  }
}

const drop = form.querySelector(".drop");
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) { add(event.dataTransfer.files); return; }
  for (const entry of entries) add(await inside(entry));
});

window.addEventListener("beforeunload", (event) => {
  if (files.some((entry) => !entry.over)) event.preventDefault();
});
}
