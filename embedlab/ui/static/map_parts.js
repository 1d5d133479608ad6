// The linked map: the parts that Python sends, taken one after the other; the last file of the map's
// function but for the downloads. Each part is applied once, and what a visitor did meanwhile counts.

const ARRAYS = {
  "<f4": (buffer) => new Float32Array(buffer), "<i4": (buffer) => new Int32Array(buffer),
  "<i2": (buffer) => new Int16Array(buffer), "|u1": (buffer) => new Uint8Array(buffer),
};

function unpacked(text, kind) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = characters.charCodeAt(i);
  return ARRAYS[kind](bytes.buffer);
}

const floats = (text) => unpacked(text, "<f4");
const integers = (text) => unpacked(text, "<i2");

// A copy without the proxies that Gradio wraps what it gives in. Long strings are not copied.
function plain(part) {
  return part && Object.fromEntries(Object.entries(part).map(([name, own]) =>
    [name, own && typeof own === "object" ? JSON.parse(JSON.stringify(own)) : own]));
}

// Named together because Gradio takes every single quoted name in this file for an event.
const PLACES = { a: "place_a", b: "place_b" };
const PARTS = "texts colouring kept names found frames settled selection".split(" ");
const [VALUE] = "value".split(" ");
const seen = {};

// The parts that are new, by name; before there are points, the others wait for them.
function arrivals() {
  const fresh = [VALUE, ...PARTS].filter((name) => props[name] && props[name].revision !== seen[name]);
  if (!state.points && !fresh.includes(VALUE)) return {};
  for (const name of fresh) seen[name] = props[name].revision;
  return Object.fromEntries(fresh.map((name) => [name, plain(props[name])]));
}

const TAKEN = {
  texts({ lines, most }) {
    const split = lines.split("\n");
    state.texts = { lines: split, lower: split.map((line) => line.toLowerCase()), most };
    if (state.query) search(state.query);
  },
  colouring(part) {
    const again = part.title === state.colouring?.title;
    state.colouring = { ...part, codes: part.codes && unpacked(part.codes, "<i4"), numbers: part.numbers && floats(part.numbers) };
    state.hidden = new Set(part.hidden);
    if (!again) state.unfolded = false;
    paint();
    legend();
  },
  kept({ mask }) {
    state.kept = mask && unpacked(mask, "|u1");
    if (state.query) search(state.query);
  },
  names({ a, b }) {
    const order = (list) => list.toSorted((x, y) => x.level - y.level || y.size - x.size);
    state.names = { a: order(a), b: order(b) };
  },
  found: takeFound,
  frames: takeFrames,
  settled: (part) => takeSettled({ ...part, xy: floats(part.xy) }),
  selection(part) {
    const other = part.selected !== state.selected || `${part.lasso}` !== `${state.lasso}`;
    if (other && (part.selected !== null || part.lasso.length)) leaveSearch();
    state.selected = part.selected;
    state.near = { a: part.highlight_a, b: part.highlight_b };
    state.lasso = part.lasso;
  },
};

async function take() {
  const fresh = arrivals();
  const { [VALUE]: value, ...parts } = fresh;
  if (!Object.keys(fresh).length) return;
  if (value) {
    element.dataset.ready = "false";
    performance.mark("map:data");
  }
  const mine = { selected: state.selected, lasso: state.lasso };
  const same = value && state.points?.corpus === value.corpus;
  if (value && !takePoints(value, same)) return;
  for (const name of PARTS) if (parts[name]) TAKEN[name](parts[name]);
  if (value) {
    const unchanged = mine.selected === state.selected && `${mine.lasso}` === `${state.lasso}`;
    // What a link selects is no answer from before a click.
    if (same && !unchanged && !parts.selection?.linked) selectAgain(mine);
    describe();
    layersFollow();
  }
  drawSelection();
  if (!value) return;
  const elsewhere = SIDES.filter((side) => !layers[side].open && state.move[side].place !== value[side].xy);
  await Promise.all(elsewhere.map((side) => moveTo(side, value[side].xy, same ? TWEEN : 0)));
  await drawn();
  performance.mark("map:drawn");
  Object.assign(element.dataset, { ready: "true", points: value.n, method: value.method, drawn: canvases.a.points.kind });
}

// The places that points name: those that came with them, or those that are here.
function placesFor(side, id) {
  const sent = props[PLACES[side]];
  if (state.points?.[side].place === id) return state.points[side].xy;
  if (sent?.id !== id) throw new Error(`The places of map ${side} did not come.`);
  return floats(sent.xy);
}

// New places; with other texts, what belonged to those before is forgotten. False without texts.
function takePoints(value, same) {
  find(".lm-empty").hidden = value.n > 0;
  find(".lm-body").hidden = value.n === 0;
  if (!value.n) {
    state.points = null;
    Object.assign(element.dataset, { points: 0, selected: "", method: "", nearA: "", nearB: "" });
    return false;
  }
  for (const side of SIDES) value[side].xy = placesFor(side, value[side].place);
  const other = SIDES.filter((side) => state.points?.[side].key !== value[side].key);
  state.points = value;
  // Names and ranks are those of a design; they come anew for another.
  other.forEach((side) => (state.names[side] = []));
  if (other.length && state.found) {
    state.found = null;
    search(field.value);
  }
  if (!same) {
    Object.assign(state, { kept: null, found: null, cursor: null, hover: null });
    SIDES.forEach((side) => {
      state.view[side] = home();
      state.move[side].start = null;
    });
    field.value = "";
    search("");
    tip.hidden = true;
  }
  SIDES.filter((side) => state.move[side].start === null).forEach((side) => moveTo(side, value[side].xy, 0));
  return true;
}

// A click that was made while these points were on their way wins: the server gets it once more.
function selectAgain({ selected, lasso }) {
  Object.assign(state, { selected, lasso, near: { a: [], b: [] } });
  if (lasso.length) tell("lasso", { indices: lasso });
  else if (selected === null) tell("cleared", {});
  else tell("point_click", { index: selected });
}

function later(step) {
  work = work.then(step).catch((error) => {
    console.error("The map could not be drawn:", error);
    find(".lm-note").textContent = "The map could not be drawn; reload the page.";
  });
}

function recolour() {
  readLooks();
  if (!state.points) return;
  paint();
  legend();
  redraw();
}

new MutationObserver(recolour).observe(document.body, { attributeFilter: ["class"] });
readLooks();
for (const name of [VALUE, ...Object.values(PLACES), ...PARTS]) watch(name, () => later(take));
later(take);
