// What a step points at: found on the page, brought into view beside the panel, with a ring around it.

const NARROW = window.matchMedia("(max-width: 700px)");
const GAP = 12;
const FOCUSABLE = "a[href], button:not([disabled]), input:not([disabled]), select, textarea, [tabindex]:not([tabindex='-1'])";
const ring = root.querySelector(".ls-ring");
// ``place`` is where the target was brought to, ``settling`` until when it is kept there: until the visitor
// does something on the page, and not for long.
const SETTLING = 8000;
const pointed = { selector: "", element: null, opened: new Set(), place: "", settling: 0 };

function candidates(selector) {
  if (!selector) return [];
  try {
    return [...document.querySelectorAll(selector)].filter((each) => !root.contains(each));
  } catch {
    return []; // no selector
  }
}

const isShown = (each) => each.getClientRects().length > 0 && each.checkVisibility({ visibilityProperty: true });

// The first of the elements that can be seen. Folded parts of the page are opened for it, once each.
function lookFor(selector) {
  const all = candidates(selector);
  const shown = all.find(isShown);
  if (shown) return shown;
  all.flatMap(foldsAround).filter((fold) => !pointed.opened.has(fold)).forEach((fold) => {
    pointed.opened.add(fold);
    fold.click();
  });
  return null;
}

function foldsAround(each) {
  const folds = [];
  for (let up = each.parentElement; up; up = up.parentElement) {
    folds.push(...up.querySelectorAll(":scope > .label-wrap:not(.open)"));
  }
  return folds;
}

// On a phone the sidebar lies over everything else, so it is open exactly while it is pointed at.
function openSidebarFor(target) {
  const sidebar = document.querySelector(".sidebar");
  if (!sidebar) return false;
  const wanted = sidebar.contains(target);
  const open = sidebar.classList.contains("open");
  if (wanted === open || (!wanted && window.innerWidth >= 768)) return false;
  sidebar.querySelector(".toggle-button")?.click();
  return true;
}

// How wide a part of a box the panel would stand above, in the right or in the left corner.
function across(box, left) {
  const { width } = panel.getBoundingClientRect();
  const x = left ? GAP : window.innerWidth - GAP - width;
  return Math.max(0, Math.min(box.right, x + width) - Math.max(box.left, x));
}

// Scrolls to the target, above the panel where that lies across the page, else beside it.
function bring(target) {
  if (target.closest(".sidebar")) {
    target.scrollIntoView({ block: "start" });
  } else {
    const box = target.getBoundingClientRect();
    const beside = !NARROW.matches && Math.min(across(box, true), across(box, false)) === 0;
    const below = window.innerHeight - (beside ? 0 : panel.offsetHeight + GAP);
    const room = below - 2 * GAP;
    const top = box.height <= room ? GAP + (room - box.height) / 2 : GAP;
    window.scrollBy({ top: box.top - top, behavior: "instant" });
  }
  const box = target.getBoundingClientRect();
  root.dataset.side = !NARROW.matches && across(box, true) < across(box, false) ? "left" : "right";
  pointed.place = placeOf(target);
  drawRing();
}

function placeOf(target) {
  const { left, top, width, height } = target.getBoundingClientRect();
  return [left, top, width, height, panel.offsetHeight].map(Math.round).join(" ");
}

function drawRing() {
  const { element: target } = pointed;
  const lost = panel.hidden || !target || !target.isConnected || !isShown(target);
  ring.hidden = lost;
  if (lost) return;
  const { left, top, width, height } = target.getBoundingClientRect();
  Object.assign(ring.style, {
    left: `${left - 5}px`, top: `${top - 5}px`, width: `${width + 10}px`, height: `${height + 10}px`,
  });
}

// Points at what a selector names; true once it is on the page, or where there is nothing to point at.
function pointAt(selector) {
  if (selector !== pointed.selector) pointAnew(selector);
  const target = selector ? lookFor(selector) : null;
  if (target && target !== pointed.element) {
    Object.assign(pointed, { element: target, settling: performance.now() + SETTLING });
    openSidebarFor(target);
    bring(target);
  } else if (target && performance.now() < pointed.settling && placeOf(target) !== pointed.place) {
    bring(target); // something above it has been drawn since
  } else if (!target) {
    pointed.element = null;
  }
  drawRing();
  return target !== null || !selector;
}

// A step looks for its target anew, even where that of the step before was the same.
function pointAnew(selector) {
  Object.assign(pointed, { selector, element: null, opened: new Set() });
  if (!selector && NARROW.matches) openSidebarFor(null);
}

function focusTarget() {
  const { element: target } = pointed;
  if (!target) return;
  bring(target);
  const inner = target.matches(FOCUSABLE) ? target : [...target.querySelectorAll(FOCUSABLE)].find(isShown);
  inner?.focus({ preventScroll: true });
}

window.addEventListener("resize", drawRing);
for (const moved of ["wheel", "touchmove", "pointerdown", "keydown"]) {
  document.addEventListener(moved, (event) => {
    if (!root.contains(event.target)) pointed.settling = 0;
  }, { capture: true, passive: true });
}
document.addEventListener("scroll", drawRing, { capture: true, passive: true });
