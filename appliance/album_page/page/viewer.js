/* One photo, from its original; where the browser cannot show that, from its preview. */
const viewer = byId("viewer");
const stage = byId("stage");
let shown = null; /* {section, at} */
let turning = 0; /* a slow picture does not replace a newer one */

async function openViewer([user, month, id]) {
  for (const section of sections) {
    if (section.month % 100 && section.month !== month) continue; /* of a whole year, or an album */
    section.items ||= await section.load();
    const at = section.items.findIndex((item) => item.user === user && item.id === id);
    if (at >= 0) { await show(section, at); return; }
  }
  closeViewer();
}

function closeViewer() {
  const item = shown && shown.section.items[shown.at];
  shown = null;
  stage.replaceChildren();
  if (viewer.open) viewer.close();
  if (item) [...document.querySelectorAll(".cell")].find((cell) => cell.item === item)?.focus({ preventScroll: true });
}

async function show(section, at) {
  shown = { section, at };
  const item = section.items[at];
  if (!viewer.open) viewer.showModal();
  describe(item);
  byId("newer").hidden = !(await beside(-1));
  byId("older").hidden = !(await beside(1));
  await stageItem(item);
  for (const step of [1, -1]) beside(step).then((next) => { if (next && !next.item.isVideo) new Image().src = next.item.href; }, () => {});
}

/* The photo before (-1: newer) or after (1: older) the one that is shown. */
async function beside(step) {
  if (!shown) return null;
  let { section, at } = shown;
  at += step;
  if (at < 0 || at >= section.items.length) {
    section = sections[sections.indexOf(section) + step];
    if (!section) return null;
    section.items ||= await section.load();
    at = step > 0 ? 0 : section.items.length - 1;
  }
  return section.items[at] ? { section, at, item: section.items[at] } : null;
}

async function turn(step) {
  const next = await beside(step);
  if (next) location.replace(photoHash(next.item));
}

async function stageItem(item) {
  const mine = turning += 1;
  const address = await pictureOf(item).catch(() => "");
  if (mine !== turning || !shown) return;
  const small = address ? make("img", { class: "small", alt: "", src: address }) : "";
  const note = (word) => { small && small.classList.add("only"); stage.append(make("p", { class: "note" }, say(word))); };
  if (item.isVideo) {
    const film = make("video", { controls: true, playsinline: true, preload: "metadata", src: item.href, "aria-label": spoken(item), ...(address ? { poster: address } : {}) });
    film.onerror = () => { film.remove(); stage.prepend(small); note("cannotShow"); };
    stage.replaceChildren(film);
    return;
  }
  const large = make("img", { class: "large", alt: spoken(item) });
  const preview = previewOf(item, 1600);
  large.onload = () => small && small.remove();
  large.onerror = () => {
    if (preview && large.getAttribute("src") !== preview) { large.src = preview; return; }
    large.remove();
    note(small ? "smallOnly" : "cannotShow");
  };
  large.src = item.href;
  stage.replaceChildren(...[small, large].filter(Boolean));
}

function bytesInWords(count) {
  let amount = count;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (amount < 999.5) return `${unit === "B" || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${unit}`;
    amount /= 1000;
  }
  return `${amount.toFixed(2)} TB`;
}

function describe(item) {
  const facts = [
    ["taken", dated(item.when, { dateStyle: "full", timeStyle: "short" })],
    ["tags", item.tags.join(", ")], ["favourite", item.favourite && `♥ ${say("yes")}`], ["rating", item.rating && say("stars", { n: item.rating })],
    ["file", item.name], ["folder", item.folder], ["size", bytesInWords(item.bytes) + (item.width ? ` · ${item.width} × ${item.height}` : "")],
    ["place", item.place], ["camera", item.camera], ["shared", item.shared && say("yes")],
  ].filter(([, value]) => value);
  byId("about").replaceChildren(...[
    make("h2", { id: "photo-name" }, item.title || item.name), make("p", {}, item.description),
    make("a", { class: "open", href: item.href, target: "_blank", rel: "noopener" }, say("open")),
    item.also.length ? make("p", { class: "also" }, say("also"), ...item.also.flatMap(({ href, name }) => [" ", make("a", { href, target: "_blank", rel: "noopener" }, name)])) : null,
    make("dl", {}, ...facts.flatMap(([word, value]) => [make("dt", {}, say(word)), make("dd", {}, value)])),
  ].filter(Boolean));
}

byId("newer").onclick = () => turn(-1);
byId("older").onclick = () => turn(1);
byId("close").onclick = () => leavePhoto();
viewer.addEventListener("cancel", (event) => { event.preventDefault(); leavePhoto(); });
viewer.addEventListener("keydown", (event) => {
  if (event.target.matches("video") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) { event.preventDefault(); turn(step); }
});
let touch = null;
stage.addEventListener("touchstart", (event) => { touch = event.touches.length === 1 && !event.target.closest("video") ? event.touches[0] : null; }, { passive: true });
stage.addEventListener("touchend", (event) => {
  if (!touch || (window.visualViewport && visualViewport.scale > 1.05)) return;
  const across = event.changedTouches[0].clientX - touch.clientX;
  if (Math.abs(across) > 60 && Math.abs(event.changedTouches[0].clientY - touch.clientY) < 60) turn(across < 0 ? 1 : -1);
}, { passive: true });
