// Points on a canvas, by WebGL or, where there is none, by the canvas's own drawing. Comes before
// linked_map.js, which owns two such layers. A layer keeps what it was given and draws it for a view,
// so moving the view, or marking points, sends nothing of the rest again.

const MARKS = { hidden: 0, dim: 1, plain: 2, bright: 3 };
const OPACITY = [0, 0.2, 0.9, 1];
// Up to this many bright points are drawn larger; more would hide one another, and take their time.
const FEW = 2000;
const SHAPES = ["circle", "diamond", "square", "cross"];

const VERTEX_SHADER = `
  attribute vec2 start, place;
  attribute vec4 colour;
  attribute float shape, mark;
  uniform vec2 centre, scale;
  uniform float mixed, size, turn, opacity;
  varying vec4 fill;
  varying float form, radius;
  void main() {
    bool now = abs(mark - turn) < 0.5;
    vec2 at = (mix(start, place, mixed) - centre) * scale;
    gl_Position = now ? vec4(at, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
    gl_PointSize = now ? size + 2.0 : 0.0;
    radius = size / 2.0 + 1.0;
    fill = vec4(colour.rgb, opacity);
    form = shape;
  }`;

// How far inside its edge a pixel lies, in pixels, for each shape; the edge fades over one pixel.
const FRAGMENT_SHADER = `
  precision mediump float;
  uniform vec4 outline;
  uniform float stroke;
  varying vec4 fill;
  varying float form, radius;
  void main() {
    vec2 at = abs(gl_PointCoord * 2.0 - 1.0) * radius;
    float edge = radius - 1.0;
    float inside = edge - length(at);
    if (form > 2.5) inside = edge * 0.36 - min(at.x, at.y);
    if (form > 2.5) inside = min(inside, edge - max(at.x, at.y));
    else if (form > 1.5) inside = edge * 0.86 - max(at.x, at.y);
    else if (form > 0.5) inside = (edge * 1.15 - at.x - at.y) * 0.7071;
    float cover = clamp(inside + 0.5, 0.0, 1.0);
    if (cover == 0.0) discard;
    float border = outline.a * clamp(stroke - inside + 0.5, 0.0, 1.0) * step(0.01, stroke);
    vec3 paint = mix(fill.rgb, outline.rgb, border);
    float alpha = cover * fill.a;
    gl_FragColor = vec4(paint * alpha, alpha);
  }`;

// What a layer draws: n places (x, y, x, y …), where they come from, colours (RGBA) and shapes, and
// a mark each; a change of one sends that one to the graphics card.
const emptyPoints = () => ({
  start: new Float32Array(0), place: new Float32Array(0),
  colour: new Uint8Array(0), shape: new Uint8Array(0), mark: new Uint8Array(0),
});

function pointLayer(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false, powerPreference: "low-power" });
  return gl ? webglLayer(canvas, gl) : plainLayer(canvas);
}

function compiled(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The map's shaders: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

// Numbers of each attribute for a point.
const WIDTHS = { start: 2, place: 2, colour: 4, shape: 1, mark: 1 };

function webglLayer(canvas, gl) {
  const data = emptyPoints();
  const stale = new Set();
  let large = true; // whether so few are bright that they are drawn larger
  let program = null;
  let buffers = {};
  const uniform = (name) => gl.getUniformLocation(program, name);

  function prepare() {
    program = compiled(gl);
    buffers = Object.fromEntries(Object.keys(WIDTHS).map((name) => [name, gl.createBuffer()]));
    Object.keys(WIDTHS).forEach((name) => stale.add(name));
  }

  function bind(name) {
    const at = gl.getAttribLocation(program, name);
    const floats = data[name] instanceof Float32Array;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
    if (stale.delete(name)) gl.bufferData(gl.ARRAY_BUFFER, data[name], gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, WIDTHS[name], floats ? gl.FLOAT : gl.UNSIGNED_BYTE, name === "colour", 0, 0);
  }

  function draw(view) {
    if (gl.isContextLost()) return;
    if (!program) prepare();
    const { width, height } = canvas;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!data.mark.length) return;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.useProgram(program);
    Object.keys(WIDTHS).forEach(bind);
    gl.uniform2f(uniform("centre"), view.x, view.y);
    gl.uniform2f(uniform("scale"), (2 * view.unit) / width, (2 * view.unit) / height);
    gl.uniform1f(uniform("mixed"), view.mixed);
    gl.uniform4fv(uniform("outline"), view.outline);
    gl.uniform1f(uniform("stroke"), view.stroke);
    for (const mark of [MARKS.dim, MARKS.plain, MARKS.bright]) {
      if (!data.mark.includes(mark)) continue;
      gl.uniform1f(uniform("turn"), mark);
      gl.uniform1f(uniform("opacity"), OPACITY[mark]);
      gl.uniform1f(uniform("size"), view.size * (large && mark === MARKS.bright ? 1.25 : 1));
      gl.drawArrays(gl.POINTS, 0, data.mark.length);
    }
  }

  canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  canvas.addEventListener("webglcontextrestored", () => (program = null));
  return {
    kind: "webgl",
    set(parts) {
      Object.assign(data, parts);
      Object.keys(parts).forEach((name) => stale.add(name));
      // Here and not in draw(), which runs in every frame.
      if (parts.mark) large = parts.mark.reduce((count, mark) => count + (mark === MARKS.bright), 0) <= FEW;
    },
    parts: () => data,
    draw,
    release: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  };
}

// --- without WebGL: a stamp for each look, drawn where its points are --------------------------

function outlinePath(pen, shape, r) {
  pen.beginPath();
  if (shape === 0) pen.arc(0, 0, r, 0, 2 * Math.PI);
  else if (shape === 1) [[0, -1], [1, 0], [0, 1], [-1, 0]].forEach(([x, y]) => pen.lineTo(1.15 * r * x, 1.15 * r * y));
  else if (shape === 2) pen.rect(-0.86 * r, -0.86 * r, 1.72 * r, 1.72 * r);
  else {
    pen.rect(-r, -0.36 * r, 2 * r, 0.72 * r);
    pen.rect(-0.36 * r, -r, 0.72 * r, 2 * r);
  }
  pen.closePath();
}

function stamped(colour, shape, view) {
  const canvas = document.createElement("canvas");
  const half = Math.ceil(view.size * 0.6) + 2;
  canvas.width = canvas.height = 2 * half;
  const pen = canvas.getContext("2d");
  pen.translate(half, half);
  outlinePath(pen, shape, view.size / 2);
  pen.fillStyle = `rgb(${colour.join(" ")})`;
  pen.fill();
  if (view.stroke) {
    pen.lineWidth = view.stroke;
    pen.strokeStyle = `rgb(${view.outline.slice(0, 3).map((part) => 255 * part).join(" ")} / ${view.outline[3]})`;
    pen.stroke();
  }
  return { canvas, half };
}

function plainLayer(canvas) {
  const data = emptyPoints();
  const pen = canvas.getContext("2d");
  const stamps = new Map();
  let look = "";

  function stamp(i, view) {
    const colour = data.colour.slice(4 * i, 4 * i + 3);
    const key = `${colour} ${data.shape[i]}`;
    if (!stamps.has(key)) stamps.set(key, stamped([...colour], data.shape[i], view));
    return stamps.get(key);
  }

  function draw(view) {
    const { width, height } = canvas;
    pen.clearRect(0, 0, width, height);
    const now = `${view.size} ${view.stroke} ${view.outline}`;
    if (now !== look) stamps.clear();
    look = now;
    for (const mark of [MARKS.dim, MARKS.plain, MARKS.bright]) {
      pen.globalAlpha = OPACITY[mark];
      data.mark.forEach((own, i) => {
        if (own !== mark) return;
        const [x, y] = [2 * i, 2 * i + 1].map((k) => data.start[k] + (data.place[k] - data.start[k]) * view.mixed);
        const [left, top] = [width / 2 + (x - view.x) * view.unit, height / 2 - (y - view.y) * view.unit];
        if (left < -20 || top < -20 || left > width + 20 || top > height + 20) return;
        const { canvas: picture, half } = stamp(i, view);
        pen.drawImage(picture, left - half, top - half);
      });
    }
  }
  return { kind: "canvas", set: (parts) => Object.assign(data, parts), parts: () => data, draw, release: () => {} };
}
