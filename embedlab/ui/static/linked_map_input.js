// The linked map: pointer, keyboard and the wiring to Gradio; follows linked_map.js in the same
// function.

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
  Object.assign(state, { selected: null, near: { a: [], b: [] }, lasso: indices.toSorted((a, b) => a - b) });
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
    Plotly.react(plots[side], points(side), { ...mapLayout(side), xaxis, yaxis }, CONFIG);
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
