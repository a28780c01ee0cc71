// The perceptron, one example at a time: its score, whether it is right, and what a mistake adds to the weights. The reader
// moves the examples, adds some and takes some away.

import { button, html, movable, number, plane, row, runner, sentence, svg } from "./kit.js";

const score = (weight, bias, x) => x.reduce((sum, value, i) => sum + weight[i] * value, bias);

// a score of zero is a mistake in training, for either class
export const isMistake = (weight, bias, x, y) => !(y * score(weight, bias, x) > 0);
export const correct = (weight, bias, x, y) => ({ weight: weight.map((w, i) => w + y * x[i]), bias: bias + y });

export function onePass(x, y, weight, bias) {
  const mistakes = [];
  x.forEach((row, i) => {
    if (!isMistake(weight, bias, row, y[i])) return;
    ({ weight, bias } = correct(weight, bias, row, y[i]));
    mistakes.push(i);
  });
  return { weight, bias, mistakes };
}

export function fit(x, y, maxEpochs = 1000) {
  let [weight, bias, mistakes] = [x[0].map(() => 0), 0, []];
  while (mistakes.length < maxEpochs && mistakes.at(-1) !== 0) {
    const pass = onePass(x, y, weight, bias);
    ({ weight, bias } = pass);
    mistakes.push(pass.mistakes.length);
  }
  return { weight, bias, mistakes, converged: mistakes.at(-1) === 0 };
}

// the boundary as two far points, and the corners of the positive side; nothing while the weights are zero
export function sides(weight, bias, far = 30) {
  const length = Math.hypot(...weight);
  if (length === 0) return { line: [], positive: [] };
  const normal = weight.map((w) => w / length), along = [-normal[1], normal[0]];
  const foot = normal.map((n) => (-bias / length) * n);
  const line = [-far, far].map((t) => foot.map((f, i) => f + t * along[i]));
  return { line, positive: [...line, ...[...line].reverse().map((p) => p.map((c, i) => c + far * normal[i]))] };
}

const mark = (y, size, attributes) => y > 0 ? svg("circle", { class: "positive", r: size, ...attributes }) :
  svg("rect", { class: "negative", width: 1.8 * size, height: 1.8 * size, rx: 2, ...attributes });
export function place(shape, [cx, cy]) {
  const half = Number(shape.getAttribute("width")) / 2;
  for (const [name, value] of shape.localName === "rect" ? [["x", cx - half], ["y", cy - half]] : [["cx", cx], ["cy", cy]])
    shape.setAttribute(name, value.toFixed(1));
}

const pair = (values) => `(${values.map((value) => number(value)).join(", ")})`;
const kind = (y) => (y > 0 ? "circle" : "square");

export function mount(root, { points, labels }) {
  const given = labels.values ?? labels, [left, right, bottom, top] = [-0.2, 2.4, 0.2, 2.6];
  let examples, weight, bias, at, corrections, inRow, tip;

  const room = plane({ x: [left, right], y: [bottom, top], label: "The examples, and the line between the two sides" });
  room.element.setAttribute("role", "group"); // the examples in it can be moved
  const half = svg("polygon", { class: "half-positive" }), boundary = svg("path", { class: "boundary" });
  const ring = svg("circle", { class: "look", r: 0 }), marks = svg("g");
  room.element.append(svg("rect", { width: 400, height: 400, class: "half-negative" }), half, boundary, ring, marks);

  const weights = plane({ x: [-1, 1], y: [-0.6, 0.6], height: 240, label: "The weights as an arrow" });
  const arrows = svg("g"), words = svg("text", { x: 12, y: 24 });
  weights.element.append(svg("path", { class: "axis", d: "M0 120H400M200 0V240" }), arrows, words);
  const told = sentence();

  function restart() {
    run.end();
    [weight, bias, at, corrections, inRow, tip] = [[0, 0], 0, 0, 0, 0, null];
    told.say("All weights are zero, and so is every score: the first example is a mistake whatever it is.");
    draw();
  }

  // looks at the next example, and says what happened if it is the only one
  function next(alone = true) {
    if (!examples.length) return false;
    const { x, y } = examples[at], before = score(weight, bias, x), wrong = isMistake(weight, bias, x, y);
    const old = weight, name = `Example ${at + 1}, a ${kind(y)}, has score ${number(before)}`;
    if (wrong) {
      ({ weight, bias } = correct(weight, bias, x, y));
      corrections++;
    }
    inRow = wrong ? 0 : inRow + 1;
    tip = { at, x, y, old: wrong ? old : null };
    at = (at + 1) % examples.length;
    const done = inRow >= examples.length;
    draw();
    if (done) told.say(`Every example is on its side: after ${corrections} corrections the machine has stopped, for good.`);
    else if (alone) told.say(wrong ?
      `${name}: a mistake. ${y > 0 ? "Added to" : "Taken from"} the weights, it makes them ${pair(weight)}, the bias ${number(bias, 0)}, and its score ${number(score(weight, bias, x))}.` :
      `${name}: right, so nothing changes.`);
    return { wrong, done };
  }

  const step = button("Next example", () => (run.end(), next()));
  const jump = button("Next mistake", () => {
    run.end();
    for (let n = 0; n < examples.length; n++) {
      const { wrong, done } = next(false) || { done: true };
      if (wrong) return explain();
      if (done) return;
    }
  });
  const explain = () => {
    const { at: which, x, y } = tip;
    told.say(`Correction ${corrections}: example ${which + 1}, a ${kind(y)}, was on the wrong side. The weights are now ${pair(weight)}, the bias ${number(bias, 0)}, and its score is ${number(score(weight, bias, x))}.`);
  };
  const run = runner(() => {
    const { done } = next(false) || { done: true };
    if (!done && corrections >= 2000) told.say(`After ${corrections} corrections there is no end in sight: perhaps no line separates these examples.`);
    return !done && corrections < 2000;
  }, { pause: 180, most: 1e6 });

  function arrow(from, to, name) {
    const [a, b] = [from, to].map(weights.to), length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (length < 1) return svg("g");
    const along = [(b[0] - a[0]) / length, (b[1] - a[1]) / length], head = Math.min(11, length);
    const corner = (side) => [0, 1].map((i) => b[i] - head * along[i] + side * 0.5 * head * [-along[1], along[0]][i]).join(",");
    return svg("g", { class: `arrow ${name}` }, svg("path", { d: `M${a}L${b}` }),
      svg("polygon", { points: `${b} ${corner(1)} ${corner(-1)}` }));
  }

  function draw() {
    const { line, positive } = sides(weight, bias);
    boundary.setAttribute("d", room.path(line));
    half.setAttribute("points", positive.map((p) => room.to(p).map(Math.round)).join(" "));
    examples.forEach(({ x, y, shape }, i) => {
      place(shape, room.to(x));
      shape.setAttribute("aria-label", `Example ${i + 1}, a ${kind(y)}, at ${pair(x)}; arrow keys move it, Delete takes it away`);
    });
    ring.setAttribute("r", tip ? 16 : 0);
    if (tip) place(ring, room.to(tip.x));
    const reach = Math.max(1, ...[weight, tip?.old ?? []].flat().map((c) => Math.abs(c))) * 2.2; // both arrows fit
    const scaled = (v) => v.map((c) => c / reach);
    const parts = [];
    if (tip?.old) parts.push(arrow([0, 0], scaled(tip.old), "old"), arrow(scaled(tip.old), scaled(weight), kind(tip.y)));
    arrows.replaceChildren(...parts, arrow([0, 0], scaled(weight), "now"));
    words.textContent = `w = ${pair(weight)}, b = ${number(bias, 0)}`;
  }

  function example(x, y) {
    const one = { x, y, shape: mark(y, 9) };
    movable(one.shape, room, { at: () => one.x, step: 0.05, move: (to) => {
      one.x = [Math.max(left + 0.05, Math.min(right - 0.05, to[0])), Math.max(bottom + 0.05, Math.min(top - 0.05, to[1]))];
      restart();
    } });
    one.shape.addEventListener("keydown", (event) => {
      if (event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      examples = examples.filter((other) => other !== one);
      (one.shape.nextElementSibling ?? one.shape.previousElementSibling ?? step).focus();
      one.shape.remove();
      restart();
    });
    examples.push(one);
    marks.append(one.shape);
    return one;
  }
  const add = (y) => () => {
    const { shape } = example([1.1, 1.4], y);
    restart();
    shape.focus();
  };

  function fresh() {
    marks.replaceChildren();
    examples = [];
    given.forEach((y, i) => example([...points.values.slice(2 * i, 2 * i + 2)], y));
    restart();
  }
  root.append(html("div", { class: "live-split" }, room.element, html("div", {},
    row(step, jump, run.element, button("Start over", restart)),
    row(button("Add a circle", add(1)), button("Add a square", add(-1)), button("The digits again", fresh)),
    told.element, weights.element)));
  fresh();
}
