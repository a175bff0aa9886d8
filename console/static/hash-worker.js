/* BLAKE3 of files, beside the page so that it stays quick.  In: {id, file}; out: {id, digest} or {id, error}. */
"use strict";

const PIECE = 4 * 1024 * 1024;

async function digestOf(file) {
  const hash = await hashwasm.createBLAKE3();
  hash.init();
  for (let at = 0; at < file.size; at += PIECE) {
    hash.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
  }
  return hash.digest("hex");
}

self.addEventListener("message", async ({ data: { id, file } }) => {
  try {
    self.postMessage({ id, digest: await digestOf(file) });
  } catch (error) {
    self.postMessage({ id, error: error.message });
  }
});
