// The linked map: body of the function that Gradio runs once with element, trigger, props, watch.
// No user text reaches innerHTML or Plotly: titles, labels and tooltips are set as textContent.

const SIDES = ["a", "b"];
const SVG_LIMIT = 3000;
const MOVE_LIMIT = 1500;
const REACH = { mouse: 12, touch: 24 };
const HOME = [-1.12, 1.12];
const TWEEN = { duration: 500, easing: "cubic-in-out" };

const root = element.querySelector(".lm");
const find = (selector) => root.querySelector(selector);
const plots = Object.fromEntries(SIDES.map((s) => [s, find(`.lm-plot[data-side=${s}]`)]));
const tip = find(".lm-tip");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const coarse = window.matchMedia("(pointer: coarse)").matches;
const state = {
  value: null, selected: null, near: { a: [], b: [] }, lasso: [],
  hidden: new Set(), cursor: null, tool: coarse ? "none" : "pan",
};
let Plotly = null;
loadPlotly(root.dataset.plotly).catch(() => {}); // early; whoever draws sees the error
let work = Promise.resolve();

// --- what is drawn -----------------------------------------------------------------------------

const shown = (i) => !state.hidden.has(state.value.categories[i]);
const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const webgl = () => Boolean(document.createElement("canvas").getContext("webgl"));
const traceType = () => (state.value.texts.length > SVG_LIMIT && webgl() ? "scattergl" : "scatter");

function pointPlaces(side) {
  const { xy } = state.value[side];
  return [0, 1].map((axis) => xy.map((place, i) => (shown(i) ? place[axis] : null)));
}

// Rings and lines are shapes, not traces: drawing them does not touch the points, however many.
function ring(place, type, radius, width, line, dash = "solid") {
  const box = { xsizemode: "pixel", ysizemode: "pixel", xanchor: place[0], yanchor: place[1] };
  const size = { x0: -radius, x1: radius, y0: -radius, y1: radius };
  return { type, ...box, ...size, line: { width, color: line, dash } };
}

function shapes(side) {
  const { xy } = state.value[side];
  const { selected, cursor, near } = state;
  const ink = colour("--body-text-color");
  const rings = (indices, ...look) => indices.filter(shown).map((i) => ring(xy[i], ...look));
  const one = (index) => (index === null ? [] : [index]);
  const line = { width: 1.2, color: colour(`--design-${side}`) };
  const spokes = one(selected).filter(shown).flatMap((from) =>
    near[side].filter(shown).map((to) => ({
      type: "line", x0: xy[from][0], y0: xy[from][1], x1: xy[to][0], y1: xy[to][1], line, opacity: 0.7,
    })),
  );
  return [
    ...spokes,
    ...rings(near.a, "circle", 8, 2.4, colour("--design-a")),
    ...rings(near.b, "rect", 10, 2.4, colour("--design-b")),
    ...rings(one(cursor), "circle", 12, 1.5, ink, "dot"),
    ...rings(one(selected), "circle", 9.5, 3.4, ink),
  ];
}

// The points that stay bright; null means all.
function bright() {
  if (state.lasso.length) return state.lasso;
  const near = [...state.near.a, ...state.near.b];
  return near.length && state.selected !== null ? [state.selected, ...near] : null;
}

function opacities() {
  const chosen = bright();
  const { length } = state.value.texts;
  if (!chosen) return new Array(length).fill(0.9);
  const values = new Array(length).fill(0.18);
  chosen.forEach((i) => (values[i] = 1));
  return values;
}

function points(side) {
  const { categories, category_styles: styles, texts } = state.value;
  const many = texts.length > 2000;
  const [x, y] = pointPlaces(side);
  const marker = {
    color: categories.map((code) => styles[code][0]),
    symbol: categories.map((code) => styles[code][1]),
    size: many ? 5 : texts.length > 500 ? 7 : 9,
    opacity: opacities(),
    line: { width: many ? 0 : 0.8, color: colour("--lm-outline") },
  };
  return [{ type: traceType(), mode: "markers", x, y, hoverinfo: "skip", marker }];
}

function layout(side) {
  const axis = { range: [...HOME], visible: false, zeroline: false, showgrid: false };
  return {
    xaxis: { ...axis }, yaxis: { ...axis, scaleanchor: "x" },
    margin: { l: 0, r: 0, t: 0, b: 0 }, showlegend: false, hovermode: false, autosize: true,
    dragmode: state.tool === "none" ? false : state.tool,
    shapes: shapes(side), paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    newselection: { line: { color: colour("--body-text-color"), width: 1, dash: "dot" } },
  };
}

const CONFIG = { displayModeBar: false, scrollZoom: !coarse, doubleClick: false, responsive: false };

// Selection, neighbours and dimming only: the zoom and the axes are left alone. The rings come at
// once; dimming restyles every point and so follows in the next frame.
function drawSelection() {
  const drawn = SIDES.filter((side) => plots[side].data);
  for (const side of drawn) Plotly.relayout(plots[side], { shapes: shapes(side) });
  const { dataset } = element;
  dataset.selected = state.selected ?? "";
  dataset.lasso = state.lasso.length;
  dataset.nearA = state.near.a.join(" ");
  dataset.nearB = state.near.b.join(" ");
  find(".lm-key").classList.toggle("lm-off", state.selected === null);
  requestAnimationFrame(() => drawn.forEach(dim));
}

function dim(side) {
  const plot = plots[side];
  const [trace] = plot.data ?? [];
  if (!state.value || !trace || trace.x.length !== state.value.texts.length) return;
  const wanted = opacities();
  // What the lasso left behind: its outline, and plotly's own dimming.
  if (plot.layout.selections?.length) Plotly.relayout(plot, { selections: [] });
  if (trace.selectedpoints) Plotly.restyle(plot, { selectedpoints: [null] }, [0]);
  if (wanted.some((value, i) => value !== trace.marker.opacity[i])) {
    Plotly.restyle(plot, { "marker.opacity": [wanted] }, [0]);
  }
}

function drawPoints(side) {
  const [x, y] = pointPlaces(side);
  return Plotly.update(plots[side], { x: [x], y: [y] }, { shapes: shapes(side) }, [0]);
}

const sameTexts = (a, b) => JSON.stringify(a?.texts) === JSON.stringify(b?.texts);
const LAYOUT_KEYS = ["a", "b", "categories", "category_styles", "category_names"];
const sameDrawing = (a, b) =>
  sameTexts(a, b) && LAYOUT_KEYS.every((k) => JSON.stringify(a?.[k]) === JSON.stringify(b[k]));

function movePoints(side) {
  const [x, y] = pointPlaces(side);
  Plotly.relayout(plots[side], { shapes: [] });
  const frame = { duration: TWEEN.duration, redraw: false };
  const options = { transition: TWEEN, frame, mode: "immediate" };
  return Plotly.animate(plots[side], { data: [{ x, y }], traces: [0] }, options).catch(() => {});
}

async function show(value) {
  const before = state.value;
  const texts = value ? value.texts.length : 0;
  element.dataset.ready = "false";
  find(".lm-empty").hidden = texts > 0;
  find(".lm-body").hidden = texts === 0;
  if (!texts) {
    Object.assign(state, { value: null, selected: null, cursor: null, lasso: [] });
    Object.assign(element.dataset, { points: 0, selected: "", method: "", nearA: "", nearB: "" });
    return;
  }
  Plotly ??= await loadPlotly(root.dataset.plotly);
  const same = sameTexts(before, value);
  const redraw = !before || !sameDrawing(before, value) || !plots.a.data;
  const mine = { selected: state.selected, lasso: state.lasso };
  state.value = value;
  if (!same) state.hidden.clear();
  takeSelection(value);
  const kept = mine.selected === state.selected && `${mine.lasso}` === `${state.lasso}`;
  if (same && !kept) selectAgain(mine);
  describe();
  if (redraw) {
    const moves = before && same && texts <= MOVE_LIMIT && !calm.matches && !document.hidden;
    if (moves && plots.a.data && plots.a.offsetWidth) await Promise.all(SIDES.map(movePoints));
    await Promise.all(
      SIDES.map((side) => Plotly.react(plots[side], points(side), layout(side), CONFIG)),
    );
  }
  drawSelection();
  Object.assign(element.dataset, { ready: "true", points: texts, method: value.method });
}

// What was clicked while this value was on its way counts: the server is told once more.
function selectAgain({ selected, lasso }) {
  Object.assign(state, { selected, lasso, near: { a: [], b: [] } });
  if (lasso.length) tell("lasso", { indices: lasso });
  else if (selected === null) tell("cleared", {});
  else tell("point_click", { index: selected });
}

function takeSelection(source) {
  const valid = (list) => (list ?? []).filter((i) => i >= 0 && i < state.value.texts.length);
  state.selected = valid([source.selected ?? -1])[0] ?? null;
  state.near = { a: valid(source.highlight_a), b: valid(source.highlight_b) };
  state.lasso = valid(source.lasso);
}

// --- words around the maps ---------------------------------------------------------------------

function describe() {
  const { value } = state;
  find(".lm-note").textContent = value.note;
  find(".fig-caption").textContent = value.caption;
  for (const side of SIDES) {
    const { title } = value[side];
    plots[side].previousElementSibling.querySelector(".lm-title").textContent = title;
    plots[side].setAttribute(
      "aria-label",
      `${value.method} map of ${value.texts.length} texts under ${title}. Arrow keys move from ` +
        "point to point, Enter selects, Escape clears.",
    );
  }
  legend();
}

function legend() {
  const { value } = state;
  const groups = new Map();
  value.category_names.forEach((name, code) => {
    const [fill, symbol] = value.category_styles[code];
    const key = fill === value.other_colour ? "other" : String(code);
    if (!groups.has(key)) groups.set(key, { name: key === "other" ? "other" : name, fill, symbol, codes: [] });
    groups.get(key).codes.push(code);
  });
  const buttons = [...groups.values()].map(({ name, fill, symbol, codes }) => {
    const button = document.createElement("button");
    const mark = document.createElement("i");
    mark.className = `lm-mark lm-${symbol}`;
    mark.style.background = fill;
    const count = value.categories.filter((code) => codes.includes(code)).length;
    button.type = "button";
    button.append(mark, name, Object.assign(document.createElement("b"), { textContent: count }));
    const press = () => button.setAttribute("aria-pressed", String(!state.hidden.has(codes[0])));
    press();
    button.addEventListener("click", () => {
      const hide = !state.hidden.has(codes[0]);
      codes.forEach((code) => (hide ? state.hidden.add(code) : state.hidden.delete(code)));
      press();
      SIDES.forEach(drawPoints);
    });
    return button;
  });
  find(".lm-legend").replaceChildren(...buttons);
}

// --- the pointer -------------------------------------------------------------------------------

function pixel(side, i) {
  const { xaxis, yaxis } = plots[side]._fullLayout;
  const [x, y] = state.value[side].xy[i];
  return [xaxis._offset + xaxis.l2p(x), yaxis._offset + yaxis.l2p(y)];
}

function under(side, event) {
  const box = plots[side].getBoundingClientRect();
  const at = [event.clientX - box.left, event.clientY - box.top];
  let best = null;
  let reach = REACH[event.pointerType === "touch" ? "touch" : "mouse"];
  state.value.texts.forEach((_, i) => {
    if (!shown(i)) return;
    const [x, y] = pixel(side, i);
    const distance = Math.hypot(x - at[0], y - at[1]);
    if (distance < reach) [best, reach] = [i, distance];
  });
  return best;
}

function showTip(side, i) {
  const { texts, category_names: names, categories } = state.value;
  const box = root.getBoundingClientRect();
  const plot = plots[side].getBoundingClientRect();
  const [x, y] = pixel(side, i);
  tip.replaceChildren(texts[i] || "(empty text)");
  if (names.length) {
    tip.append(Object.assign(document.createElement("small"), { textContent: names[categories[i]] }));
  }
  tip.hidden = false;
  const left = plot.left - box.left + x - tip.offsetWidth / 2;
  const top = plot.top - box.top + y;
  const above = top - tip.offsetHeight - 14;
  tip.style.left = `${Math.max(0, Math.min(left, box.width - tip.offsetWidth))}px`;
  tip.style.top = `${plot.top + y - tip.offsetHeight - 14 > 0 ? above : top + 16}px`;
}

// After the next paint, because Gradio takes a while over an event when there are many points.
const tell = (name, data) => requestAnimationFrame(() => setTimeout(() => trigger(name, data)));

function select(i) {
  const again = i === state.selected && !state.lasso.length;
  if (!again) Object.assign(state, { selected: i, near: { a: [], b: [] }, lasso: [] });
  drawSelection();
  tell("point_click", { index: i });
}

function clear() {
  const anything = state.selected !== null || state.lasso.length || state.near.a.length || state.near.b.length;
  Object.assign(state, { selected: null, near: { a: [], b: [] }, lasso: [], cursor: null });
  tip.hidden = true;
  if (!anything) return;
  drawSelection();
  tell("cleared", {});
}

function resetView() {
  const home = { "xaxis.range": [...HOME], "yaxis.range": [...HOME] };
  SIDES.forEach((side) => Plotly.relayout(plots[side], home));
}

// Plotly reports selections that the code makes, too; only the user's have an outline.
function lassoed(event) {
  if (!event?.lassoPoints && !event?.range) return;
  const indices = event.points.map((point) => point.pointIndex);
  if (!indices.length) return clear();
  Object.assign(state, { selected: null, near: { a: [], b: [] }, lasso: indices.sort((a, b) => a - b) });
  drawSelection();
  tell("lasso", { indices: state.lasso });
}

// --- the keyboard ------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// The nearest point in a quarter of the circle around the arrow; failing that, in half of it.
function neighbourTowards(side, from, [dx, dy]) {
  const [fx, fy] = pixel(side, from);
  let best = null;
  let least = Infinity;
  state.value.texts.forEach((_, i) => {
    if (i === from || !shown(i)) return;
    const [x, y] = pixel(side, i);
    const along = (x - fx) * dx + (y - fy) * dy;
    const across = Math.abs((x - fx) * dy) + Math.abs((y - fy) * dx);
    if (along <= 0) return;
    const cost = Math.hypot(along, across) * (across > along ? 1000 : 1 + across / along);
    if (cost < least) [best, least] = [i, cost];
  });
  return best;
}

function onKey(side, event) {
  if (!state.value) return;
  const arrow = ARROWS[event.key];
  const start = state.cursor ?? state.selected;
  if (arrow) {
    const next = start === null ? state.value.texts.findIndex((_, i) => shown(i)) : neighbourTowards(side, start, arrow);
    if (next !== null && next >= 0) moveCursor(side, next);
  } else if ((event.key === "Enter" || event.key === " ") && start !== null) {
    select(start);
  } else if (event.key === "Escape") {
    clear();
    drawSelection();
  } else return;
  event.preventDefault();
}

function moveCursor(side, i) {
  state.cursor = i;
  drawSelection();
  showTip(side, i);
  find(".lm-live").textContent = tip.textContent;
}

// --- wiring ------------------------------------------------------------------------------------

function setTool(tool) {
  if (tool === "reset") return resetView();
  state.tool = state.tool === tool && coarse ? "none" : tool;
  const dragmode = state.tool === "none" ? false : state.tool;
  SIDES.forEach((side) => plots[side].data && Plotly.relayout(plots[side], { dragmode }));
  markTool();
}

function markTool() {
  root.dataset.tool = state.tool;
  root.querySelectorAll("[data-tool]").forEach((button) => {
    if (button.dataset.tool !== "reset") button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
  });
}

function wire(side) {
  const plot = plots[side];
  let down = null;
  const up = (event) => {
    const still = down && Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 5;
    down = null;
    if (!still || event.type === "pointercancel") return;
    const hit = under(side, event);
    if (hit === null) clear();
    else select(hit);
  };
  plot.addEventListener("pointerdown", (event) => {
    tip.hidden = true;
    if (event.button !== 0 || !state.value) return;
    down = [event.clientX, event.clientY];
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, up, { once: true });
  });
  plot.addEventListener("pointermove", (event) => {
    if (down || !state.value || event.pointerType === "touch") return;
    const hit = under(side, event);
    plot.classList.toggle("lm-over", hit !== null);
    if (hit === null) tip.hidden = true;
    else showTip(side, hit);
  });
  plot.addEventListener("pointerleave", () => (tip.hidden = true));
  plot.addEventListener("dblclick", () => state.value && resetView());
  plot.addEventListener("keydown", (event) => onKey(side, event));
  plot.addEventListener("blur", () => {
    if (state.cursor === null) return;
    state.cursor = null;
    tip.hidden = true;
    drawSelection();
  });
  new ResizeObserver(() => {
    if (plot.data && plot.offsetWidth) Plotly.Plots.resize(plot);
  }).observe(plot);
}

// Plotly gives its events only to a drawn plot, and forgets them when one is purged.
function listen() {
  for (const plot of Object.values(plots)) {
    if (plot.lmListening || !plot.on) continue;
    plot.lmListening = true;
    plot.on("plotly_selected", lassoed);
  }
}

function later(step) {
  work = work.then(step).then(listen).catch((error) => {
    console.error("The map could not be drawn:", error);
    find(".lm-note").textContent = "The map could not be drawn; reload the page.";
  });
}

function recolour() {
  if (!state.value || !plots.a.data) return;
  SIDES.forEach((side) => {
    const { xaxis, yaxis } = plots[side].layout;
    Plotly.react(plots[side], points(side), { ...layout(side), xaxis, yaxis }, CONFIG);
  });
}

SIDES.forEach(wire);
markTool();
root.querySelectorAll("[data-tool]").forEach((button) =>
  button.addEventListener("click", () => setTool(button.dataset.tool)),
);
new MutationObserver(() => later(recolour)).observe(document.body, { attributeFilter: ["class"] });

// Named together because Gradio takes every single quoted name in this file for an event.
const [VALUE, SELECTION] = "value selection".split(" ");
const plain = (thing) => JSON.parse(JSON.stringify(thing || null));
watch(VALUE, () => later(() => show(plain(props[VALUE]))));
watch(SELECTION, () => later(() => {
  const source = plain(props[SELECTION]);
  if (!source || !state.value) return;
  takeSelection(source);
  drawSelection();
}));
later(() => show(plain(props[VALUE])));
