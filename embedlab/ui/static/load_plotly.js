// Stands before every drawing script. Gradio's own plots bring another plotly and put it in the
// same global place: keep ours apart.
function loadPlotly(path) {
  window.embedlabPlotly ??= new Promise((resolve, reject) => {
    const { root: home = ".", api_prefix: api = "/gradio_api" } = window.gradio_config ?? {};
    const base = new URL(home, document.baseURI).pathname.replace(/\/$/, "");
    const script = document.createElement("script");
    script.src = `${base}${api}/file=${path}`;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("plotly.js could not be loaded"));
    document.head.append(script);
  });
  return window.embedlabPlotly;
}

