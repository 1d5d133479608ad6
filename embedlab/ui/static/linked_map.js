// The linked map: its state and its drawing. Together with linked_map_input.js and
// linked_map_download.js it is the body of the function that Gradio runs once with element, trigger,
// props and watch.
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

// Rings and lines are shapes, not traces: drawing them leaves the points alone, however many.
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
  if (!chosen) return Array.from({ length }, () => 0.9);
  const values = Array.from({ length }, () => 0.18);
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

function mapLayout(side) {
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
  const expected = opacities();
  // Remove what the lasso leaves: its outline, and plotly's own dimming.
  if (plot.layout.selections?.length) Plotly.relayout(plot, { selections: [] });
  if (trace.selectedpoints) Plotly.restyle(plot, { selectedpoints: [null] }, [0]);
  if (expected.some((value, i) => value !== trace.marker.opacity[i])) {
    Plotly.restyle(plot, { "marker.opacity": [expected] }, [0]);
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
  const unchanged = mine.selected === state.selected && `${mine.lasso}` === `${state.lasso}`;
  if (same && !unchanged) selectAgain(mine);
  describe();
  if (redraw) {
    const moves = before && same && texts <= MOVE_LIMIT && !calm.matches && !document.hidden;
    if (moves && plots.a.data && plots.a.offsetWidth) await Promise.all(SIDES.map(movePoints));
    await Promise.all(
      SIDES.map((side) => Plotly.react(plots[side], points(side), mapLayout(side), CONFIG)),
    );
  }
  drawSelection();
  Object.assign(element.dataset, { ready: "true", points: texts, method: value.method });
}

// A click that was made while this value was on its way wins: the server gets it once more.
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
