// Comes before every script that saves something: downloads of pictures, tables and files.

function save(name, url) {
  const link = document.createElement("a");
  Object.assign(link, { download: name, href: url });
  link.click();
}

function saveBlob(name, blob) {
  const url = URL.createObjectURL(blob);
  save(name, url);
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const saveText = (name, text) => saveBlob(name, new Blob(["\ufeff", text], { type: "text/csv" }));

function saveBytes(name, base64, type) {
  const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  saveBlob(name, new Blob([bytes], { type }));
}

// A text that would run as a formula in a spreadsheet gets an apostrophe, as in ui/shared/figure.py.
function csvCell(value) {
  if (typeof value === "number") return String(value);
  const text = String(value ?? "").replace(/\s+/g, " ").replace(/^(?=[=+\-@])(?![+-]?[\d.]+$)/, "'");
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvText = (caption, rows) =>
  [[`# ${caption}`], ...rows].map((row) => row.map(csvCell).join(",")).join("\n") + "\n";

// A saved picture is seen without the page, so it gets a background and its caption.
async function savePicture(Plotly, name, { data, layout }, caption, size) {
  const style = getComputedStyle(document.body);
  const colour = style.getPropertyValue("--body-text-color").trim();
  const lines = caption.match(/.{1,110}(\s|$)/g) ?? [];
  const below = layout.margin?.b ?? 60;
  const picture = {
    data,
    layout: {
      ...layout,
      width: size.width,
      height: size.height + 16 * lines.length,
      paper_bgcolor: style.backgroundColor,
      font: { ...layout.font, color: colour },
      margin: { ...layout.margin, b: below + 24 + 16 * lines.length },
      annotations: [...(layout.annotations ?? []), {
        text: lines.map((line) => line.replaceAll("&", "&amp;").replaceAll("<", "&lt;")).join("<br>"),
        showarrow: false, xref: "paper", yref: "paper", x: 0, y: 0, xanchor: "left",
        yanchor: "top", align: "left", yshift: -below - 4, font: { size: 11, color: colour },
      }],
    },
  };
  save(`${name}.png`, await Plotly.toImage(picture, { format: "png", scale: 2 }));
}
