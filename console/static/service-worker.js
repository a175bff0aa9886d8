/* Answers when the station does not, and takes photos that are shared from the gallery.  FACTS come before this text.
   It keeps the page without a connection and nothing else: no photo, and no page of anybody, is ever kept here. */
"use strict";

importScripts(FACTS.store);
const KEPT = `everpx-${FACTS.version}`;

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const kept = await caches.open(KEPT);
    await kept.addAll([...Object.values(FACTS.offline), ...FACTS.files]);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== KEPT) await caches.delete(name);
    await self.clients.claim();
  })());
});

async function withoutConnection() {
  const language = (await phoneStore.meta("language")) ?? self.navigator.language.slice(0, 2);
  const kept = await caches.open(KEPT);
  return (await kept.match(FACTS.offline[language] ?? FACTS.offline.en)) ?? Response.error();
}

/* Kept on this phone until the page has sent them; only then the gallery is told that they were taken. */
async function takeShared(request) {
  try {
    const files = (await request.formData()).getAll(FACTS.field).filter((file) => file instanceof File);
    await phoneStore.take(files);
    return Response.redirect(`${FACTS.page}?shared=${files.length}`, 303);
  } catch {
    return Response.redirect(`${FACTS.page}?missed=1`, 303);
  }
}

async function go(request) {
  try {
    return await fetch(request);
  } catch {
    return withoutConnection();
  }
}

async function keptFile(request) {
  const kept = await caches.open(KEPT);
  return (await kept.match(request)) ?? fetch(request);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.method === "POST" && url.pathname === FACTS.share) event.respondWith(takeShared(request));
  else if (request.method === "GET" && request.mode === "navigate") event.respondWith(go(request));
  else if (FACTS.files.includes(url.pathname + url.search)) event.respondWith(keptFile(request));
});
