/* Photos: arrows move in the grid, x chooses, Enter opens (a link does that by itself); in the viewer arrows, Escape and
   swiping follow its links.  Without this file everything is reached by links. */
"use strict";

{
const typing = (event) => event.target.matches("input, textarea, select, video") || event.ctrlKey || event.metaKey || event.altKey;

/* ---- the grid ---- */
const grid = document.querySelector("[data-grid]");
const bar = document.querySelector(".chosen-bar");

function above(cell, cells, step) {
  /* The cell in the next row whose middle is nearest: rows have different numbers of cells. */
  const from = cell.getBoundingClientRect();
  const middle = from.left + from.width / 2;
  let best = null;
  let line = null;
  for (let i = cells.indexOf(cell) + step; cells[i]; i += step) {
    const box = cells[i].getBoundingClientRect();
    if (Math.abs(box.top - from.top) < 4) continue;
    line ??= box.top;
    if (Math.abs(box.top - line) > 4) break;
    const distance = Math.abs(box.left + box.width / 2 - middle);
    if (!best || distance < best.distance) best = { cell: cells[i], distance };
  }
  return best?.cell;
}

function count() {
  const chosen = grid.querySelectorAll(".chosen").length;
  const words = bar.querySelector("[data-words]");
  words.textContent = words.dataset.words.replace("{n}", chosen);
  bar.hidden = !chosen;
}

function choose(cell) {
  cell.classList.toggle("chosen");
  cell.setAttribute("aria-description", cell.classList.contains("chosen") ? bar.querySelector("[data-words]").dataset.words.replace("{n} ", "") : "");
  count();
}

if (grid) {
  document.addEventListener("keydown", (event) => {
    if (typing(event) || document.querySelector("dialog[open]")) return;
    const cells = [...grid.querySelectorAll(".cell")];
    const cell = document.activeElement.closest?.(".cell");
    const index = cells.indexOf(cell);
    const goes = {
      ArrowRight: () => cells[index + 1], ArrowLeft: () => cells[Math.max(0, index - 1)],
      ArrowDown: () => (cell ? above(cell, cells, 1) : cells[0]), ArrowUp: () => cell && above(cell, cells, -1),
    }[event.key];
    if (goes) {
      const target = goes();
      if (target) { event.preventDefault(); target.focus(); target.scrollIntoView({ block: "nearest" }); }
    } else if (event.key === "x" && cell) {
      choose(cell);
    } else if (event.key === "Escape") {
      grid.querySelectorAll(".chosen").forEach(choose);
    }
  });
  bar.querySelector("[data-choose-none]").addEventListener("click", () => grid.querySelectorAll(".chosen").forEach(choose));
  bar.querySelector("[data-download]").addEventListener("click", async () => {
    for (const cell of grid.querySelectorAll(".chosen")) {
      const link = document.createElement("a");
      link.href = `${cell.getAttribute("href")}/original?download=1`;
      link.download = "";
      link.click();
      await new Promise((done) => setTimeout(done, 400)); /* browsers drop downloads that come all at once */
    }
  });
  /* The line under an unfinished row goes when the next page continues it. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.classList.contains("older")) event.detail.target.previousElementSibling?.remove();
  });
}

/* ---- the viewer ---- */
const viewer = document.querySelector("[data-viewer]");
if (viewer) {
  const follow = (key) => viewer.querySelector(`[data-key="${key}"]`)?.click();
  document.addEventListener("keydown", (event) => {
    if (typing(event) || document.querySelector("dialog[open]")) return;
    if (viewer.querySelector(`[data-key="${event.key}"]`)) { event.preventDefault(); follow(event.key); }
  });
  const stage = viewer.querySelector(".stage");
  let start = null;
  stage.addEventListener("touchstart", (event) => {
    start = event.touches.length === 1 && !event.target.closest("video") ? event.touches[0] : null;
  }, { passive: true });
  stage.addEventListener("touchend", (event) => {
    if (!start || (window.visualViewport && window.visualViewport.scale > 1.05)) return;
    const end = event.changedTouches[0];
    const across = end.clientX - start.clientX;
    if (Math.abs(across) > 60 && Math.abs(end.clientY - start.clientY) < 60) follow(across < 0 ? "ArrowRight" : "ArrowLeft");
  }, { passive: true });
}
}
