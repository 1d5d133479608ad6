// The linked map as a notebook's widget: what Gradio gives the map's script on a page (element,
// trigger, props and watch) comes from the widget's model here. MAP stands for that script.
// Python has a trait with "_" before its name for every part; .selection alone is without.

const map = (element, trigger, props, watch) => {
  MAP;
};

const EVENTS = {
  point_click: ({ index }) => [index],
  lasso: ({ indices }) => indices,
  cleared: () => [],
};

function render({ model, el }) {
  el.classList.add("embedlab-map");
  el.innerHTML = model.get("_frame");
  const trigger = (name, data) => {
    if (!EVENTS[name]) return;
    model.set("selection", EVENTS[name](data));
    model.save_changes();
  };
  const props = new Proxy({}, { get: (_, name) => model.get(`_${name}`) });
  const watch = (name, call) => model.on(`change:_${name}`, call);
  // A notebook has no design to ask and no server to make a file.
  const field = el.querySelector("input[type=search]");
  field.title = "Matches light up as you type; Escape clears";
  field.setAttribute("aria-label", "Search the texts");
  el.querySelector("[data-get=csv]").hidden = true;
  map(el, trigger, props, watch);
}

export default { render };
