/* A timeline: every section has its height from the start, so the bar at the side is right at once; cells exist only
   near what is seen. */
const HEAD = 48; /* pixels of a month's heading */
const AHEAD = 700; /* pixels that are made before they are seen */
const PHONE = 640;
let sections = []; /* {month, count, load, node, top, height, items, cells} */
let columns = 1;
let cellSize = 0;
let gap = 2;

function showTimeline(main, wanted, about = "") {
  sections = wanted.map((section) => ({ ...section, items: null, cells: new Map(), asked: false }));
  const nodes = sections.map((section) => {
    section.node = make("section", { class: "month" });
    if (section.month) section.node.append(make("h2", {}, monthName(section.month), " ", make("small", {}, number(section.count))));
    return section.node;
  });
  main.replaceChildren(...(about ? [make("p", { class: "about-album" }, about)] : []), ...nodes);
  measure();
  showYears();
}

function measure() {
  if (!sections.length) return;
  const width = sections[0].node.clientWidth;
  gap = width < PHONE ? 2 : 4;
  columns = Math.max(3, Math.round(width / (width < PHONE ? 110 : 172)));
  cellSize = (width - gap * (columns - 1)) / columns;
  for (const section of sections) {
    section.head = section.month ? HEAD : gap;
    section.height = section.head + Math.ceil(section.count / columns) * (cellSize + gap) + 8;
    section.node.style.height = `${section.height}px`;
    for (const cell of section.cells.values()) cell.remove();
    section.cells.clear();
  }
  const first = sections[0].node.getBoundingClientRect().top + scrollY;
  sections.reduce((top, section) => { section.top = top; return top + section.height; }, first);
  draw();
}

let drawing = false;
function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function draw() {
  const from = scrollY - AHEAD;
  const to = scrollY + innerHeight + AHEAD;
  for (const section of sections) {
    if (section.top + section.height < from || section.top > to) { if (section.cells.size) clear(section, 0, 0); continue; }
    if (section.items) fill(section, from, to);
    else if (!section.asked) ask(section);
  }
  showPlace();
}

function ask(section) {
  section.asked = true;
  section.load().then((items) => { section.items = items; drawSoon(); }, () => { byId("said").textContent = say("partMissing"); });
}

function fill(section, from, to) {
  const row = cellSize + gap;
  const first = Math.max(0, Math.floor((from - section.top - section.head) / row)) * columns;
  const last = Math.min(section.items.length, Math.ceil((to - section.top - section.head) / row) * columns);
  clear(section, first, last);
  let after = section.node.querySelector("h2");
  for (let at = first; at < last; at += 1) {
    let cell = section.cells.get(at);
    if (!cell) {
      cell = cellOf(section, at);
      section.cells.set(at, cell);
      if (after) after.after(cell); else section.node.prepend(cell);
    }
    after = cell; /* in the order of the tab key */
  }
}

function clear(section, first, last) {
  for (const [at, cell] of section.cells) {
    if ((at < first || at >= last) && cell !== document.activeElement) { cell.remove(); section.cells.delete(at); }
  }
}

function cellOf(section, at) {
  const item = section.items[at];
  const cell = make("a", { class: "cell", href: photoHash(item), "aria-label": spoken(item) });
  cell.item = item;
  cell.style.width = cell.style.height = `${cellSize}px`;
  cell.style.left = `${(at % columns) * (cellSize + gap)}px`;
  cell.style.top = `${section.head + Math.floor(at / columns) * (cellSize + gap)}px`;
  pictureOf(item).catch(() => "").then((address) => {
    const nothing = () => make("span", { class: "nothing" }, item.name);
    if (!address) { cell.prepend(nothing()); return; }
    const image = make("img", { alt: "", decoding: "async" });
    image.onerror = () => image.replaceWith(nothing());
    image.src = address;
    cell.prepend(image);
  });
  if (item.isVideo) cell.append(make("span", { class: "film" }, `▶ ${clock(item.seconds)}`));
  return cell;
}

const clock = (seconds) => (seconds ? `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}` : "");
const spoken = (item) => [item.title || item.name, say(item.isVideo ? "video" : "photo"), dated(item.when, { dateStyle: "long" })].join(", ");

/* ---- arrows in the grid ---- */
function moveFocus(key) {
  const section = sections.find((one) => one.node.contains(document.activeElement));
  const at = section ? [...section.cells].find(([, cell]) => cell === document.activeElement)?.[0] : undefined;
  if (at === undefined) return focusOn(sections.find((one) => one.top + one.height > scrollY + HEAD), 0);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  const which = sections.indexOf(section);
  if (at + step >= 0 && at + step < section.count) return focusOn(section, at + step);
  if (step === columns && Math.floor(at / columns) < Math.floor((section.count - 1) / columns)) return focusOn(section, section.count - 1);
  const next = sections[which + Math.sign(step)];
  if (!next) return undefined;
  if (Math.abs(step) === 1) return focusOn(next, step > 0 ? 0 : next.count - 1);
  const column = at % columns;
  const lastRow = Math.floor((next.count - 1) / columns) * columns;
  return focusOn(next, Math.min(next.count - 1, step > 0 ? column : lastRow + column));
}

async function focusOn(section, at) {
  if (!section) return;
  section.items ||= await section.load();
  const top = section.top + section.head + Math.floor(at / columns) * (cellSize + gap);
  const bar = byId("bar").offsetHeight;
  if (top < scrollY + bar + HEAD) scrollTo(0, Math.max(0, top - bar - HEAD));
  else if (top + cellSize > scrollY + innerHeight) scrollTo(0, top + cellSize - innerHeight + gap);
  draw();
  section.cells.get(at)?.focus({ preventScroll: true });
}

/* ---- the bar at the side ---- */
const rail = byId("rail");
const firstTop = () => (sections.length ? sections[0].top : 0);
const lastTop = () => { const last = sections[sections.length - 1]; return last ? last.top + last.height : 1; };

function showYears() {
  rail.hidden = sections.length < 2;
  rail.style.top = `${byId("bar").offsetHeight + 10}px`;
  const span = lastTop() - firstTop();
  let year = 0;
  let free = -1;
  const labels = [];
  for (const section of sections) {
    const share = (section.top - firstTop()) / span;
    if (Math.floor(section.month / 100) !== year && share * rail.clientHeight > free) {
      year = Math.floor(section.month / 100);
      const label = make("span", {}, String(year));
      label.style.top = `${Math.max(1.2, Math.min(98.8, share * 100))}%`;
      labels.push(label);
      free = share * rail.clientHeight + 22;
    }
  }
  byId("years").replaceChildren(...labels);
  rail.setAttribute("aria-label", say("scrub"));
  rail.setAttribute("aria-valuemin", "1");
  rail.setAttribute("aria-valuemax", String(sections.length));
}

const here = () => Math.max(0, sections.findLastIndex((section) => section.top <= scrollY + byId("bar").offsetHeight + HEAD));

function showPlace() {
  if (rail.hidden || !sections.length) return;
  const at = here();
  const reach = Math.max(1, document.documentElement.scrollHeight - innerHeight);
  rail.style.setProperty("--at", `${Math.min(100, (scrollY / reach) * 100)}%`);
  rail.setAttribute("aria-valuenow", String(at + 1));
  rail.setAttribute("aria-valuetext", monthName(sections[at].month));
  byId("bubble").textContent = monthName(sections[at].month);
}

function goToSection(at) {
  const section = sections[Math.max(0, Math.min(sections.length - 1, at))];
  scrollTo(0, Math.max(0, section.top - byId("bar").offsetHeight));
}

function scrub(event) {
  const box = rail.getBoundingClientRect();
  const share = Math.max(0, Math.min(1, (event.clientY - box.top) / box.height));
  scrollTo(0, share * (document.documentElement.scrollHeight - innerHeight));
}

rail.addEventListener("pointerdown", (event) => { rail.setPointerCapture(event.pointerId); byId("bubble").hidden = false; scrub(event); });
rail.addEventListener("pointermove", (event) => { if (rail.hasPointerCapture(event.pointerId)) scrub(event); });
for (const end of ["pointerup", "pointercancel"]) rail.addEventListener(end, () => { byId("bubble").hidden = true; });
rail.addEventListener("keydown", (event) => {
  const goes = { ArrowDown: here() + 1, ArrowRight: here() + 1, ArrowUp: here() - 1, ArrowLeft: here() - 1, PageDown: here() + 12, PageUp: here() - 12, Home: 0, End: sections.length - 1 }[event.key];
  if (goes === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  goToSection(goes);
});
addEventListener("scroll", drawSoon, { passive: true });
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; measure(); showYears(); } else drawSoon(); });
