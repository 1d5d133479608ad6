// A plotly figure with a caption, to take away as PNG or CSV; a click on it reaches Python.
// Texts inside the figure were escaped where it was made; the caption is set as textContent.

const root = element.querySelector(".fig");
const plot = root.querySelector(".fig-plot");
const [VALUE] = "value".split(" ");
const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };
let current = null;
let work = Promise.resolve();

const plain = (thing) => JSON.parse(JSON.stringify(thing || null));

function save(name, url) {
  const link = document.createElement("a");
  Object.assign(link, { download: name, href: url });
  link.click();
}

// The picture stands alone once it is taken away: it gets a background and its caption.
async function png(Plotly) {
  const style = getComputedStyle(document.body);
  const colour = style.getPropertyValue("--body-text-color").trim();
  const layout = plain(current.figure.layout);
  const lines = current.caption.match(/.{1,110}(\s|$)/g) ?? [];
  const picture = {
    data: plain(current.figure.data),
    layout: {
      ...layout,
      width: 1100,
      height: 640 + 16 * lines.length,
      paper_bgcolor: style.backgroundColor,
      font: { ...layout.font, color: colour },
      margin: { ...layout.margin, b: (layout.margin?.b ?? 60) + 24 + 16 * lines.length },
      annotations: [...(layout.annotations ?? []), {
        text: lines.map((line) => line.replaceAll("&", "&amp;").replaceAll("<", "&lt;")).join("<br>"),
        showarrow: false, xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "left",
        yanchor: "top", align: "left", yshift: -(layout.margin?.b ?? 60) - 4,
        font: { size: 11, color: colour },
      }],
    },
  };
  save(`${current.name}.png`, await Plotly.toImage(picture, { format: "png", scale: 2 }));
}

function csv() {
  const url = URL.createObjectURL(new Blob(["\ufeff", current.csv], { type: "text/csv" }));
  save(`${current.name}.csv`, url);
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function draw() {
  current = plain(props[VALUE]);
  root.querySelector(".fig-empty").hidden = current !== null;
  root.querySelector(".fig-body").hidden = current === null;
  element.dataset.drawn = "false";
  if (current === null) return;
  const Plotly = await loadPlotly(root.dataset.plotly);
  root.querySelector(".fig-caption").textContent = current.caption;
  await Plotly.react(plot, current.figure.data, current.figure.layout, CONFIG);
  if (!plot.figListening) {
    plot.figListening = true;
    plot.on("plotly_click", ({ points: [point] }) => {
      const { curveNumber: curve, x, y, pointNumber } = point;
      const short = (place) => (typeof place === "string" ? place.slice(0, 80) : place);
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

root.querySelector("[data-get=csv]").addEventListener("click", () => current && csv());
root.querySelector("[data-get=png]").addEventListener("click", () =>
  later(async () => current && png(await loadPlotly(root.dataset.plotly))));
new ResizeObserver(() => {
  if (plot.data && plot.offsetWidth) window.embedlabPlotly.then((Plotly) => Plotly.Plots.resize(plot));
}).observe(plot);
watch(VALUE, () => later(draw));
later(draw);
