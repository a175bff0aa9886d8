/* A guest's photos and films, sent in pieces one after the other (tus 1.0): a lost line is waited for, and a page that
   was closed goes on when the same files are chosen again.  Without this file the form sends small ones all at once. */
"use strict";

const form = document.querySelector("[data-guest-upload]");
const PIECE = 8 * 1024 * 1024;

function send(file, onProgress) {
  return new Promise((ok, no) => {
    const upload = new tus.Upload(file, {
      endpoint: form.dataset.endpoint,
      chunkSize: PIECE,
      uploadDataDuringCreation: true,
      metadata: { filename: file.name, modified: String(file.lastModified) },
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000],
      fingerprint: () => Promise.resolve(["guest", form.dataset.endpoint, file.name, file.size, file.lastModified].join("-")),
      removeFingerprintOnSuccess: true,
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() || 0;
        return status < 400 || status >= 500 || [409, 423].includes(status);
      },
      onProgress,
      onSuccess: ok,
      onError: no,
    });
    upload.findPreviousUploads().then((previous) => {
      if (previous.length) upload.resumeFromPreviousUpload(previous[0]);
      upload.start();
    });
  });
}

function told(error) {
  try {
    const said = JSON.parse(error.originalResponse.getBody());
    return [said.message, said.hint].filter(Boolean).join(" ");
  } catch { return ""; }
}

const limit = form?.querySelector("[data-in-pieces]");
if (limit) limit.textContent = limit.dataset.inPieces;

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const files = [...form.elements.files.files];
  const [state, bar, button] = [form.querySelector("[data-state]"), form.querySelector("progress"), form.querySelector("button")];
  const all = files.reduce((sum, file) => sum + file.size, 0) || 1;
  button.disabled = true;
  bar.hidden = false;
  let [sent, bytes] = [0, 0];
  const failed = [];
  for (const file of files) {
    state.textContent = form.dataset.sending.replace("{n}", sent + failed.length + 1).replace("{all}", files.length);
    try {
      await send(file, (done) => { bar.value = (100 * (bytes + done)) / all; });
      sent += 1;
    } catch (error) { failed.push(told(error) || `${form.dataset.failed} ${file.name}`); }
    bytes += file.size;
    bar.value = (100 * bytes) / all;
  }
  if (!failed.length) { location.href = `${form.dataset.again}?sent=${sent}`; return; }
  state.textContent = [...new Set(failed)].slice(0, 5).join(" ");
  button.disabled = false;
});
