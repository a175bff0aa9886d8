/* A guest's photos, one request each, so that many fit and a long line shows how far it is.  Without this file the form
   sends them all at once. */
"use strict";

const form = document.querySelector("[data-guest-upload]");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const files = [...form.elements.files.files];
  const [state, bar, button] = [form.querySelector("[data-state]"), form.querySelector("progress"), form.querySelector("button")];
  button.disabled = true;
  bar.hidden = false;
  let sent = 0;
  const failed = [];
  for (const file of files) {
    state.textContent = form.dataset.sending.replace("{n}", sent + failed.length + 1).replace("{all}", files.length);
    const body = new FormData();
    body.append("files", file, file.name);
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      if (answer.status === 201) sent += 1; else failed.push(file.name);
    } catch { failed.push(file.name); }
    bar.value = (100 * (sent + failed.length)) / files.length;
  }
  if (!failed.length) { location.href = `${form.dataset.again}?sent=${sent}`; return; }
  state.textContent = `${form.dataset.failed} ${failed.join(", ")}`;
  button.disabled = false;
});
