/* Where we are is in the address: #/  #/p/3  #/p/3/albums  #/p/3/album/0  #/ours, each with ?q=words&photo=3-202611-55 */
const main = byId("main");
const input = byId("words");
let place = ""; /* what main shows: the path and the words searched for */

function parsed() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  const values = new URLSearchParams(query);
  const [, photo] = /^(\d+-\d+-\d+)$/.exec(values.get("photo") || "") || [];
  return { path, words: values.get("q") || "", photo: photo ? photo.split("-").map(Number) : null };
}

function hashOf(path, words, photo) {
  const values = new URLSearchParams();
  if (words) values.set("q", words);
  if (photo) values.set("photo", photo);
  return `#${path}${values.size || [...values].length ? `?${values}` : ""}`;
}
const photoHash = (item) => { const { path, words } = parsed(); return hashOf(path, words, `${item.user}-${item.month}-${item.id}`); };

let typing = 0; /* the words are looked for when the keys rest */
let openedHere = false; /* the photo was opened from the grid, so going back leaves it */
function leavePhoto() {
  const { path, words } = parsed();
  if (openedHere) history.back(); else location.replace(hashOf(path, words));
}

async function follow() {
  const { path, words, photo } = parsed();
  const wanted = hashOf(path, words);
  const isNew = wanted !== place;
  if (isNew) { place = wanted; openedHere = false; await view(path, words); } else if (photo && !viewer.open) openedHere = true;
  if (wanted !== place) return;
  if (photo) { clearTimeout(typing); await openViewer(photo); } else closeViewer();
}

async function view(path, words) {
  const [, kind, id, part, at] = path.split("/");
  const one = kind === "p" ? person(Number(id)) : null;
  const album = one && part === "album" ? one.albums[Number(at)] : null;
  const mine = place;
  sections = [];
  rail.hidden = true;
  bar({ kind, one, album, part, words });
  if (!one && kind !== "ours") { showPeople(main); scrollTo(0, 0); return; }
  if (part === "albums") { showAlbums(main, one); scrollTo(0, 0); return; }
  const about = album ? album.description : "";
  try {
    let wanted = album ? await albumSections(album) : kind === "ours" ? ourSections() : personSections(one);
    if (words) {
      byId("said").textContent = say("searching");
      wanted = await foundSections(wanted, words);
    }
    if (mine !== place) return;
    const count = wanted.reduce((sum, section) => sum + section.count, 0);
    byId("said").textContent = words && count ? counted("found", count) : "";
    if (wanted.length) showTimeline(main, wanted, words ? counted("found", count) : about);
    else main.replaceChildren(make("p", { class: "note" }, say(words ? "foundNone" : "noPhotos")));
  } catch { showTrouble(main); }
  scrollTo(0, 0);
  if (sections.length) draw();
}

function bar({ kind, one, album, part, words }) {
  const isHome = !one && kind !== "ours";
  document.documentElement.lang = language;
  const title = album ? album.title : one ? one.name : kind === "ours" ? say("ours") : say("title");
  document.title = isHome ? title : `${title} · ${say("title")}`;
  byId("title").textContent = title;
  byId("back").hidden = isHome;
  byId("back").href = album ? `#/p/${one.id}/albums` : "#/";
  const tabs = one && one.albums.length && !album ? [["timeline", `#/p/${one.id}`, part !== "albums"], ["albumsTab", `#/p/${one.id}/albums`, part === "albums"]] : [];
  byId("tabs").replaceChildren(...tabs.map(([word, href, isHere]) => make("a", { href, ...(isHere ? { "aria-current": "page" } : {}) }, say(word))));
  byId("tabs").hidden = !tabs.length;
  byId("search").hidden = isHome || part === "albums";
  if (document.activeElement !== input) input.value = words;
  input.placeholder = say("searchHint");
  input.setAttribute("aria-label", say("search"));
  byId("language").textContent = say("language");
  byId("language").lang = language === "en" ? "zh" : "en";
  document.querySelector(".skip").textContent = say("skip");
  for (const [id, word] of [["back", album ? "back" : "everybody"], ["close", "close"], ["newer", "newer"], ["older", "older"]]) byId(id).querySelector("span").textContent = say(word);
}

input.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { history.replaceState(null, "", hashOf(parsed().path, input.value.trim())); follow(); }, 150);
});
byId("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  try { localStorage.setItem("everpx-language", language); } catch { /* for this visit, then */ }
  place = "";
  follow();
});
document.addEventListener("keydown", (event) => {
  if (viewer.open || event.ctrlKey || event.metaKey || event.altKey || event.target === input || event.target === rail) return;
  if (event.key === "/" && !byId("search").hidden) { event.preventDefault(); input.focus(); }
  if (event.key.startsWith("Arrow") && sections.length) { event.preventDefault(); moveFocus(event.key); }
});
addEventListener("hashchange", follow);
history.scrollRestoration = "manual";
load("index.js").then(() => (index ? follow() : Promise.reject(new Error("index")))).catch(() => { bar({ kind: "" }); showTrouble(main); });
