// The plane folded by the hidden layer of the chapter: every point moves on a straight path from where it is in the input to
// where the layer puts it.

import { html, plane, row, sentence, slider, svg } from "./kit.js";

const CLASSES = { positive: [[0, 1], [1, 0]], negative: [[0, 0], [1, 1]] };
const STRETCH = 1.6; // of the hidden plane, to fill the drawing

// the hidden layer: rectifiers of x1 - x2 - 1/2 and x2 - x1 - 1/2
export const hidden = ([a, b]) => [Math.max(0, a - b - 0.5), Math.max(0, b - a - 0.5)];
export const fold = (x, t) => hidden(x).map((h, i) => (1 - t) * x[i] + t * STRETCH * h);

// the line u + v = border between the classes, or null while there is none: sums of coordinates tell them apart
export function border(t) {
  const sums = (points) => points.map((x) => fold(x, t).reduce((a, b) => a + b));
  const low = Math.max(...sums(CLASSES.negative)), high = Math.min(...sums(CLASSES.positive));
  return low < high - 1e-12 ? (low + high) / 2 : null;
}

export function mount(root) {
  const view = { x: [-0.75, 1.75], y: [-0.75, 1.75] };
  const input = plane({ ...view, label: "The input plane: a vermilion strip along the diagonal holds both squares, a circle lies on either side of it" });
  const room = plane({ ...view, label: "The same grid on its way to the hidden layer, where a dashed line separates circles from squares" });
  const ticks = Array.from({ length: 11 }, (_, i) => -0.75 + 0.25 * i), fine = Array.from({ length: 51 }, (_, i) => -0.75 + 0.05 * i);
  const lines = ticks.flatMap((k) => [fine.map((s) => [s, k]), fine.map((s) => [k, s])]);
  const drawn = () => lines.map((line) => svg("path", { class: "axis faint", d: input.path(line) }));
  const points = [...CLASSES.positive.map((x) => [x, svg("circle", { class: "positive", r: 9 })]),
    ...CLASSES.negative.map((x) => [x, svg("rect", { class: "negative", width: 17, height: 17 })])];
  const grid = drawn(), dashes = svg("path", { class: "boundary", "stroke-dasharray": "7 5" });
  const strip = [[-2, -1.25], [3, 3.75], [3, 2.25], [-2, -2.75]]; // |x1 - x2| < 3/4
  const still = points.map(([x, shape]) => put(shape.cloneNode(), x));
  const title = (words) => svg("text", { x: 12, y: 24 }, words);
  input.element.append(svg("rect", { width: 400, height: 400, class: "half-positive" }),
    svg("polygon", { class: "half-negative", points: strip.map(input.to).join(" ") }), ...drawn(), ...still, title("input"));
  const where = title("");
  room.element.append(...grid, dashes, ...points.map(([, shape]) => shape), where);
  const told = sentence();
  const amount = slider("From input to hidden layer", { min: 0, max: 100, step: 1, value: 100, show: (percent) => `${percent} %`, change: draw });

  function put(shape, x) {
    const [u, v] = room.to(x), square = shape.localName === "rect";
    shape.setAttribute(square ? "x" : "cx", u - (square ? 8.5 : 0));
    shape.setAttribute(square ? "y" : "cy", v - (square ? 8.5 : 0));
    return shape;
  }

  function draw(percent) {
    const t = percent / 100, between = border(t);
    lines.forEach((line, i) => grid[i].setAttribute("d", room.path(line.map((x) => fold(x, t)))));
    for (const [x, shape] of points) put(shape, fold(x, t));
    dashes.setAttribute("d", between === null ? "" : room.path([[-0.4, between + 0.4], [between + 0.4, -0.4]]));
    where.textContent = t === 0 ? "input" : t === 1 ? "hidden layer" : "in between";
    told.say(t === 1 ? "One line separates circles from squares: both squares are at the origin." :
      between === null ? "No line separates circles from squares." : "A line separates circles from squares.");
  }
  root.append(html("div", { class: "live-split" }, input.element, room.element), row(amount.element), told.element);
  draw(100);
}
