// The linked map: one design's map at layer 0 … L, under a slider that plays. Follows linked_map.js
// in the same function. Between layers the points move; a layer that was settled on gets a layout of
// its own from the server.

const LAYER_TIME = { moving: 450, still: 900 };
const layers = Object.fromEntries(SIDES.map((side) => {
  const strip = find(`.lm-layers[data-side=${side}]`);
  const part = (name) => strip.querySelector(name);
  return [side, {
    side, strip, frames: null, open: false, timer: 0, playing: false,
    toggle: find(`.lm-layers-toggle[data-side=${side}]`),
    play: part("button"), slider: part("input"), words: part("output"),
  }];
}));

// The slider follows new points: those of another design or other texts have other layers.
function layersFollow() {
  for (const own of Object.values(layers)) {
    const points = state.points?.[own.side];
    own.toggle.hidden = !points?.layers;
    if (own.frames && own.frames.key === points?.key) continue;
    own.frames = null;
    if (own.open && points?.layers) askForLayers(own);
    else closeLayers(own);
  }
}

function askForLayers(own) {
  own.play.disabled = own.slider.disabled = true;
  own.words.textContent = "Computing the map at every layer …";
  tell("layers", { side: own.side });
}

function openLayers(own) {
  own.open = true;
  own.strip.hidden = false;
  own.toggle.setAttribute("aria-expanded", "true");
  if (own.frames) showLayer(own, own.frames.layer, TWEEN);
  else askForLayers(own);
}

function closeLayers(own) {
  pause(own);
  const back = own.open && own.frames && state.points;
  own.open = false;
  own.strip.hidden = true;
  own.toggle.setAttribute("aria-expanded", "false");
  delete plots[own.side].dataset.layer;
  if (back) moveTo(own.side, state.points[own.side].xy, TWEEN);
}

function takeFrames(frames) {
  const own = layers[frames.side];
  if (frames.key !== state.points[frames.side].key) return;
  own.frames = { ...frames, xy: integers(frames.xy) };
  own.slider.max = frames.count - 1;
  own.slider.value = frames.layer;
  own.play.disabled = own.slider.disabled = false;
  if (own.open) showLayer(own, frames.layer, TWEEN);
  // A later question stops an earlier one.
  Object.values(layers).filter((other) => other.open && !other.frames).forEach(askForLayers);
}

// A layout of its own for the layer that the slider was left at, unless it has moved on.
function takeSettled(settled) {
  const own = layers[settled.side];
  const now = own.open && own.frames && settled.key === own.frames.key && Number(own.slider.value) === settled.layer;
  if (!now || own.playing) return;
  own.words.textContent = `${label(own, settled.layer)} · ${settled.method}`;
  plots[own.side].dataset.layout = settled.method;
  moveTo(own.side, settled.xy, TWEEN);
}

const label = (own, layer) => `Layer ${layer} of ${own.frames.count - 1} · ${own.frames.notes[layer]}`;

function showLayer(own, layer, milliseconds) {
  const { frames, side } = own;
  const length = 2 * state.points.n;
  const place = Float32Array.from(frames.xy.subarray(layer * length, (layer + 1) * length), (x) => x / 32767);
  own.slider.value = layer;
  own.words.textContent = `${label(own, layer)} · PCA`;
  own.slider.setAttribute("aria-valuetext", own.words.textContent);
  Object.assign(plots[side].dataset, { layer, layout: "PCA" });
  return moveTo(side, place, milliseconds);
}

const settle = (own) => tell("layer", { side: own.side, layer: Number(own.slider.value) });

function pause(own) {
  own.playing = false;
  clearTimeout(own.timer);
  own.play.textContent = "Play";
}

function play(own) {
  const last = own.frames.count - 1;
  own.playing = true;
  own.play.textContent = "Pause";
  const time = calm.matches ? LAYER_TIME.still : LAYER_TIME.moving;
  const step = (layer) => {
    showLayer(own, layer, calm.matches ? 0 : time);
    own.timer = setTimeout(() => {
      if (layer < last) return step(layer + 1);
      pause(own);
      return settle(own);
    }, time);
  };
  const now = Number(own.slider.value);
  step(now === last ? 0 : now + 1);
}

for (const own of Object.values(layers)) {
  own.toggle.addEventListener("click", () => (own.open ? closeLayers(own) : openLayers(own)));
  own.slider.addEventListener("input", () => {
    pause(own);
    showLayer(own, Number(own.slider.value), 160);
  });
  own.slider.addEventListener("change", () => own.frames && settle(own));
  own.play.addEventListener("click", () => {
    if (!own.playing) return play(own);
    pause(own);
    return settle(own);
  });
}
