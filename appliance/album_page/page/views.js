/* The pages that are no timeline: whose photos, whose albums; and what goes wrong. */
const total = (one) => one.months.reduce((sum, month) => sum + month.count, 0);
const sharedTotal = () => index.people.reduce((sum, one) => sum + one.months.reduce((all, month) => all + month.shared, 0), 0);

function face(one) {
  const circle = make("span", { class: "face", "aria-hidden": "true" }, one.emoji || [...one.name][0] || "?");
  circle.style.background = `var(--${["blue", "green", "amber", "rose", "violet"].includes(one.colour) ? one.colour : "blue"})`;
  return circle;
}

function showPeople(main) {
  const cards = index.people.map((one) => make("li", {}, make("a", { href: `#/p/${one.id}` }, face(one),
    make("strong", {}, one.name), make("span", {}, counted("photos", total(one))))));
  const shared = sharedTotal();
  if (shared) {
    cards.unshift(make("li", {}, make("a", { href: "#/ours" }, face({ name: "", emoji: "🏡", colour: "green" }),
      make("strong", {}, say("ours")), make("span", {}, `${say("oursAbout")} · ${counted("photos", shared)}`))));
  }
  const { name, tag } = index.drive;
  const date = dated(Date.parse(`${index.written}T00:00:00Z`) / 1000, { dateStyle: "long" });
  main.replaceChildren(make("div", { class: "page" }, make("h2", {}, index.people.length ? say("whose") : say("noPhotos")), make("p", {}, say("about")),
    make("ul", { class: "cards" }, ...cards), make("footer", {}, say("drive", { name, tag, date }))));
}

function showAlbums(main, one) {
  const cards = one.albums.map((album, at) => {
    const cover = make("img", { class: "cover", alt: "" });
    photoAt(album.cover).then((item) => item && pictureOf(item)).then((address) => { if (address) cover.src = address; }, () => {});
    const owner = album.owner !== one.id && person(album.owner);
    return make("li", {}, make("a", { href: `#/p/${one.id}/album/${at}` }, cover, make("div", {},
      make("strong", {}, album.title), make("span", {}, counted("photos", album.count), owner ? ` · ${say("by", { name: owner.name })}` : ""))));
  });
  main.replaceChildren(make("div", { class: "page" }, cards.length ? null : make("p", {}, say("noAlbums")), make("ul", { class: "cards albums" }, ...cards)));
}

function showTrouble(main) {
  main.replaceChildren(make("div", { class: "note", role: "alert" }, make("strong", {}, say("missing")), make("p", {}, say("missingHelp"))));
}

/* ---- what a timeline shows ---- */

/* Sections: {month, count, load}, the newest month first; ``load`` gives the newest photo first. */
function personSections(one) {
  return one.months.map(({ month, count }) => ({ month, count, load: async () => [...await photosOf(one.id, month)].reverse() })).reverse();
}

function ourSections() {
  const counts = new Map();
  for (const one of index.people) for (const { month, shared } of one.months) if (shared) counts.set(month, (counts.get(month) || 0) + shared);
  return [...counts].sort(([a], [b]) => b - a).map(([month, count]) => ({ month, count, load: async () => {
    const all = await Promise.all(index.people.map((one) => photosOf(one.id, month)));
    return all.flat().filter((item) => item.shared).sort(newestFirst);
  } }));
}

async function albumSections(album) {
  const items = (await Promise.all((await load(album.file)).map(photoAt))).filter(Boolean);
  return items.length ? [{ month: 0, count: items.length, load: async () => items }] : [];
}

/* What was found, year by year: single months would be mostly heading. */
async function foundSections(sections, text) {
  const wanted = fold(text).split(/\s+/).filter(Boolean);
  const all = await Promise.all(sections.map((section) => section.load().catch(() => [])));
  const years = new Map();
  for (const item of all.flat()) {
    const words = haystack(item);
    if (!wanted.every((word) => words.includes(word))) continue;
    const year = Math.floor(item.month / 100) * 100;
    if (!years.has(year)) years.set(year, []);
    years.get(year).push(item);
  }
  return [...years].sort(([a], [b]) => b - a).map(([month, items]) => ({ month, count: items.length, load: async () => items }));
}

const newestFirst = (a, b) => b.when - a.when || b.id - a.id;
