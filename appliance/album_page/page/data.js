/* What lies in .everpx/album.  Scripts, because a page that is opened as a file may not fetch anything else: each calls
   one of these with its own name and what it holds. */
const ALBUM = ".everpx/album/";
const PREVIEWS = ".everpx/previews/";
const PACK = 48; /* pictures of a pack, as in appliance/album_page/pictures.py */
const KEPT_PACKS = 48; /* about 1 MB each */
const came = new Map();
const keep = (name, value) => came.set(name, value);
let index = null;
window.everpx = Object.freeze({ index: (value) => { index = value; }, photos: keep, pictures: keep, album: keep });

const waiting = new Map();
function load(name) {
  if (!waiting.has(name)) {
    waiting.set(name, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = ALBUM + name;
      script.onload = () => { const value = came.get(name); came.delete(name); script.remove(); value === undefined && name !== "index.js" ? reject(new Error(name)) : resolve(value); };
      script.onerror = () => { script.remove(); waiting.delete(name); reject(new Error(name)); };
      document.head.append(script);
    }));
  }
  return waiting.get(name);
}

/* Packs of pictures are large: the ones that were not needed for longest go. */
const packs = new Map();
function pack(name) {
  const found = packs.get(name) || load(name);
  packs.delete(name);
  packs.set(name, found);
  while (packs.size > KEPT_PACKS) {
    const [oldest] = packs.keys();
    packs.delete(oldest);
    waiting.delete(oldest);
  }
  return found;
}

const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } };
const person = (id) => index.people.find((one) => one.id === id);
const monthOf = (user, month) => person(user)?.months.find((one) => one.month === month);

/* A month of one person: its items, oldest first. */
const months = new Map();
function photosOf(user, month) {
  const entry = monthOf(user, month);
  if (!entry) return Promise.resolve([]);
  const key = `${user}-${month}`;
  if (!months.has(key)) {
    const items = load(entry.file).then((data) => {
      const also = new Map();
      for (const [id, folder, name] of data.also) also.set(id, [...(also.get(id) || []), { href: pathOf(data.folders[folder], name), name: decoded(name) }]);
      return data.items.map((line, at) => ({ ...itemOf(line, at, data.folders, user, entry), also: also.get(line[0]) || [] }));
    });
    months.set(key, items);
    items.catch(() => months.delete(key));
  }
  return months.get(key);
}

const pathOf = (place, name) => (place ? `${place}/${name}` : name);
function itemOf(line, at, folders, user, entry) {
  const [id, kind, when, folder, name, bytes, width, height, shared, picture, more = {}] = line;
  const place = folders[folder];
  return {
    id, user, when, bytes, width, height, picture, at, entry, month: entry.month, isVideo: kind === 1, shared: shared === 1,
    href: pathOf(place, name), name: decoded(name), folder: decoded(place),
    title: more.t || "", description: more.d || "", tags: more.g || [], place: more.p || "", camera: more.c || "", seconds: more.s || 0, rating: more.r || 0, favourite: more.f === 1,
  };
}

/* The address of an item's small picture, or "" where there is none. */
async function pictureOf(item) {
  if (!item.picture) return "";
  if (typeof item.picture === "string") return previewOf(item, 320);
  const name = item.entry.packs[Math.floor(item.at / PACK)];
  if (!name) return "";
  const content = (await pack(name))[item.at % PACK];
  return content ? `data:image/webp;base64,${content}` : "";
}
const previewOf = (item, pixels) => (typeof item.picture === "string" ? `${PREVIEWS}${item.picture.slice(0, 2)}/${item.picture}-${pixels}.webp` : "");

async function photoAt([user, month, id]) {
  return (await photosOf(user, month)).find((item) => item.id === id);
}

/* What the search looks through, folded once; days in both languages, each day once. */
const fold = (text) => text.normalize("NFKC").toLowerCase();
const calendars = ["en", "zh"].map((tongue) => new Intl.DateTimeFormat(tongue, { timeZone: "UTC", year: "numeric", month: "long", day: "numeric" }));
const days = new Map();
function dayWords(when) {
  const day = Math.floor(when / 86400);
  if (!days.has(day)) days.set(day, calendars.map((calendar) => calendar.format(new Date(day * 86400000))).join("\n"));
  return days.get(day);
}
function haystack(item) {
  item.words ||= fold([
    item.title, item.description, ...item.tags, `${item.folder}/${item.name}`, item.camera, item.place, ...item.also.map(({ name }) => name), person(item.user).name, dayWords(item.when),
    item.isVideo ? `${WORDS.en.video} ${WORDS.zh.video}` : "", item.favourite ? `${WORDS.en.favourite} ${WORDS.zh.favourite}` : "",
  ].join("\n"));
  return item.words;
}
