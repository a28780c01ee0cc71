// The losses of the chapter over the margin m = ys: what an example of that margin costs, and how hard it pushes its score to
// the right side, -φ'(m).

import { html, movable, number, plane, row, sentence, slider, svg } from "./kit.js";

const LEFT = -3, RIGHT = 4;

// log(1 + exp u), without overflow
const softplus = (u) => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
const sigmoid = (u) => (u >= 0 ? 1 / (1 + Math.exp(-u)) : Math.exp(u) / (1 + Math.exp(u)));

// the log loss over log 2, as in the still: all but the perceptron's and the bounded one lie on or above the staircase
const LOSSES = {
  mistake: { value: (m) => (m > 0 ? 0 : 1), slope: () => 0 },
  hinge: { value: (m) => Math.max(0, 1 - m), slope: (m) => (m < 1 ? -1 : 0) },
  log: { value: (m) => softplus(-m) / Math.LN2, slope: (m) => -sigmoid(-m) / Math.LN2 },
  squared: { value: (m) => (1 - m) ** 2, slope: (m) => 2 * (m - 1) },
  bounded: { value: (m) => sigmoid(-m), slope: (m) => -sigmoid(m) * sigmoid(-m) },
  perceptron: { value: (m) => Math.max(0, -m), slope: (m) => (m < 0 ? -1 : 0) },
};
const NAMES = Object.keys(LOSSES);
export const values = (name, margins) => margins.map(LOSSES[name].value);
export const slopes = (name, margins) => margins.map(LOSSES[name].slope);

function describe(m) {
  if (m < -2) return "A loud mistake: hinge and log loss push as hard as before, the squared error ever harder, and the bounded loss gives the example up.";
  if (m < 0) return "A mistake. Every loss but the count of mistakes pushes the score to its side, the squared error hardest.";
  if (m === 0) return "On the boundary. The count calls it a mistake and does not say which way to go; the others do.";
  if (m < 1) return "Right, by less than 1. The perceptron is content; the hinge still pushes with its whole strength.";
  if (m === 1) return "Right, by exactly 1: hinge and squared error are zero, and the log loss still pushes a little.";
  return "Right, by more than 1. The hinge is silent, the log loss nearly so, and the squared error pushes a right answer back.";
}

// one panel: a curve for each loss, and marks on a line that moves
function panel(label, y, curve, stairs) {
  const room = plane({ x: [LEFT, RIGHT], y, width: 420, height: 270, label });
  const steps = Array.from({ length: 281 }, (_, n) => LEFT + n / 40), [low, high] = y, far = high - low;
  const within = ([, v]) => v > low - far && v < high + far;
  const line = svg("path", { class: "boundary faint" });
  const marks = NAMES.map((name) => svg("circle", { r: 6, class: `mark ${name}` }));
  room.element.append(
    svg("path", { class: "axis", d: room.path([[LEFT, 0], [RIGHT, 0]]) + room.path([[0, low], [0, high]]) }),
    ...NAMES.map((name) => svg("path", { class: `curve ${name}`, d: stairs[name]
      ? stairs[name].map((part) => room.path(part)).join("") : room.path(steps.map((m) => [m, curve(name, m)]).filter(within)) })),
    line, ...marks, svg("text", { x: 410, y: 22, "text-anchor": "end" }, label));
  return { ...room, show(m) {
    line.setAttribute("d", room.path([[m, low], [m, high]]));
    NAMES.forEach((name, i) => {
      const [cx, cy] = room.to([m, curve(name, m)]);
      marks[i].setAttribute("cx", cx), marks[i].setAttribute("cy", cy);
    });
  } };
}

export function mount(root) {
  const jump = (before, at, after) => [[[LEFT, before], [at, before]], [[at, after], [RIGHT, after]]];
  const loss = panel("loss", [-0.4, 5.2], (name, m) => LOSSES[name].value(m), { mistake: [[[LEFT, 1], [0, 1], [0, 0], [RIGHT, 0]]] });
  const push = panel("push", [-4.2, 4.2], (name, m) => -LOSSES[name].slope(m), { hinge: jump(1, 1, 0), perceptron: jump(1, 0, 0) });
  const handle = svg("circle", { r: 11, class: "start", cy: loss.to([0, -0.18])[1] });
  loss.element.setAttribute("role", "group"); // the margin in it can be moved
  loss.element.append(handle);

  const cells = NAMES.map((name) => {
    const [value, pushed] = [html("td"), html("td")];
    return { name, value, pushed, line: html("tr", {}, html("th", { scope: "row" }, html("span", { class: `key ${name}` }), name), value, pushed) };
  });
  const table = html("table", { class: "live-table" },
    html("thead", {}, html("tr", {}, ...["", "loss", "push"].map((word) => word ? html("th", { scope: "col" }, word) : html("td")))),
    html("tbody", {}, ...cells.map((cell) => cell.line)));
  const told = sentence();
  const margin = slider([html("span", {}, "Margin "), html("i", {}, "m")],
    { min: LEFT, max: RIGHT, step: 0.05, value: -1, show: (m) => number(m), change: draw });

  function draw(m) {
    loss.show(m), push.show(m);
    handle.setAttribute("cx", loss.to([m, 0])[0]);
    handle.setAttribute("aria-label", `Margin ${number(m)}; arrow keys move it`);
    for (const { name, value, pushed } of cells) {
      value.textContent = number(LOSSES[name].value(m));
      pushed.textContent = number(-LOSSES[name].slope(m));
    }
    told.say(describe(m));
  }
  movable(handle, loss, { at: () => [margin.value, 0], step: 0.05, move: ([m]) => {
    margin.value = Math.round(Math.max(LEFT, Math.min(RIGHT, m)) * 20) / 20;
    draw(margin.value);
  } });
  root.append(html("div", { class: "live-split" }, loss.element, push.element),
    html("div", { class: "live-split" }, html("div", {}, row(margin.element), told.element), table));
  draw(margin.value);
}
