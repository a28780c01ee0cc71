// Gradient descent on the quadratic of the chapter, at a rate that the reader sets: the path, and what a step multiplies
// each of the two errors by.

import { button, html, movable, number, plane, row, runner, sentence, slider, svg } from "./kit.js";

const A = [[5, 2], [2, 2]];
const CURVATURES = [1, 6]; // its eigenvalues, and below the directions that belong to them
const DIRECTIONS = [[1, -2], [2, 1]].map((v) => v.map((c) => c / Math.sqrt(5)));
const START = [2, -1.5], SIDE = 3.4, LEVELS = [0.2, 1, 3, 7, 14, 25, 40, 60], LIMIT = 2 / 6;
const SHARES = [[0.1, "0.1 of the limit"], [6 / 7, "6/7, the best"], [0.97, "0.97"], [1.03, "1.03"]]; // as in the still

// A θ, the gradient of ½ θᵀ A θ for a symmetric A
const gradient = (matrix, theta) => matrix.map((line) => line.reduce((sum, a, j) => sum + a * theta[j], 0));
const value = (matrix, theta) => gradient(matrix, theta).reduce((sum, g, i) => sum + (g * theta[i]) / 2, 0);
const move = (matrix, theta, rate) => gradient(matrix, theta).map((g, i) => theta[i] - rate * g);

// every point of the path, the start first, and the function there
export function descend(matrix, start, rate, steps) {
  const path = [start];
  for (let t = 0; t < steps; t++) path.push(move(matrix, path[t], rate));
  return { path, values: path.map((theta) => value(matrix, theta)) };
}

// what one step multiplies the error along each direction by, 1 - ηλ
export const factors = (rate, curvatures = CURVATURES) => curvatures.map((curvature) => 1 - rate * curvature);

function verdict(rate) {
  const [flat, steep] = factors(rate);
  if (steep < -1 - 1e-9) return "The steep direction is overshot by more in every step: the path leaves the valley.";
  if (steep < -1 + 1e-9) return "At the limit the path jumps across the valley for ever, from one side to the other.";
  if (Math.abs(flat + steep) < 0.03) return "Near the best rate both errors shrink alike.";
  if (steep < 0) return Math.abs(steep) > flat ? "The steep direction is overshot, and the valley is crossed in each step." :
    "The valley is crossed, and the flat direction is the slower one.";
  return "No step goes too far, and the flat direction keeps everyone waiting.";
}

export function mount(root) {
  const room = plane({ x: [-SIDE, SIDE], y: [-SIDE, SIDE], label: "Contours of the quadratic, and the path of gradient descent" });
  const at = (angle, level) => [0, 1].map((k) => [Math.cos(angle), Math.sin(angle)]
    .reduce((sum, c, i) => sum + c * Math.sqrt((2 * level) / CURVATURES[i]) * DIRECTIONS[i][k], 0));
  const turn = Array.from({ length: 73 }, (_, n) => (n * Math.PI) / 36);
  const contours = LEVELS.map((level) => svg("path", { class: "contour", d: room.path(turn.map((angle) => at(angle, level))) }));
  const [u, v] = room.to([0, 0]);
  const star = Array.from({ length: 10 }, (_, n) => [(n % 2 ? 5 : 12) * Math.sin((n * Math.PI) / 5), (n % 2 ? 5 : 12) * Math.cos((n * Math.PI) / 5)]);
  const minimum = svg("polygon", { class: "start", points: star.map(([x, y]) => `${u + x},${v - y}`).join(" ") });
  const trace = svg("path", { class: "trace" }), dots = svg("g"), handle = svg("circle", { r: 10, class: "start" });
  room.element.setAttribute("role", "group"); // the start in it can be moved
  room.element.append(...contours, minimum, trace, dots, handle);

  const bars = factorBars();
  const told = sentence();
  let start = START, path;

  const rate = slider([html("span", {}, "Learning rate "), html("i", {}, "η")],
    { min: 0.01, max: 0.4, step: 0.001, value: SHARES[1][0] * LIMIT, show: (eta) => number(eta, 3), change: restart });
  const run = runner(() => step(false));
  const one = button("One step", () => (run.end(), step(true)));

  function restart() {
    run.end();
    path = [start];
    draw();
    told.say(verdict(rate.value));
  }

  const length = (theta) => Math.hypot(...theta);
  function step(alone) {
    const [before, now] = [path.at(-1), move(A, path.at(-1), rate.value)];
    path.push(now);
    draw();
    const n = path.length - 1, lost = length(now) > 100, done = length(now) < 1e-3 || n >= 300;
    if (alone || lost || done) {
      const how = value(A, now) < value(A, before) ? "lower than" : value(A, now) > value(A, before) ? "higher than" : "as high as";
      told.say(lost ? `After ${n} steps the path is ${number(length(now), 0)} away from the minimum, and every step takes it further.` :
        done ? `After ${n} steps the minimum is ${number(length(now), 3)} away.` :
        `Step ${n}: height ${number(value(A, now), 3)}, ${how} before. To the minimum it is ${number(length(now))}.`);
    }
    return !(lost || done);
  }

  function draw(eta = rate.value) {
    const growing = Math.abs(factors(eta)[1]) > 1 ? "negative" : "positive";
    trace.setAttribute("class", `trace ${growing}`);
    trace.setAttribute("d", room.path(path.slice(0, 200)));
    dots.replaceChildren(...path.slice(1, 60).map((theta) => {
      const [cx, cy] = room.to(theta);
      return svg("circle", { cx, cy, r: 4, class: growing });
    }));
    const [cx, cy] = room.to(start);
    handle.setAttribute("cx", cx), handle.setAttribute("cy", cy);
    handle.setAttribute("aria-label", `Start at ${number(start[0], 1)}, ${number(start[1], 1)}; arrow keys move it`);
    bars.show(factors(eta));
  }

  movable(handle, room, { at: () => start, move: (to) => {
    start = to.map((c) => Math.max(-SIDE + 0.2, Math.min(SIDE - 0.2, Math.round(c * 20) / 20)));
    restart();
  } });
  const twelve = ([share, words]) => button(words, () => {
    rate.value = share * LIMIT;
    restart();
    path = descend(A, start, share * LIMIT, 12).path;
    draw(share * LIMIT);
    told.say(`Twelve steps at ${words}: ${number(length(start))} away before, ${number(length(path.at(-1)))} after. ${verdict(share * LIMIT)}`);
  });
  root.append(html("div", { class: "live-split" }, room.element,
    html("div", {}, rate.element, row(one, run.element, button("Start over", restart)),
      row(html("span", {}, "Twelve steps at"), ...SHARES.map(twelve)), bars.element, told.element)));
  restart();
  path = descend(A, start, rate.value, 12).path; // what a step is like is seen before one is taken
  draw();
}

// the two factors as bars from 0, between marks at -1 and 1 beyond which an error grows
function factorBars() {
  const width = 320, x = (factor) => width / 2 + Math.max(-1.55, Math.min(1.55, factor)) * 100;
  const element = svg("svg", { viewBox: `0 0 ${width} 150`, role: "img" });
  element.append(svg("text", { x: 0, y: 20 }, "A step multiplies the error"),
    ...[-1, 0, 1].flatMap((mark) => [svg("path", { class: "axis", d: `M${x(mark)} 52v20M${x(mark)} 104v20` }),
      svg("text", { x: x(mark), y: 142, "text-anchor": "middle" }, number(mark, 0))]));
  const rows = CURVATURES.map((curvature, i) => {
    const bar = svg("rect", { height: 14, y: 55 + 52 * i }), words = svg("text", { x: 0, y: 45 + 52 * i });
    element.append(bar, words);
    return { bar, words, name: `in the ${["flat", "steep"][i]} direction, λ = ${curvature}, by` };
  });
  return {
    element,
    show(values) {
      values.forEach((factor, i) => {
        const { bar, words, name } = rows[i];
        bar.setAttribute("x", Math.min(x(0), x(factor)));
        bar.setAttribute("width", Math.abs(x(factor) - x(0)));
        bar.setAttribute("class", Math.abs(factor) > 1 ? "negative" : "positive");
        words.textContent = `${name} ${number(factor)}`;
      });
      element.setAttribute("aria-label", `A step multiplies the error ${rows.map(({ words }) => words.textContent).join(", ")}`);
    },
  };
}
