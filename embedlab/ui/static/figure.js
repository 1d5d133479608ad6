// A plotly figure with a caption and downloads as PNG and CSV; a click on it reaches Python.
// Texts inside the figure were escaped where it was made; the caption and what to look for are set as
// textContent.

const root = element.querySelector(".fig");
const plot = root.querySelector(".fig-plot");
const [VALUE] = "value".split(" ");
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };
let current = null;
let work = Promise.resolve();

const plain = (thing) => JSON.parse(JSON.stringify(thing || null));

async function draw() {
  current = plain(props[VALUE]);
  root.querySelector(".fig-empty").hidden = current !== null;
  root.querySelector(".fig-body").hidden = current === null;
  element.dataset.drawn = "false";
  if (current === null) return;
  const Plotly = await loadPlotly(root.dataset.plotly);
  root.querySelector(".fig-caption").textContent = current.caption;
  root.querySelector(".look-for span").textContent = current.look;
  // A resize makes plotly forget the figure's height and take the element's.
  plot.style.height = `${current.figure.layout.height}px`;
  await Plotly.react(plot, current.figure.data, current.figure.layout, CONFIG);
  if (!plot.figListening) {
    plot.figListening = true;
    plot.on("plotly_click", ({ points: [point] }) => {
      const { curveNumber: curve, x, y, pointNumber } = point;
      const short = (value) => (typeof value === "string" ? value.slice(0, 80) : value);
      const cell = Array.isArray(pointNumber) ? pointNumber : null;
      trigger('point_click', { curve, x: short(x), y: short(y), cell });
    });
  }
  element.dataset.drawn = "true";
}

const later = (step) => {
  work = work.then(step).catch((error) => {
    console.error("The figure could not be drawn:", error);
    root.querySelector(".fig-caption").textContent = "The figure could not be drawn; reload the page.";
  });
};

root.querySelector("[data-get=csv]").addEventListener("click", () =>
  current && saveText(`${current.name}.csv`, current.csv));
root.querySelector("[data-get=png]").addEventListener("click", () =>
  later(async () => {
    if (!current) return;
    const Plotly = await loadPlotly(root.dataset.plotly);
    const { name, figure, caption } = current;
    await savePicture(Plotly, name, plain(figure), caption, { width: 1100, height: 640 });
  }));
new ResizeObserver(() => {
  if (plot.data && plot.offsetWidth) window.embedlabPlotly.then((Plotly) => Plotly.Plots.resize(plot));
}).observe(plot);
watch(VALUE, () => later(draw));
later(draw);
