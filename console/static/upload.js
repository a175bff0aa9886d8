/* Adding files: each is hashed, asked for, and sent in pieces only when it is not here already (tus 1.0).
   A lost connection is waited for; a closed page goes on when the same files are chosen again. */
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
const SHOWN = 200; /* lines; a thousand photos need no thousand lines */
const files = [];
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

  get over() { return ["safe", "here", "failed"].includes(this.state); }

  become(state, more = "") {
    this.state = state;
    if (["safe", "here"].includes(state)) this.sent = this.file.size;
    this.more = more;
    draw(this);
    drawTotal();
  }
}

/* ---- what is shown ---- */
function draw(entry) {
  if (!entry.line) return;
  const [, state, bar] = entry.line.children;
  state.textContent = entry.more || words[entry.state];
  state.className = `state ${{ safe: "good", here: "good", failed: "danger", offline: "warn" }[entry.state] || "off"}`;
  bar.hidden = entry.over;
  bar.value = entry.file.size ? entry.sent / entry.file.size : 1;
  if (["safe", "here"].includes(entry.state) && files.length > SHOWN) { entry.line.remove(); entry.line = null; fill(); }
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
    const safe = files.filter((entry) => ["safe", "here"].includes(entry.state)).length;
    const over = files.every((entry) => entry.over);
    total.hidden = !files.length;
    total.querySelector(":scope > progress").value = size ? sent / size : over ? 1 : 0;
    const all = over && safe === files.length;
    total.querySelector("[data-said]").textContent = (!all ? words.some : files.length === 1 ? words.one : words.done).replace("{n}", safe.toLocaleString()).replace("{all}", files.length.toLocaleString());
    const elapsed = (performance.now() - begun) / 1000;
    const rest = sent && elapsed > 3 && !over && !paused ? ((size - sent) * elapsed) / sent : 0;
    total.querySelector("[data-left]").textContent = paused ? words.paused : rest ? words.left.replace("{time}", spoken(rest)) : "";
    total.querySelector("[data-after]").hidden = !(over && safe);
    const failed = files.some((entry) => entry.state === "failed");
    pauseButton.hidden = over && !failed;
    pauseButton.querySelector("span").textContent = over ? words.again : paused ? words.resume : words.pause;
  });
}

/* ---- sending ---- */
async function hashOf(file) {
  const hash = await hashwasm.createBLAKE3();
  hash.init();
  for (let at = 0; at < file.size; at += PIECE) {
    if (paused) return null;
    hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
  }
  return hash.digest("hex");
}

async function isHere(digest) {
  const answer = await fetch(form.dataset.known, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": form.dataset.token },
    body: JSON.stringify({ digests: [digest] }),
  });
  if (!answer.ok) return false;
  return (await answer.json()).known.includes(digest);
}

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
    entry.upload = new tus.Upload(entry.file, {
      endpoint: form.dataset.endpoint,
      chunkSize: PIECE,
      metadata,
      headers: { "X-CSRFToken": form.dataset.token },
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
      storeFingerprintForResuming: true,
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
  entry.become("looking");
  try {
    const digest = entry.digest ??= await hashOf(entry.file);
    if (paused) { entry.become("paused"); return; }
    if (digest && await isHere(digest)) { entry.become("here"); return; }
    await send(entry, digest);
  } catch (error) {
    /* the network while asking, or a file that can no longer be read */
    if (error instanceof TypeError) { entry.become("offline"); soon(); } else entry.become("failed", `${words.failed}: ${error.message}`);
  } finally {
    entry.pause = null;
  }
}

const busy = new Set();
function go() {
  begun ||= performance.now();
  while (!paused && busy.size < AT_ONCE) {
    const entry = files.find((each) => each.state === "waiting");
    if (!entry) return;
    busy.add(entry);
    handle(entry).finally(() => { busy.delete(entry); go(); });
  }
}

/* Lost connections: tried again when the browser sees a network, and every 15 s. */
let timer = null;
function soon() { timer ??= setTimeout(again, 15000); }
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
function add(chosen) {
  for (const file of chosen) {
    const same = (entry) => entry.file.name === file.name && entry.file.size === file.size && entry.file.lastModified === file.lastModified;
    if (!files.some(same)) files.push(new Entry(file));
  }
  fill();
  drawTotal();
  go();
}

document.getElementById("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
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
