// What the Playground draws on canvases: surfaces in the two colors of the classes, points, and the plane after a layer.

export const SIDE = 6; // the plane is shown from -6 to 6 both ways
const WORLD = [-SIDE, SIDE];

const channels = (color) => (color.length < 7 ? color.replace(/\w/g, "$&$&") : color).match(/\w\w/g).map((pair) => parseInt(pair, 16));

/** The middle of cell `place` of a row of `count` cells across the plane. */
export const middle = (place, count) => -SIDE + ((place + 0.5) * 2 * SIDE) / count;

/** Fill a canvas of count × count pixels with values: from -limit, the negative color, over paper to limit, the positive
    one. */
export function drawSurface(canvas, values, limit, paint) {
  const count = Math.sqrt(values.length);
  if (canvas.width !== count) canvas.width = canvas.height = count;
  const context = canvas.getContext("2d"), image = context.createImageData(count, count);
  const [paper, positive, negative] = [paint.paper, paint.positive, paint.negative].map(channels);
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    const share = 0.75 * Math.min(1, Math.abs(value) / limit), full = value > 0 ? positive : negative;
    for (let c = 0; c < 3; c++) image.data[4 * at + c] = paper[c] + share * (full[c] - paper[c]);
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Make a canvas sharp on this screen and return its context, in CSS pixels, with its side. */
function sharp(canvas) {
  const side = canvas.clientWidth || 280, ratio = Math.min(2, globalThis.devicePixelRatio || 1);
  canvas.width = canvas.height = Math.round(side * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, side];
}

/** Pieces [[x, y], [x, y]] of the line on which a surface is zero, in cells: between the middles of each four cells. */
export function zeroLine(values) {
  const count = Math.sqrt(values.length), pieces = [];
  for (let y = 0; y < count - 1; y++)
    for (let x = 0; x < count - 1; x++) {
      const first = y * count + x, up = values[first] > 0;
      if (values[first + 1] > 0 === up && values[first + count] > 0 === up && values[first + count + 1] > 0 === up) continue; // most cells
      const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]], at = corners.map(([i, j]) => values[j * count + i]);
      const crossed = [];
      for (let k = 0; k < 4; k++) {
        const [one, other] = [at[k], at[(k + 1) % 4]];
        if (one > 0 === other > 0) continue;
        const [a, b] = [corners[k], corners[(k + 1) % 4]], t = one / (one - other);
        crossed.push([a[0] + t * (b[0] - a[0]) + 0.5, a[1] + t * (b[1] - a[1]) + 0.5]);
      }
      for (let k = 0; k + 1 < crossed.length; k += 2) pieces.push([crossed[k], crossed[k + 1]]);
    }
  return pieces;
}

/** Circles of class +1 and squares of class -1; hollow for testing. */
function mark(context, [x, y], positive, hollow, paint) {
  const r = hollow ? 2.6 : 3.2;
  context.beginPath();
  if (positive) context.arc(x, y, r, 0, 2 * Math.PI);
  else context.rect(x - r + 0.3, y - r + 0.3, 2 * r - 0.6, 2 * r - 0.6);
  context.fillStyle = hollow ? paint.paper : positive ? paint.positive : paint.negative;
  context.strokeStyle = hollow ? (positive ? paint.positive : paint.negative) : paint.paper;
  context.lineWidth = hollow ? 1.4 : 0.9;
  context.fill();
  context.stroke();
}

/** Draw the line where a surface is zero, if one is given, and the points, each at place(x) of the square 0..1. */
export function drawPoints(canvas, game, withTests, paint, { surface = null, place = null } = {}) {
  const [context, side] = sharp(canvas);
  if (surface) {
    const scale = side / Math.sqrt(surface.length);
    context.beginPath();
    for (const [[a, b], [c, d]] of zeroLine(surface)) context.moveTo(a * scale, b * scale), context.lineTo(c * scale, d * scale);
    for (const [color, width] of [[paint.paper, 4], [paint.ink, 2]]) {
      context.strokeStyle = color, context.lineWidth = width, context.lineCap = "round";
      context.stroke();
    }
  }
  const at = place ?? (([a, b]) => [(a + SIDE) / (2 * SIDE), (SIDE - b) / (2 * SIDE)]);
  game.points.forEach(({ x, y }, i) => {
    const test = i >= game.training;
    if (!test || withTests) mark(context, at(x, i).map((part) => part * side), y > 0, test, paint);
  });
}

/** Draw the plane's grid and the points where a layer of two units puts them, and, where that layer is the last hidden
    one, the line on which the score is zero. */
export function drawBend(canvas, game, layer, withTests, paint) {
  const { network } = game, count = 25, fine = 121;
  const send = (a, b) => (network.forward(game.features(a, b)), [...network.states[layer]]);
  const lines = [];
  for (let k = 0; k < count; k++) {
    const tick = WORLD[0] + (k * 2 * SIDE) / (count - 1);
    const along = Array.from({ length: fine }, (_, i) => WORLD[0] + (i * 2 * SIDE) / (fine - 1));
    lines.push(along.map((s) => send(s, tick)), along.map((s) => send(tick, s)));
  }
  const all = lines.flat(), range = [0, 1].map((axis) => {
    let [least, most] = [Infinity, -Infinity];
    for (const state of all) least = Math.min(least, state[axis]), most = Math.max(most, state[axis]);
    return [least, Math.max(most - least, 1e-9)];
  });
  const place = (h) => [0.06 + (0.88 * (h[0] - range[0][0])) / range[0][1], 0.94 - (0.88 * (h[1] - range[1][0])) / range[1][1]];
  drawPoints(canvas, game, withTests, paint, { place: (x) => place(send(...x)) });
  const context = canvas.getContext("2d"), side = canvas.clientWidth || 280;
  const trace = (states) => {
    context.beginPath();
    states.forEach((state, i) => {
      const [x, y] = place(state);
      context[i ? "lineTo" : "moveTo"](x * side, y * side);
    });
    context.stroke();
  };
  context.globalCompositeOperation = "destination-over"; // the grid lies under the points
  if (layer === network.weights.length - 1) {
    const [[u, v], [b]] = [network.weights[layer], network.biases[layer]];
    const foot = [-u * b, -v * b].map((part) => part / (u * u + v * v || 1)), far = 100;
    context.strokeStyle = paint.ink, context.lineWidth = 2;
    trace([-far, far].map((t) => [foot[0] - t * v, foot[1] + t * u]));
  }
  context.strokeStyle = paint.muted, context.globalAlpha = 0.45, context.lineWidth = 0.8;
  lines.forEach(trace);
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
  return range.map(([least, width]) => [least, least + width]);
}
