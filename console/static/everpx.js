/* What htmx does not do: the live stream, the drawer, the theme, and a few keys.  Every page works without it. */
"use strict";

const page = document.documentElement;
const say = (name) => document.body && htmx.trigger(document.body, name);

document.addEventListener("click", (event) => {
  if (event.target.closest && event.target.closest("[data-print]")) window.print();
});

/* Live: names of what changed arrive, fragments that listen ask again.  Hidden tabs are silent. */
let stream = null;
let timer = null;
function listen() {
  if (!document.body.dataset.live || document.hidden) return;
  stream = new EventSource("/live");
  stream.addEventListener("drives", () => say("live-drives"));
  stream.addEventListener("station", () => say("live-station"));
  stream.onerror = () => {
    if (stream && stream.readyState === EventSource.CLOSED) {
      stream = null;
      timer = setInterval(() => { say("live-drives"); say("live-station"); }, 2000);
    }
  };
}
function hush() {
  if (stream) stream.close();
  clearInterval(timer);
  stream = timer = null;
}
document.addEventListener("visibilitychange", () => {
  hush();
  if (!document.hidden) { listen(); say("live-drives"); say("live-station"); }
});
window.addEventListener("pagehide", hush);
window.addEventListener("DOMContentLoaded", listen);

/* The activity drawer: a dialog that survives reload. */
const drawerKey = "everpx-drawer";
function drawer(open) {
  const dialog = document.getElementById("activity-drawer");
  if (!dialog) return;
  if (open && !dialog.open) { dialog.showModal(); say("open-activity"); }
  if (!open && dialog.open) dialog.close();
  sessionStorage.setItem(drawerKey, open ? "1" : "");
}
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-activity]");
  if (opener) { event.preventDefault(); drawer(true); }
  if (event.target.closest("[data-close-activity]") || event.target.matches("dialog.drawer")) drawer(false);
  const theme = event.target.closest("[data-theme-choice]");
  if (theme) {
    event.preventDefault();
    const dark = page.dataset.theme ? page.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    page.dataset.theme = dark ? "light" : "dark";
    document.cookie = `theme=${page.dataset.theme}; path=/; max-age=31536000; SameSite=Strict`;
  }
});
document.addEventListener("close", (event) => {
  if (event.target.id === "activity-drawer") sessionStorage.setItem(drawerKey, "");
}, true);
window.addEventListener("DOMContentLoaded", () => { if (sessionStorage.getItem(drawerKey)) drawer(true); });

/* Ask before what cannot be undone: <form data-confirm="…">. */
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
}, true);

/* Keys: / search, ? all keys, g then a letter to go somewhere. */
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?") { document.getElementById("keys")?.showModal(); }
  if (event.key === "a") { drawer(true); }
  const search = event.key === "/" && document.querySelector("[type=search]");
  if (search) { event.preventDefault(); search.focus(); }
});

/* Problems of a form get the focus: on the page that came back, or in the fragment that was swapped in. */
window.addEventListener("DOMContentLoaded", () => document.querySelector(".summary[tabindex]")?.focus());
document.addEventListener("htmx:afterSwap", (event) => event.target.querySelector?.(".summary[tabindex]")?.focus());

/* What was opened in a live fragment stays open when it is drawn anew. */
let opened = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  opened = [...event.detail.target.querySelectorAll("details[open][id]")].map((each) => each.id);
});
document.addEventListener("htmx:afterSwap", () => opened.forEach((id) => document.getElementById(id)?.setAttribute("open", "")));

/* Who signs out leaves nothing on this device: not what a phone remembers, not what was half sent.  The wish is noted at
   once: a live part of the page may hear first that nobody is signed in, and go to the same page by another way. */
document.addEventListener("submit", (event) => {
  if (new URL(event.target.action, location).pathname === "/sign-out") sessionStorage.setItem("left", "1");
});
if (location.pathname === "/sign-in" && (sessionStorage.getItem("left") || new URLSearchParams(location.search).has("left"))) {
  sessionStorage.removeItem("left");
  indexedDB.deleteDatabase("everpx-phone");
  Object.keys(localStorage).filter((key) => key.startsWith("tus::")).forEach((key) => localStorage.removeItem(key));
}
