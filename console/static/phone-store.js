/* What a phone remembers between visits (IndexedDB), for the page and for the service worker.
   meta    who uses this phone, which language
   items   digest -> {digest, name, size, state}: everything that was ever chosen here, "waiting" until it is stored
   shared  photos that came from the gallery and are not sent yet; the only bytes that are kept here */
"use strict";

const phoneStore = (() => {
  let opened = null;

  function open() {
    return (opened ??= new Promise((ok, no) => {
      const asked = indexedDB.open("everpx-phone", 1);
      asked.onupgradeneeded = () => {
        asked.result.createObjectStore("meta");
        asked.result.createObjectStore("items", { keyPath: "digest" });
        asked.result.createObjectStore("shared", { autoIncrement: true });
      };
      asked.onsuccess = () => {
        asked.result.onversionchange = () => { asked.result.close(); opened = null; }; /* somebody signs out */
        ok(asked.result);
      };
      asked.onerror = () => no(asked.error);
    }));
  }

  /* Resolves when what was written is on the disk. */
  async function change(name, work) {
    const transaction = (await open()).transaction(name, "readwrite");
    const done = new Promise((ok, no) => { transaction.oncomplete = ok; transaction.onerror = transaction.onabort = () => no(transaction.error); });
    work(transaction.objectStore(name));
    await done;
  }

  async function ask(name, work) {
    const asked = work((await open()).transaction(name).objectStore(name));
    return new Promise((ok, no) => { asked.onsuccess = () => ok(asked.result); asked.onerror = () => no(asked.error); });
  }

  return {
    meta: (key) => ask("meta", (store) => store.get(key)),
    setMeta: (key, value) => change("meta", (store) => store.put(value, key)),
    items: () => ask("items", (store) => store.getAll()),
    keep: (items) => change("items", (store) => items.forEach((item) => store.put(item))),
    take: (files) => change("shared", (store) => files.forEach((file) => store.add(file))),
    shared: async () => {
      const [keys, files] = await Promise.all([ask("shared", (store) => store.getAllKeys()), ask("shared", (store) => store.getAll())]);
      return keys.map((key, place) => ({ key, file: files[place] }));
    },
    drop: (key) => change("shared", (store) => store.delete(key)),
    async forget() {
      for (const name of ["meta", "items", "shared"]) await change(name, (store) => store.clear());
    },
  };
})();
