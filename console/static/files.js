/* Files: choosing rows with the keyboard (arrows, x, Escape), with Shift and a click, and by a long touch.
   Without this file the ticks and the buttons above the list do the same. */
"use strict";

{
document.documentElement.classList.add("js");
const form = document.getElementById("files");
if (form) {
  const bar = form.querySelector(".file-bar");
  const said = bar.querySelector("[data-count]");
  const all = bar.querySelector("[data-all]");
  const rows = [...form.querySelectorAll("[data-rows] > li")];
  const tick = (row) => row.querySelector(".tick input");
  const usable = rows.filter((row) => !tick(row).disabled);
  let last = null;

  const tell = () => {
    const chosen = usable.filter((row) => tick(row).checked).length;
    bar.classList.toggle("some", chosen > 0);
    said.textContent = chosen ? form.dataset.chosen.replace("{n}", chosen) : "";
    all.checked = chosen === usable.length;
    all.indeterminate = chosen > 0 && chosen < usable.length;
  };
  const choose = (row, on) => { if (!tick(row).disabled) tick(row).checked = on; };

  form.addEventListener("click", (event) => {
    if (!event.target.matches(".tick input")) return;
    const row = event.target.closest("li");
    if (event.shiftKey && last) {
      const [from, to] = [rows.indexOf(last), rows.indexOf(row)].sort((a, b) => a - b);
      rows.slice(from, to + 1).forEach((each) => choose(each, event.target.checked));
    }
    last = row;
    tell();
  });
  all.addEventListener("change", () => { usable.forEach((row) => choose(row, all.checked)); tell(); });

  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input:not([type=checkbox]), textarea, select") || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const row = document.activeElement.closest?.("[data-rows] > li");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = row ? rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)] : rows[0];
      if (next) { event.preventDefault(); (next.querySelector("a.what") || tick(next)).focus(); }
    } else if (event.key === "x" && row) {
      choose(row, !tick(row).checked);
      last = row;
      tell();
    } else if (event.key === "Escape") {
      usable.forEach((each) => choose(each, false));
      tell();
    }
  });

  /* A long touch chooses; while something is chosen, a short one does too. */
  let timer = null;
  let held = false;
  form.addEventListener("touchstart", (event) => {
    const row = event.target.closest("[data-rows] > li");
    held = false;
    if (!row || event.target.closest(".tick, .icon-only")) return;
    timer = setTimeout(() => { held = true; choose(row, !tick(row).checked); tell(); navigator.vibrate?.(10); }, 500);
  }, { passive: true });
  for (const name of ["touchend", "touchmove", "touchcancel"]) form.addEventListener(name, () => clearTimeout(timer), { passive: true });
  form.addEventListener("contextmenu", (event) => { if (held) event.preventDefault(); });
  form.addEventListener("click", (event) => {
    const link = event.target.closest("a.what");
    if (!link) return;
    if (held) { event.preventDefault(); held = false; }
    else if (bar.classList.contains("some") && matchMedia("(pointer: coarse)").matches) {
      event.preventDefault();
      choose(link.closest("li"), !tick(link.closest("li")).checked);
      tell();
    }
  });
  window.addEventListener("pageshow", tell);
  tell();
}
}
