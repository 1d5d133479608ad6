// The linked map's downloads as a picture and as data; follows linked_map_input.js in the same
// function.

const KEYS = 40;

// Both maps in one figure, as they are zoomed, with the titles above and the categories in words.
function bothMaps() {
  const { value } = state;
  const halves = [[0, 0.49], [0.51, 1]];
  const below = 24 + 20 * Math.ceil(Math.min(value.category_names.length, KEYS) / 6);
  const margin = { l: 20, r: 20, t: 50, b: below };
  const whole = { ...mapLayout("a"), shapes: [], annotations: [], margin };
  const data = SIDES.flatMap((side, k) => {
    const [x, y] = [k ? "x2" : "x", k ? "y2" : "y"];
    const { xaxis, yaxis } = plots[side].layout;
    whole[k ? "xaxis2" : "xaxis"] = { ...xaxis, domain: halves[k], anchor: y };
    whole[k ? "yaxis2" : "yaxis"] = { ...yaxis, scaleanchor: x, anchor: x };
    whole.shapes.push(...shapes(side).map((shape) => ({ ...shape, xref: x, yref: y })));
    whole.annotations.push({
      text: `${side.toUpperCase()}: ${safe(value[side].title)}`, showarrow: false, xref: "paper",
      yref: "paper", x: halves[k][0], xanchor: "left", y: 1, yanchor: "bottom",
      font: { size: 15, color: colour(`--design-${side}-text`) },
    });
    return points(side).map((trace) => ({ ...trace, type: "scatter", xaxis: x, yaxis: y, showlegend: false }));
  });
  return { data: [...data, ...keys()], layout: { ...whole, showlegend: true, legend: { orientation: "h", y: 0, yanchor: "top" } } };
}

const safe = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

// Nothing but an entry of the legend for each category.
function keys() {
  const { category_names: names, category_styles: styles } = state.value;
  return names.slice(0, KEYS).map((name, code) => ({
    type: "scatter", mode: "markers", x: [null], y: [null], name: safe(name),
    marker: { color: styles[code][0], symbol: styles[code][1], size: 9 },
  }));
}

// The data come from the server, which has the whole texts.
find("[data-get=csv]").addEventListener("click", () => state.value && trigger('save', {}));
find("[data-get=png]").addEventListener("click", () => later(async () => {
  if (!state.value) return;
  await savePicture(Plotly, "map", bothMaps(), state.value.caption, { width: 1400, height: 800 });
}));
