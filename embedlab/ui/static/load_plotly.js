// Comes before every script that draws. Gradio's own plots load another plotly under the same global
// name, so ours has one of its own.
function loadPlotly(path) {
  window.embedlabPlotly ??= new Promise((resolve, reject) => {
    const { root: home = ".", api_prefix: api = "/gradio_api" } = window.gradio_config ?? {};
    const base = new URL(home, document.baseURI).pathname.replace(/\/$/, "");
    const script = document.createElement("script");
    script.src = `${base}${api}/file=${path}`;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.js could not be loaded")));
    document.head.append(script);
  });
  return window.embedlabPlotly;
}

