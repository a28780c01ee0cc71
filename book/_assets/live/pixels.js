// Pictures of numbers: canvases with one pixel a number, which the style sheet makes large.

// the book's map of signed numbers (dlbook.plotting.DIVERGING): vermilion below zero, nearly white at zero, blue above
const STOPS = [[143, 63, 0], [213, 94, 0], [239, 171, 124], [245, 245, 243], [127, 180, 214], [0, 114, 178], [0, 81, 127]];
export function signed(t) {
  const at = 3 + 3 * Math.min(1, Math.max(-1, t)), low = Math.min(5, Math.floor(at));
  return STOPS[low].map((channel, k) => channel + (at - low) * (STOPS[low + 1][k] - channel));
}
export const light = (t) => Array(3).fill(255 * t); // 1 is white
export const ink = (t) => light(1 - t); // 1 is black

// `maps` of size x size numbers, one after the other, become tiles in rows of `columns`, a pixel apart
export function paint(canvas, maps, { width, height = width, columns = 1, color }) {
  const each = width * height, rows = Math.ceil(maps.length / each / columns);
  canvas.width = columns * (width + 1) - 1;
  canvas.height = rows * (height + 1) - 1;
  const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
  maps.forEach((value, at) => {
    const tile = Math.floor(at / each), row = Math.floor((at % each) / width), column = at % width;
    const x = (tile % columns) * (width + 1) + column, y = Math.floor(tile / columns) * (height + 1) + row;
    picture.data.set([...color(value), 255], 4 * (y * canvas.width + x));
  });
  context.putImageData(picture, 0, 0);
}
