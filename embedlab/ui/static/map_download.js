// The linked map's downloads as a picture and as data; follows linked_map.js in the same function.

// In pixels of the picture before it is doubled.
const PICTURE = { width: 700, height: 620, gap: 20, head: 44, line: 18, scale: 2, keys: 40 };

// One map as it is zoomed, at another size.
function drawMap(pen, side, left) {
  const { width, height, head, scale } = PICTURE;
  const canvas = Object.assign(document.createElement("canvas"), { width: width * scale, height: height * scale });
  const layer = pointLayer(canvas);
  layer.set(canvases[side].points.parts());
  const { x, y } = state.view[side];
  const unit = unitOf(side, [width, height]) * scale;
  layer.draw({ x, y, unit, mixed: state.move[side].mixed, ...pointLook(scale) });
  pen.save();
  pen.translate(left, head);
  pen.beginPath();
  pen.rect(0, 0, width, height);
  pen.clip();
  pen.drawImage(canvas, 0, 0, width, height);
  drawOver(pen, side, [width, height]);
  pen.restore();
  layer.release();
  pen.textAlign = "left";
  pen.textBaseline = "alphabetic";
  pen.font = `600 16px ${look.family}`;
  pen.fillStyle = look[`${side}Text`];
  pen.fillText(`${side.toUpperCase()}: ${state.points[side].title}`, left, head - 14, width);
}

// Words and marks below the maps, in lines: [[draw, width], …] broken where they do not fit.
function drawLegend(pen, top) {
  const { width, gap, line } = PICTURE;
  let [x, y] = [gap, top];
  const item = (name, fill, shape) => {
    const wide = pen.measureText(name).width + (fill ? 18 : 0) + 16;
    if (x + wide > 2 * width + 2 * gap && x > gap) [x, y] = [gap, y + line];
    if (fill) {
      pen.save();
      pen.translate(x + 6, y - 4);
      outlinePath(pen, SHAPES.indexOf(shape), 5);
      pen.fillStyle = fill;
      pen.fill();
      pen.restore();
    }
    pen.fillStyle = look.ink;
    pen.fillText(name, x + (fill ? 16 : 0), y);
    x += wide;
  };
  pen.font = `12px ${look.family}`;
  const { title, numbers, stops, low, high } = state.colouring;
  const listed = entries();
  if (listed.length || numbers) item(`${title}:`);
  if (numbers) {
    item(short(low));
    visible(stops).forEach((stop) => item("", stop, "square"));
    item(short(high));
  }
  listed.slice(0, PICTURE.keys).forEach(({ name, fill, shape }) => item(name, fill, shape));
  return y + line;
}

function bothMaps() {
  const { width, height, gap, head, line, scale } = PICTURE;
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const captions = state.points.caption.match(/.{1,150}(\s|$)/g) ?? [];
  // Measured first, because a change of its size empties a canvas.
  const top = head + height + 30;
  const end = drawLegend(pen, top) + line * captions.length + 8;
  canvas.width = (2 * width + 3 * gap) * scale;
  canvas.height = end * scale;
  pen.scale(scale, scale);
  pen.fillStyle = getComputedStyle(document.body).backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  SIDES.forEach((side, k) => drawMap(pen, side, gap + k * (width + gap)));
  const below = drawLegend(pen, top);
  pen.font = `11px ${look.family}`;
  captions.forEach((words, k) => pen.fillText(words, gap, below + 4 + k * line));
  return canvas;
}

// The data come from the server, which has the whole texts.
find("[data-get=csv]").addEventListener("click", () => state.points && tell("save", {}));
find("[data-get=png]").addEventListener("click", () => later(async () => {
  if (!state.points) return;
  const picture = bothMaps();
  SIDES.forEach((side) => redraw(side)); // the names were placed for the picture
  save("map.png", picture.toDataURL("image/png"));
}));
