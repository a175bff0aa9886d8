/* Photos: arrows move in the grid, x chooses, Enter opens (a link does that by itself); in the viewer arrows, Escape and
   swiping follow its links.  Without this file everything is reached by links, and photos are chosen by checkboxes. */
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

/* Choosing: x and shift with arrows, shift and a click, a long press, or the Choose button; then a tap chooses. */
const cellsIn = () => [...grid.querySelectorAll(".cell[data-id]")];
let anchor = null; /* where a range begins */
let asked = false; /* by the Choose button: taps choose although nothing is chosen yet */

function count() {
  const chosen = grid.querySelectorAll(".chosen");
  const ticked = grid.querySelectorAll(".cell input:checked").length;
  const words = bar.querySelector("[data-words]");
  const all = chosen.length + ticked;
  if (all || asked) words.textContent = words.dataset.words.replace("{n}", all);
  bar.hidden = !all && !asked && !grid.querySelector(".cell input");
  bar.querySelector("[data-ids]").value = [...chosen].map((cell) => cell.dataset.id).join(",");
  grid.classList.toggle("choosing", Boolean(all || asked));
}

function choose(cell, wanted) {
  const is = cell.classList.toggle("chosen", wanted);
  if (is) cell.setAttribute("aria-description", bar.querySelector("[data-words]").dataset.words.replace("{n} ", ""));
  else cell.removeAttribute("aria-description");
}

function chooseTo(cell) {
  const cells = cellsIn();
  const [from, to] = [cells.indexOf(anchor), cells.indexOf(cell)].sort((a, b) => a - b);
  cells.slice(Math.max(0, from), to + 1).forEach((each) => choose(each, true));
}

function chooseNone() {
  asked = false;
  anchor = null;
  grid.querySelectorAll(".chosen").forEach((cell) => choose(cell, false));
  grid.querySelectorAll(".cell input:checked").forEach((box) => { box.checked = false; });
  count();
}

if (grid && bar) {
  document.addEventListener("keydown", (event) => {
    if (typing(event) || document.querySelector("dialog[open]")) return;
    const cells = cellsIn();
    const cell = document.activeElement.closest?.(".cell");
    const index = cells.indexOf(cell);
    const goes = {
      ArrowRight: () => cells[index + 1], ArrowLeft: () => cells[Math.max(0, index - 1)],
      ArrowDown: () => (cell ? above(cell, cells, 1) : cells[0]), ArrowUp: () => cell && above(cell, cells, -1),
    }[event.key];
    if (goes) {
      const target = goes();
      if (!target) return;
      event.preventDefault();
      if (event.shiftKey && cell) { anchor ??= cell; chooseTo(target); count(); } else anchor = null;
      target.focus();
      target.scrollIntoView({ block: "nearest" });
    } else if (event.key === "x" && cell) {
      choose(cell);
      anchor = cell;
      count();
    } else if (event.key === "Escape") chooseNone();
  });
  grid.addEventListener("click", (event) => {
    const cell = event.target.closest(".cell[data-id]");
    if (!cell || event.ctrlKey || event.metaKey) return;
    if (event.shiftKey) { anchor ??= cell; chooseTo(cell); } else if (grid.classList.contains("choosing") || held) { if (!held) choose(cell); anchor = cell; } else return;
    event.preventDefault();
    held = false;
    count();
  });
  grid.addEventListener("change", count);
  /* A long press begins choosing; the click that follows it opens nothing. */
  let held = false;
  let press = null;
  const letGo = () => { clearTimeout(press); press = null; };
  grid.addEventListener("pointerdown", (event) => {
    held = false;
    const cell = event.pointerType === "mouse" ? null : event.target.closest(".cell[data-id]");
    if (cell) press = setTimeout(() => { held = true; choose(cell, true); anchor = cell; count(); navigator.vibrate?.(15); }, 450);
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave", "scroll"]) grid.addEventListener(name, letGo);
  document.addEventListener("scroll", letGo, { passive: true });
  grid.addEventListener("contextmenu", (event) => { if (press || held) event.preventDefault(); });
  document.querySelector("[data-choose]")?.addEventListener("click", (event) => { event.preventDefault(); asked = true; count(); bar.scrollIntoView({ block: "nearest" }); });
  bar.querySelector("[data-choose-none]").addEventListener("click", chooseNone);
  bar.addEventListener("keydown", (event) => {
    const does = event.key === "Enter" && event.target.dataset.enter;
    if (does) { event.preventDefault(); bar.querySelector(`[name="action"][value="${does}"]`).click(); }
    if (event.key === "Escape") bar.querySelector("details[open]")?.removeAttribute("open");
  });
  bar.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful) return;
    const does = event.detail.requestConfig.triggeringEvent?.submitter?.value;
    bar.querySelectorAll("details[open]").forEach((each) => each.removeAttribute("open"));
    bar.querySelectorAll("input[data-enter]").forEach((field) => { field.value = ""; });
    if (document.querySelector("#notices .danger")) return;
    if (does === "remove" || does === "delete") grid.querySelectorAll(".chosen").forEach((cell) => cell.remove());
    chooseNone();
  });
  document.addEventListener("click", (event) => {
    bar.querySelectorAll("details[open]").forEach((each) => { if (!each.contains(event.target)) each.removeAttribute("open"); });
  });
  /* One ZIP, by a form of its own: htmx would read it instead of saving it. */
  bar.querySelector("[data-download]").addEventListener("click", (event) => {
    event.preventDefault();
    const saving = document.createElement("form");
    saving.method = "post";
    saving.action = event.currentTarget.formAction;
    const ids = [...grid.querySelectorAll(".chosen")].map((cell) => cell.dataset.id);
    for (const [name, value] of [["csrf_token", bar.elements.csrf_token.value], ...ids.map((id) => ["ids", id])]) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = value;
      saving.append(field);
    }
    document.body.append(saving);
    saving.submit();
    saving.remove();
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
