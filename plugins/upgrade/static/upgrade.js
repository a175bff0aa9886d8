/* Sending a bundle in pieces (tus 1.0): a lost connection is waited for, the same file chosen again goes on where it was.
   When all has arrived the form is sent, with the name that the station gave it. */
"use strict";

{
const PIECE = 8 * 1024 * 1024;

function setUp() {
  const form = document.getElementById("bundle");
  if (!form || !form.hidden) return;
  const words = JSON.parse(form.dataset.words);
  const file = form.querySelector("input[type=file]");
  const sending = form.querySelector("[data-sending]");
  const said = form.querySelector("[data-said]");
  const stop = form.querySelector("[data-stop]");
  const send = form.querySelector("button:not([type])");
  form.hidden = false;

  const size = (bytes) => `${(bytes / 1e6).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 0 })} MB`;

  function show(text, busy) {
    sending.hidden = false;
    said.textContent = text;
    send.disabled = busy;
    stop.hidden = !busy;
    file.disabled = busy;
  }

  function told(error) {
    const answer = error.originalResponse;
    if (answer && answer.getStatus() === 401) return words.signin;
    try {
      const { message, hint } = JSON.parse(answer.getBody());
      return [message, hint].filter(Boolean).join(" ");
    } catch { return words.failed; }
  }

  form.addEventListener("submit", (event) => {
    if (form.elements.upload.value) return;
    event.preventDefault();
    const chosen = file.files[0];
    const upload = new tus.Upload(chosen, {
      endpoint: form.dataset.endpoint,
      chunkSize: PIECE,
      headers: { "X-CSRFToken": form.dataset.token },
      retryDelays: [0, 1000, 3000, 5000, 10000, 20000, 30000, 60000, 60000, 60000],
      storeFingerprintForResuming: true,
      fingerprint: (one) => Promise.resolve(["everpx-upgrade", one.name, one.size, one.lastModified].join("-")),
      removeFingerprintOnSuccess: true,
      onShouldRetry: (error) => {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
        if (!status) show(words.offline, true);
        return !status || status >= 500 || status === 409;
      },
      onProgress: (sent, all) => {
        sending.querySelector("progress").value = sent / all;
        show(words.sent.replace("{sent}", size(sent)).replace("{all}", size(all)), true);
      },
      onSuccess: () => {
        show(words.checking, true);
        form.elements.upload.value = upload.url.split("/").pop();
        form.submit();
      },
      onError: (error) => show(told(error), false),
    });
    stop.onclick = () => upload.abort().then(() => { show("", false); sending.hidden = true; });
    show(words.sent.replace("{sent}", size(0)).replace("{all}", size(chosen.size)), true);
    upload.findPreviousUploads().then((before) => {
      if (before.length) upload.resumeFromPreviousUpload(before[0]);
      upload.start();
    });
  });
}

setUp();
document.addEventListener("htmx:afterSettle", setUp); /* the form comes back when nothing is being installed any more */
}
