// The linked map: its state, its two views and when they are drawn. Together with the other map_*.js
// and linked_map_*.js it is the body of the function that Gradio runs once with element, trigger,
// props and watch.
// No user text reaches innerHTML: titles, names and tooltips are set as textContent or drawn.

const SIDES = ["a", "b"];
const REACH = { mouse: 12, touch: 24 };
const HOME = 1.12; // what the shorter side of a map shows of −1 … 1, with a margin
const ZOOMS = [0.5, 80];
const TWEEN = 500;

const root = element.querySelector(".lm");
const find = (selector) => root.querySelector(selector);
const all = (selector) => [...root.querySelectorAll(selector)];
const plots = Object.fromEntries(SIDES.map((s) => [s, find(`.lm-plot[data-side=${s}]`)]));
const tip = find(".lm-tip");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const coarse = window.matchMedia("(pointer: coarse)").matches;
const home = () => ({ x: 0, y: 0, zoom: 1 });
const state = {
  points: null, texts: { lines: [], lower: [], most: 0 }, colouring: null,
  names: { a: [], b: [] }, placed: { a: [], b: [] }, unfolded: false, kept: null, hidden: new Set(),
  selected: null, near: { a: [], b: [] }, lasso: [], cursor: null, hover: null,
  query: "", hits: null, found: null, drawing: null,
  tool: coarse ? "none" : "pan",
  view: { a: home(), b: home() },
  // Where the points of a map are on their way from, where to, and how far (0 to 1).
  move: Object.fromEntries(SIDES.map((s) => [s, { start: null, place: null, mixed: 1 }])),
};
let work = Promise.resolve();

// --- the two canvases of a map -----------------------------------------------------------------

const canvases = Object.fromEntries(SIDES.map((side) => {
  const [below, above] = plots[side].querySelectorAll("canvas");
  return [side, { below, above, points: pointLayer(below), pen: above.getContext("2d") }];
}));

function sizeOf(side) {
  return [plots[side].clientWidth, plots[side].clientHeight];
}

// Pixels of the page for one unit of a map.
function unitOf(side, [width, height] = sizeOf(side)) {
  return (Math.min(width, height) / 2 / HOME) * state.view[side].zoom;
}

function placeOf(side, i) {
  const { start, place, mixed } = state.move[side];
  return [2 * i, 2 * i + 1].map((k) => start[k] + (place[k] - start[k]) * mixed);
}

function pixelOf(side, [x, y], size = sizeOf(side)) {
  const unit = unitOf(side, size);
  const { x: cx, y: cy } = state.view[side];
  return [size[0] / 2 + (x - cx) * unit, size[1] / 2 - (y - cy) * unit];
}

// Calls visit(i, x, y) with the pixel of every point; no array is made for any of them.
function eachPixel(side, visit) {
  const [width, height] = sizeOf(side);
  const unit = unitOf(side, [width, height]);
  const { x: cx, y: cy } = state.view[side];
  const { start, place, mixed } = state.move[side];
  for (let i = 0; i < state.points.n; i += 1) {
    const x = start[2 * i] + (place[2 * i] - start[2 * i]) * mixed;
    const y = start[2 * i + 1] + (place[2 * i + 1] - start[2 * i + 1]) * mixed;
    visit(i, width / 2 + (x - cx) * unit, height / 2 - (y - cy) * unit);
  }
}

const pixel = (side, i) => pixelOf(side, placeOf(side, i));

function resized(side) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = sizeOf(side).map((length) => Math.round(length * ratio));
  for (const canvas of [canvases[side].below, canvases[side].above]) {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }
}

// --- looks -------------------------------------------------------------------------------------

const LOOKS = {
  ink: "--body-text-color", page: "--background-fill-primary", accent: "--color-accent",
  a: "--design-a", b: "--design-b", aText: "--design-a-text", bText: "--design-b-text",
  outline: "--lm-outline", font: "--font",
};
let look = {};

function readLooks() {
  const style = getComputedStyle(root);
  look = Object.fromEntries(Object.entries(LOOKS).map(([name, css]) => [name, style.getPropertyValue(css).trim()]));
  look.family = style.fontFamily;
}

// A scale whose dark end a dark page would hide starts where it can be seen.
const visible = (stops) => (document.body.classList.contains("dark") ? stops.slice(Math.floor(stops.length / 3)) : stops);

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function pointLook(ratio) {
  const { n } = state.points;
  const size = n > 8000 ? 5 : n > 2000 ? 6 : n > 500 ? 7.5 : 9.5;
  const [red, green, blue, alpha = 1] = (look.outline.match(/[\d.]+/g) ?? [0, 0, 0, 0.5]).map(Number);
  return {
    size: size * ratio, stroke: n > 2000 ? 0 : ratio,
    outline: [red / 255, green / 255, blue / 255, alpha],
  };
}

// The colour (RGBA) and the shape of every point.
function paint() {
  const { n } = state.points;
  const { codes, numbers, styles, other, low, high, stops } = state.colouring;
  const colour = new Uint8Array(4 * n).fill(255);
  const shape = new Uint8Array(n);
  const none = rgb(other);
  const fills = codes ? styles.map(([hex]) => rgb(hex)) : null;
  const ramp = numbers ? scaled(visible(stops)) : null;
  for (let i = 0; i < n; i += 1) {
    let fill = none;
    if (codes && codes[i] >= 0) {
      fill = fills[codes[i]];
      shape[i] = SHAPES.indexOf(styles[codes[i]][1]);
    } else if (numbers && !Number.isNaN(numbers[i])) {
      const part = high > low ? (numbers[i] - low) / (high - low) : 0.5;
      fill = ramp[Math.round(255 * Math.max(0, Math.min(1, part)))];
    }
    colour.set(fill, 4 * i);
  }
  SIDES.forEach((side) => canvases[side].points.set({ colour, shape }));
}

// 256 colours between evenly spaced ones.
function scaled(stops) {
  const colours = stops.map(rgb);
  return Array.from({ length: 256 }, (_, k) => {
    const at = (k / 255) * (colours.length - 1);
    const from = Math.min(Math.floor(at), colours.length - 2);
    return colours[from].map((part, c) => Math.round(part + (colours[from + 1][c] - part) * (at - from)));
  });
}

// --- which points are bright -------------------------------------------------------------------

const codeOf = (i) => {
  const { codes, numbers } = state.colouring;
  return codes ? codes[i] : Number.isNaN(numbers[i]) ? -1 : 0;
};
const shown = (i) => (!state.kept || state.kept[i] === 1) && !state.hidden.has(codeOf(i));

// The points that stay bright; null means all. The latest thing that was looked for counts.
function bright() {
  const { found, hits, lasso, near, selected } = state;
  if (found) return [...found.a, ...found.b];
  if (hits) return hits;
  if (lasso.length) return lasso;
  return selected !== null && near.a.length + near.b.length ? [selected, ...near.a, ...near.b] : null;
}

function markPoints() {
  const { n } = state.points;
  const chosen = bright();
  const mark = new Uint8Array(n).fill(chosen ? MARKS.dim : MARKS.plain);
  chosen?.forEach((i) => (mark[i] = MARKS.bright));
  for (let i = 0; i < n; i += 1) if (!shown(i)) mark[i] = MARKS.hidden;
  SIDES.forEach((side) => canvases[side].points.set({ mark }));
}

// --- drawing -----------------------------------------------------------------------------------

const MANY = 10_000;
const due = { points: new Set(), over: new Set() };
let asked = 0;
const whenDrawn = [];

// Draws in the next frame, once however often it was asked for.
function redraw(...sides) {
  (sides.length ? sides : SIDES).forEach((side) => due.points.add(side));
  redrawOver(...sides);
}

// Draws what lies over the points: the mouse on a point does not draw thousands of them again.
function redrawOver(...sides) {
  (sides.length ? sides : SIDES).forEach((side) => due.over.add(side));
  asked ||= requestAnimationFrame(drawDue);
}

function drawDue() {
  asked = 0;
  // Of this many points, each map takes a frame: the first is not to wait for the other.
  const sides = state.points?.n > MANY ? [...due.points].slice(0, 1) : [...due.points];
  const over = [...due.over].filter((side) => sides.includes(side) || !due.points.has(side));
  sides.forEach((side) => due.points.delete(side));
  over.forEach((side) => due.over.delete(side));
  if (state.points) {
    sides.forEach(drawPoints);
    over.forEach(drawAbove);
  }
  if (due.points.size) asked = requestAnimationFrame(drawDue);
  else whenDrawn.splice(0).forEach((done) => done());
}

// Resolves once what is due is drawn; a page in the back draws nothing, so it is not waited for.
function drawn() {
  redraw();
  if (document.hidden) return Promise.resolve();
  return new Promise((done) => {
    whenDrawn.push(done);
    setTimeout(done, 500);
  });
}

function drawPoints(side) {
  if (!plots[side].clientWidth) return;
  resized(side);
  const ratio = window.devicePixelRatio || 1;
  const { x, y } = state.view[side];
  const unit = unitOf(side) * ratio;
  canvases[side].points.draw({ x, y, unit, mixed: state.move[side].mixed, ...pointLook(ratio) });
}

function drawAbove(side) {
  if (!plots[side].clientWidth) return;
  const ratio = window.devicePixelRatio || 1;
  const { pen } = canvases[side];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, ...sizeOf(side));
  drawOver(pen, side, sizeOf(side));
}

// What is selected, found and near has changed: bright points, rings, and what the page says of them.
function drawSelection() {
  if (!state.points) return;
  markPoints();
  redraw(...SIDES.toSorted((a, b) => plots[b].matches(":hover") - plots[a].matches(":hover")));
  const { dataset } = element;
  dataset.selected = state.selected ?? "";
  dataset.lasso = state.lasso.length;
  dataset.nearA = state.near.a.join(" ");
  dataset.nearB = state.near.b.join(" ");
  dataset.foundA = state.found?.a.join(" ") ?? "";
  dataset.foundB = state.found?.b.join(" ") ?? "";
  find(".lm-key").classList.toggle("lm-off", state.selected === null && !state.found);
  all("[data-key]").forEach((key) => (key.hidden = (key.dataset.key === "found") !== Boolean(state.found)));
}

// Lets the points of a side go to new places; resolves when they are there.
function moveTo(side, place, milliseconds) {
  const { move } = state;
  const { points } = canvases[side];
  const still = !milliseconds || calm.matches || document.hidden || !plots[side].clientWidth;
  const start = still || move[side].start === null ? place : current(side);
  const moved = { start, place, mixed: still ? 1 : 0 };
  move[side] = moved;
  points.set({ start, place });
  redraw(side);
  if (still) return Promise.resolve();
  return new Promise((done) => {
    const begun = performance.now();
    setTimeout(done, milliseconds + 300); // a page that goes to the back draws no more frames
    const step = () => {
      if (move[side] !== moved) return done(); // something later moves them now
      const part = Math.min(1, (performance.now() - begun) / milliseconds);
      moved.mixed = part * part * (3 - 2 * part);
      redraw(side);
      return part < 1 ? requestAnimationFrame(step) : done();
    };
    step();
  });
}

function current(side) {
  const { start, place, mixed } = state.move[side];
  return mixed === 1 ? place : start.map((from, k) => from + (place[k] - from) * mixed);
}
