// The linked map: pointer, keyboard and tools; follows linked_map.js in the same function.

// After the next paint, because Gradio takes a while over an event: in the second frame the first has
// been painted.
const tell = (name, data) =>
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => trigger(name, data))));

// --- what is under the pointer -----------------------------------------------------------------

const at = (side, event) => {
  const { left, top } = plots[side].getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
};

function under(side, event) {
  const [px, py] = at(side, event);
  let best = null;
  let reach = REACH[event.pointerType === "touch" ? "touch" : "mouse"] ** 2;
  eachPixel(side, (i, x, y) => {
    const distance = (x - px) ** 2 + (y - py) ** 2;
    if (distance < reach && shown(i)) [best, reach] = [i, distance];
  });
  return best;
}

function showTip(side, i) {
  const frame = root.getBoundingClientRect();
  const plot = plots[side].getBoundingClientRect();
  const [x, y] = pixel(side, i);
  const text = state.texts.lines[i] ?? "";
  tip.replaceChildren(text.length > 160 ? `${text.slice(0, 159)}…` : text || "(empty text)");
  const about = aboutPoint(i);
  if (about) tip.append(made("small", "", about));
  tip.hidden = false;
  const left = plot.left - frame.left + x - tip.offsetWidth / 2;
  const top = plot.top - frame.top + y;
  const above = top - tip.offsetHeight - 14;
  tip.style.left = `${Math.max(0, Math.min(left, frame.width - tip.offsetWidth))}px`;
  tip.style.top = `${plot.top + y - tip.offsetHeight - 14 > 0 ? above : top + 16}px`;
}

// A point's category or number, in words.
function aboutPoint(i) {
  const { codes, names, numbers, title } = state.colouring;
  if (codes) return codes[i] < 0 ? "" : names[codes[i]];
  return Number.isNaN(numbers[i]) ? "" : `${title}: ${short(numbers[i])}`;
}

function hover(i) {
  if (i === state.hover) return;
  state.hover = i;
  redrawOver();
}

// --- selecting ---------------------------------------------------------------------------------

function select(i) {
  const again = i === state.selected && !state.lasso.length;
  leaveSearch();
  if (!again) Object.assign(state, { selected: i, near: { a: [], b: [] }, lasso: [] });
  drawSelection();
  tell("point_click", { index: i });
}

function clear() {
  const anything = state.selected !== null || state.lasso.length || state.near.a.length || state.near.b.length;
  Object.assign(state, { selected: null, near: { a: [], b: [] }, lasso: [], cursor: null });
  tip.hidden = true;
  drawSelection();
  if (anything) tell("cleared", {});
}

function takeLasso(indices) {
  if (!indices.length) return clear();
  leaveSearch();
  Object.assign(state, { selected: null, near: { a: [], b: [] }, lasso: indices });
  drawSelection();
  // Thousands of numbers take their time to be sent: the bright points are drawn first.
  drawn().then(() => setTimeout(() => state.lasso === indices && tell("lasso", { indices })));
}

// The shown points within a path of pixels (a lasso) or its first and last point (a box).
function within(side, kind, path) {
  const corners = kind === "lasso" ? path : [path[0], path.at(-1)];
  const [xs, ys] = [0, 1].map((k) => corners.map((point) => point[k]));
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found = [];
  eachPixel(side, (i, x, y) => {
    if (x < left || x > right || y < top || y > bottom || !shown(i)) return;
    if (kind !== "lasso" || inside(xs, ys, x, y)) found.push(i);
  });
  return found;
}

// Whether a ray to the right leaves the path an odd number of times. Plain numbers: it runs for every
// point and corner, some million times for a large map.
function inside(xs, ys, x, y) {
  let odd = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i, i += 1) {
    if (ys[j] > y !== ys[i] > y && x < ((xs[i] - xs[j]) * (y - ys[j])) / (ys[i] - ys[j]) + xs[j]) odd = !odd;
  }
  return odd;
}

// --- moving the view ---------------------------------------------------------------------------

function zoomAt(side, factor, [px, py] = sizeOf(side).map((length) => length / 2)) {
  const view = state.view[side];
  const [width, height] = sizeOf(side);
  const before = unitOf(side);
  view.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], view.zoom * factor));
  const change = 1 / before - 1 / unitOf(side);
  view.x += (px - width / 2) * change;
  view.y -= (py - height / 2) * change;
  tip.hidden = true;
  redraw(side);
}

function panBy(side, dx, dy) {
  const unit = unitOf(side);
  state.view[side].x -= dx / unit;
  state.view[side].y += dy / unit;
  redraw(side);
}

function resetView() {
  SIDES.forEach((side) => (state.view[side] = home()));
  redraw();
}

// --- the keyboard ------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The nearest point in a quarter of the circle around the arrow; failing that, in half of it.
function neighbourTowards(side, from, [dx, dy]) {
  const [fx, fy] = pixel(side, from);
  let best = null;
  let least = Infinity;
  eachPixel(side, (i, x, y) => {
    const along = (x - fx) * dx + (y - fy) * dy;
    const across = Math.abs((x - fx) * dy) + Math.abs((y - fy) * dx);
    if (i === from || along <= 0 || !shown(i)) return;
    const cost = Math.hypot(along, across) * (across > along ? 1000 : 1 + across / along);
    if (cost < least) [best, least] = [i, cost];
  });
  return best;
}

function firstShown() {
  for (let i = 0; i < state.points.n; i += 1) if (shown(i)) return i;
  return null;
}

function onKey(side, event) {
  if (!state.points || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = ARROWS[event.key];
  const start = state.cursor ?? state.selected;
  if (arrow) {
    const next = start === null ? firstShown() : neighbourTowards(side, start, arrow);
    if (next !== null) moveCursor(side, next);
  } else if ((event.key === "Enter" || event.key === " ") && start !== null) select(start);
  else if (event.key === "+" || event.key === "=") zoomAt(side, 1.4);
  else if (event.key === "-") zoomAt(side, 1 / 1.4);
  else if (event.key === "0") resetView();
  else if (event.key === "Escape") {
    if (state.query || state.found) endSearch();
    clear();
  } else return;
  event.preventDefault();
}

// The view follows a cursor that leaves it.
function moveCursor(side, i) {
  state.cursor = i;
  const [[x, y], [width, height]] = [pixel(side, i), sizeOf(side)];
  if (x < 0 || y < 0 || x > width || y > height) panBy(side, width / 2 - x, height / 2 - y);
  redraw();
  showTip(side, i);
  find(".lm-live").textContent = tip.textContent;
}

// --- the pointer -------------------------------------------------------------------------------

function pressed(side, event, fingers) {
  if (event.button !== 0 || !state.points) return;
  tip.hidden = true;
  hover(null);
  fingers.set(event.pointerId, at(side, event));
  plots[side].setPointerCapture(event.pointerId);
  const drawing = fingers.size === 1 && ["lasso", "select"].includes(state.tool);
  state.drawing = drawing ? { side, kind: state.tool, path: [at(side, event)] } : null;
}

function dragged(side, event, fingers) {
  const [before, now] = [fingers.get(event.pointerId), at(side, event)];
  const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  fingers.set(event.pointerId, now);
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    zoomAt(side, spread(now) / spread(before), now.map((x, k) => (x + other[k]) / 2));
    panBy(side, dx / 2, dy / 2);
  } else if (state.drawing) {
    const { path, kind } = state.drawing;
    const [x, y] = path.at(-1);
    if (kind === "select" || Math.hypot(now[0] - x, now[1] - y) > 3) path.push(now);
    redrawOver(side);
  } else if (state.tool === "pan") panBy(side, dx, dy);
}

function released(side, event, still) {
  const { drawing } = state;
  state.drawing = null;
  redrawOver(side);
  if (event.type === "pointercancel") return;
  if (!still) {
    if (drawing?.side === side && drawing.path.length > 1) takeLasso(within(side, drawing.kind, drawing.path));
    return;
  }
  const hit = under(side, event);
  const name = hit === null ? nameUnder(side, at(side, event)) : null;
  if (name) tell("name_click", { side, level: name.level, key: name.key });
  else if (hit === null) clear();
  else select(hit);
}

function pointed(side, event) {
  if (!state.points || event.pointerType === "touch") return;
  const hit = under(side, event);
  hover(hit);
  plots[side].classList.toggle("lm-over", hit !== null || nameUnder(side, at(side, event)) !== null);
  if (hit === null) tip.hidden = true;
  else showTip(side, hit);
}

function wirePointer(side) {
  const plot = plots[side];
  const fingers = new Map();
  // Whether it is a click: a lasso that ends where it began is none.
  let [down, still, pinched] = [null, true, false];
  plot.addEventListener("pointerdown", (event) => {
    pressed(side, event, fingers);
    pinched = fingers.size > 1;
    if (!pinched) [down, still] = [at(side, event), true];
  });
  plot.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return pointed(side, event);
    const [x, y] = at(side, event);
    still &&= Math.hypot(x - down[0], y - down[1]) < 5;
    return dragged(side, event, fingers);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    plot.addEventListener(name, (event) => {
      if (!fingers.delete(event.pointerId) || fingers.size || pinched) return;
      released(side, event, still);
    });
  }
  plot.addEventListener("pointerleave", () => {
    tip.hidden = true;
    hover(null);
  });
  plot.addEventListener("wheel", (event) => {
    if (!state.points) return;
    event.preventDefault();
    zoomAt(side, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), at(side, event));
  }, { passive: false });
  plot.addEventListener("dblclick", () => state.points && resetView());
}

// --- tools -------------------------------------------------------------------------------------

const ACTS = {
  reset: resetView,
  closer: () => SIDES.forEach((side) => zoomAt(side, 1.5)),
  farther: () => SIDES.forEach((side) => zoomAt(side, 1 / 1.5)),
};

function setTool(tool) {
  if (ACTS[tool]) return state.points && ACTS[tool]();
  state.tool = state.tool === tool && coarse ? "none" : tool;
  return markTool();
}

function markTool() {
  root.dataset.tool = state.tool;
  all("[data-tool]").forEach((button) => {
    if (!ACTS[button.dataset.tool]) button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
  });
}

function wire(side) {
  const plot = plots[side];
  wirePointer(side);
  plot.addEventListener("keydown", (event) => onKey(side, event));
  plot.addEventListener("blur", () => {
    if (state.cursor === null) return;
    state.cursor = null;
    tip.hidden = true;
    redraw();
  });
  new ResizeObserver(() => redraw(side)).observe(plot);
  canvases[side].below.addEventListener("webglcontextrestored", () => redraw(side));
  // What the map's tests and measurements ask: where a text is, in the window and on the map.
  plot.inWindow = (i) => {
    const { left, top } = plot.getBoundingClientRect();
    const [x, y] = pixel(side, i);
    return [left + x, top + y];
  };
  plot.onMap = () => [...(state.points?.[side].xy ?? [])];
  plot.namesShown = () => state.placed[side].map(({ name, ...place }) => ({ ...place, text: name.text }));
}

SIDES.forEach(wire);
markTool();
all("[data-tool]").forEach((button) =>
  button.addEventListener("click", () => setTool(button.dataset.tool)),
);
