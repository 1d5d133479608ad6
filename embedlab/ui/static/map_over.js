// The linked map: what is drawn over the points: rings, spokes, ranks, names, and the lasso. Follows
// linked_map.js in the same function; linked_map_download.js draws the same into a picture.

const NAMES = {
  gap: 5, lift: 13,
  fonts: [[650, 14.5], [500, 12.5]], // weight and pixels of each level
  narrow: [420, 0.86], // below this width, times this
  from: [0, 1.6], // the zoom from which a level is there
  dense: 12, // so many at zoom 1, and as many more as the map gets larger
};

function drawOver(pen, side, size, scale = 1) {
  const at = (i) => pixelOf(side, placeOf(side, i), size);
  pen.lineJoin = "round";
  drawNear(pen, side, at);
  drawNames(pen, side, size, at, scale);
  drawFound(pen, side, at);
  if (state.hover !== null && state.hover !== state.selected) ring(pen, at(state.hover), 7.5, 1.5, look.ink);
  if (state.cursor !== null) ring(pen, at(state.cursor), 12, 1.5, look.ink, [2, 3]);
  if (state.drawing?.side === side) drawLasso(pen);
}

function ring(pen, [x, y], radius, width, colour, dash = []) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  stroke(pen, width, colour, dash);
}

function box(pen, [x, y], radius, width, colour) {
  pen.beginPath();
  pen.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  stroke(pen, width, colour);
}

function stroke(pen, width, colour, dash = []) {
  pen.setLineDash(dash);
  pen.lineWidth = width;
  pen.strokeStyle = colour;
  pen.stroke();
  pen.setLineDash([]);
}

// The selected text, lines to its neighbours on this map, and rings around A's and B's.
function drawNear(pen, side, at) {
  const { selected, near } = state;
  if (selected !== null && shown(selected) && !state.found) {
    const from = at(selected);
    pen.globalAlpha = 0.7;
    pen.beginPath();
    near[side].filter(shown).forEach((i) => {
      pen.moveTo(...from);
      pen.lineTo(...at(i));
    });
    stroke(pen, 1.2, look[side]);
    pen.globalAlpha = 1;
    near.a.filter(shown).forEach((i) => ring(pen, at(i), 8, 2.4, look.a));
    near.b.filter(shown).forEach((i) => box(pen, at(i), 10, 2.4, look.b));
    ring(pen, from, 9.5, 3.4, look.ink);
  }
}

// The ten texts nearest to a query: ranks where they are this map's, rings where the other's.
function drawFound(pen, side, at) {
  if (!state.found) return;
  const other = side === "a" ? "b" : "a";
  const own = new Set(state.found[side]);
  state.found[other].filter(shown).forEach((i) => (other === "a" ? ring : box)(pen, at(i), own.has(i) ? 12.5 : 8, 2.4, look[other]));
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.font = `700 11px ${look.family}`;
  // The best is drawn last, on top.
  state.found[side].map((i, k) => [i, k + 1]).toReversed().filter(([i]) => shown(i)).forEach(([i, rank]) => {
    const [x, y] = at(i);
    pen.beginPath();
    if (side === "a") pen.arc(x, y, 9, 0, 2 * Math.PI);
    else pen.rect(x - 8.5, y - 8.5, 17, 17);
    pen.fillStyle = look[side];
    pen.fill();
    stroke(pen, 1.5, look.page);
    pen.fillStyle = legible(look[side]);
    pen.fillText(rank, x, y + 0.5);
  });
}

// Black or white, whichever can be read on a colour.
function legible(hex) {
  const [red, green, blue] = rgb(hex);
  return 0.3 * red + 0.59 * green + 0.11 * blue > 125 ? "#000" : "#fff";
}

function drawLasso(pen) {
  const { path, kind } = state.drawing;
  const [[x, y]] = path;
  const [right, bottom] = path.at(-1);
  pen.beginPath();
  if (kind === "lasso") path.forEach((point) => pen.lineTo(...point));
  else pen.rect(x, y, right - x, bottom - y);
  pen.globalAlpha = 0.12;
  pen.fillStyle = look.ink;
  pen.fill();
  pen.globalAlpha = 1;
  stroke(pen, 1.5, look.ink, [3, 3]);
}

// --- names -------------------------------------------------------------------------------------

// Which names have a place of their own: [{ name, x, y, width, height }], the corner at the top left.
// Coarse names come first, then the larger; one that would lie over another waits for a closer view.
function placedNames(pen, side, [width, height], at) {
  const placed = [];
  const { zoom } = state.view[side];
  const most = NAMES.dense * Math.max(1, zoom) ** 1.5;
  const levels = state.names[side].some(({ level }) => level === 0);
  for (const name of state.names[side]) {
    const level = Math.min(name.level, 1);
    if (placed.length >= most) break;
    if ((levels && zoom < NAMES.from[level]) || !shown(name.at)) continue;
    const [x, y] = at(name.at);
    if (x < 0 || y < 0 || x > width || y > height) continue;
    pen.font = nameFont(level, width);
    const wide = widthOf(pen, name.text);
    const high = nameHeight(level, width) + 3;
    const left = Math.max(3, Math.min(x - wide / 2, width - wide - 3));
    const tops = [y - NAMES.lift - high / 2, y + NAMES.lift - high / 2].map((top) => Math.max(2, Math.min(top, height - high - 2)));
    const free = tops.map((top) => ({ name, x: left, y: top, width: wide, height: high })).find((own) => !placed.some((other) => overlap(own, other)));
    if (free) placed.push(free);
  }
  return placed;
}

const nameHeight = (level, width) => NAMES.fonts[level][1] * (width < NAMES.narrow[0] ? NAMES.narrow[1] : 1);
const nameFont = (level, width) => `${NAMES.fonts[level][0]} ${nameHeight(level, width)}px ${look.family}`;

// Measured once for each font.
const widths = new Map();
function widthOf(pen, text) {
  const key = `${pen.font}|${text}`;
  if (!widths.has(key)) widths.set(key, pen.measureText(text).width);
  return widths.get(key);
}

function overlap(a, b) {
  const { gap } = NAMES;
  return a.x < b.x + b.width + gap && b.x < a.x + a.width + gap && a.y < b.y + b.height + gap && b.y < a.y + a.height + gap;
}

function drawNames(pen, side, size, at, scale) {
  state.placed[side] = state.names[side].length ? placedNames(pen, side, size, at) : [];
  // What was looked for comes first: names step back behind rings and ranks.
  pen.globalAlpha = bright() ? 0.6 : 1;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  for (const { name, x, y, height } of state.placed[side]) {
    pen.font = nameFont(Math.min(name.level, 1), size[0]);
    pen.lineWidth = 4 * scale;
    pen.strokeStyle = look.page;
    pen.strokeText(name.text, x, y + height / 2);
    pen.fillStyle = look.ink;
    pen.fillText(name.text, x, y + height / 2);
  }
  pen.globalAlpha = 1;
}

function nameUnder(side, [x, y]) {
  return state.placed[side].find((own) => x >= own.x && x <= own.x + own.width && y >= own.y && y <= own.y + own.height)?.name ?? null;
}
