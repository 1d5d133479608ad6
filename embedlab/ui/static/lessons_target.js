// What a step points at: found on the page, brought into view beside the panel, with a ring around it.

const NARROW = window.matchMedia("(max-width: 700px)");
const GAP = 12;
const FOCUSABLE = "a[href], button:not([disabled]), input:not([disabled]), select, textarea, [tabindex]:not([tabindex='-1'])";
const ring = root.querySelector(".ls-ring");
const pointed = { selector: "", element: null, opened: new Set() };

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
  for (const each of all) {
    const fold = each.closest(".block")?.parentElement?.closest(".block")?.querySelector(":scope > .label-wrap:not(.open)");
    if (fold && !pointed.opened.has(fold)) {
      pointed.opened.add(fold);
      fold.click();
    }
  }
  return null;
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

// How much of a box the panel would cover.
function covered(box, left) {
  const { width, height } = panel.getBoundingClientRect();
  const x = left ? GAP : window.innerWidth - GAP - width;
  const y = window.innerHeight - GAP - height;
  const across = Math.min(box.right, x + width) - Math.max(box.left, x);
  const down = Math.min(box.bottom, y + height) - Math.max(box.top, y);
  return Math.max(0, across) * Math.max(0, down);
}

// Scrolls to the target, above the panel where that lies across the page, else beside it.
function bring(target) {
  if (target.closest(".sidebar")) {
    target.scrollIntoView({ block: "start" });
  } else {
    const box = target.getBoundingClientRect();
    const beside = !NARROW.matches && Math.min(covered(box, true), covered(box, false)) === 0;
    const below = window.innerHeight - (beside ? 0 : panel.offsetHeight + GAP);
    const room = below - 2 * GAP;
    const top = box.height <= room ? GAP + (room - box.height) / 2 : GAP;
    window.scrollBy({ top: box.top - top, behavior: "instant" });
  }
  const box = target.getBoundingClientRect();
  root.dataset.side = !NARROW.matches && covered(box, true) < covered(box, false) ? "left" : "right";
  drawRing();
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
  if (selector !== pointed.selector) Object.assign(pointed, { selector, element: null, opened: new Set() });
  const target = selector ? lookFor(selector) : null;
  if (target && target !== pointed.element) {
    pointed.element = target;
    if (openSidebarFor(target)) setTimeout(() => pointed.element === target && bring(target), 350);
    bring(target);
  } else if (!target) {
    pointed.element = null;
    if (!selector && NARROW.matches && !panel.hidden) openSidebarFor(null);
  }
  drawRing();
  return target !== null || !selector;
}

function focusTarget() {
  const { element: target } = pointed;
  if (!target) return;
  bring(target);
  const inner = target.matches(FOCUSABLE) ? target : [...target.querySelectorAll(FOCUSABLE)].find(isShown);
  inner?.focus({ preventScroll: true });
}

window.addEventListener("resize", drawRing);
document.addEventListener("scroll", drawRing, { capture: true, passive: true });
