// Small maps of one corpus side by side: a text under the pointer lights up in all of them.
// No user text reaches innerHTML: titles, labels and texts are set as textContent.

const root = element.querySelector(".sm");
const grid = root.querySelector(".sm-grid");
const line = root.querySelector(".sm-line");
const legend = root.querySelector(".sm-legend");
const [VALUE] = "value".split(" ");
const REACH = 14;
const MOST_NAMES = 32;
let value = null;
let canvases = [];
let current = null;

const hint = "Point at a text, or walk through them with the arrow keys: it lights up in all maps.";

function make(tag, attributes = {}, words = "") {
  const made = document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) made.setAttribute(name, content);
  made.textContent = words;
  return made;
}

// Where a point stands in a canvas, in its own pixels.
function place(canvas, [x, y]) {
  const half = Math.min(canvas.clientWidth, canvas.clientHeight) / 2;
  const reach = half - 8;
  return [canvas.clientWidth / 2 + x * reach, canvas.clientHeight / 2 - y * reach];
}

function mark(pen, shape, x, y, size) {
  pen.beginPath();
  if (shape === "square") pen.rect(x - size, y - size, 2 * size, 2 * size);
  else if (shape === "diamond") {
    pen.moveTo(x, y - 1.3 * size);
    pen.lineTo(x + 1.3 * size, y);
    pen.lineTo(x, y + 1.3 * size);
    pen.lineTo(x - 1.3 * size, y);
    pen.closePath();
  } else if (shape === "cross") {
    pen.rect(x - size, y - size / 3, 2 * size, size / 1.5);
    pen.rect(x - size / 3, y - size, size / 1.5, 2 * size);
  } else pen.arc(x, y, size, 0, 2 * Math.PI);
  pen.fill();
}

function paint(canvas, { xy }) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const size = xy.length > 1000 ? 1.6 : xy.length > 300 ? 2.4 : 3.2;
  pen.globalAlpha = current === null ? 0.85 : 0.3;
  xy.forEach((point, i) => {
    const [colour, shape] = value.styles[value.categories[i]] ?? [value.other, "circle"];
    pen.fillStyle = colour;
    mark(pen, shape, ...place(canvas, point), size);
  });
  if (current === null) return;
  const [colour, shape] = value.styles[value.categories[current]] ?? [value.other, "circle"];
  const [x, y] = place(canvas, xy[current]);
  pen.globalAlpha = 1;
  pen.fillStyle = colour;
  mark(pen, shape, x, y, size + 2.5);
  pen.strokeStyle = getComputedStyle(root).color;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, size + 6, 0, 2 * Math.PI);
  pen.stroke();
}

const paintAll = () => canvases.forEach((canvas, i) => paint(canvas, value.maps[i]));

function light(index) {
  if (index === current) return;
  current = index;
  root.dataset.lit = index === null ? "" : index;
  const label = index === null ? "" : value.names[value.categories[index]];
  line.textContent = index === null ? hint : [label, value.texts[index]].filter(Boolean).join(" · ");
  requestAnimationFrame(paintAll);
}

function nearest(canvas, map, event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  let [best, distance] = [null, REACH * REACH];
  map.xy.forEach((point, i) => {
    const [px, py] = place(canvas, point);
    const away = (px - x) ** 2 + (py - y) ** 2;
    if (away < distance) [best, distance] = [i, away];
  });
  return best;
}

function addMap(map) {
  const figure = make("figure", { class: "sm-map" });
  const title = make("figcaption");
  for (const side of map.sides) {
    title.append(make("span", { class: `chip chip-${side.toLowerCase()}` }, side), " ");
  }
  title.append(map.title);
  const canvas = make("canvas", { tabindex: "0", role: "img", "aria-label": `Map of ${map.title}` });
  canvas.addEventListener("pointermove", (event) => light(nearest(canvas, map, event)));
  canvas.addEventListener("pointerdown", (event) => light(nearest(canvas, map, event)));
  canvas.addEventListener("pointerleave", () => light(null));
  canvas.addEventListener("blur", () => light(null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const n = value.texts.length;
    if (!step || !n) return;
    event.preventDefault();
    light(current === null ? 0 : (current + step + n) % n);
  });
  figure.append(title, canvas);
  grid.append(figure);
  canvases.push(canvas);
}

function drawLegend() {
  legend.replaceChildren();
  value.names.slice(0, MOST_NAMES).forEach((name, code) => {
    const [colour, shape] = value.styles[code];
    const swatch = make("i", { class: `lm-mark lm-${shape}`, style: `background:${colour}` });
    const entry = make("span");
    entry.append(swatch, name);
    legend.append(entry);
  });
}

function draw() {
  value = JSON.parse(JSON.stringify(props[VALUE] || null));
  root.hidden = value === null;
  grid.replaceChildren();
  [canvases, current] = [[], null];
  if (value === null) return;
  value.maps.forEach(addMap);
  drawLegend();
  line.textContent = hint;
  root.querySelector(".sm-caption").textContent = value.caption;
  root.querySelector(".look-for span").textContent = value.look;
  root.dataset.maps = value.maps.length;
  requestAnimationFrame(paintAll);
}

new ResizeObserver(() => value && requestAnimationFrame(paintAll)).observe(grid);
watch(VALUE, draw);
draw();
