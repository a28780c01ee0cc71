// The small network of the chapter: values run forward and deltas backward, a unit at a time or all at once; every weight,
// input and target can be changed, and the derivative by the chosen one is compared with a difference.

import { at, backward, changed, descended, difference, forward, loss } from "./back_propagation.js";
import { button, choice, html, number, row, sentence, slider, svg } from "./kit.js";

export const EXAMPLE = { W: [[[1, 1], [3, -1], [1, -1]], [[1, -1, 2], [1, 2, 1]]], x: [1, 2], t: [3, 1], kind: "relu" };
const KINDS = [["relu", "ReLU"], ["sigmoid", "sigmoid"], ["sigmoids", "sigmoid everywhere"]];
const SUBSCRIPTS = "₁₂₃", LETTERS = ["x", "h", "y"], MOST = 9; // of weights, inputs and targets

// the ways of the signal and of the blame as steps: [layer, unit], layer 1 hidden, layer 2 outputs
const units = (layer, count) => Array.from({ length: count }, (_, k) => [layer, k]);
export const AHEAD = [...units(1, 3), ...units(2, 2)], BACK = [...units(2, 2), ...units(1, 3)];
const ALL = AHEAD.length + BACK.length;

const PATHS = [...EXAMPLE.x.map((_, i) => ["x", i]),
  ...EXAMPLE.W.flatMap((weights, l) => weights.flatMap((row, k) => row.map((_, j) => ["W", l, k, j]))),
  ...EXAMPLE.t.map((_, k) => ["t", k])];

// ---- in words ------------------------------------------------------------------------------------------------------------

// two decimals, or two digits of what is small: "−1.25", "3", "0.045", "5.7·10⁻⁵"
export function short(v) {
  const size = Math.abs(v);
  if (size < 1e-12) return "0";
  if (size >= 1000) return v.toFixed(0).replace("-", "−");
  if (size >= 0.1) return String(Number(v.toFixed(2))).replace("-", "−");
  if (size >= 1e-4) return String(Number(v.toPrecision(2))).replace("-", "−");
  const [digits, power] = v.toExponential(1).split("e-");
  return `${digits.replace("-", "−")}·10⁻${[...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
}
const factor = (v) => (v < 0 && short(v) !== "0" ? `(${short(v)})` : short(v));
// "= 18", "≈ 0.73"
const is = (v) => `${Math.abs(v - Number(v.toFixed(2))) < 1e-9 ? "=" : "≈"} ${short(v)}`;
const times = (a, b) => `${factor(a)}\u00a0·\u00a0${factor(b)}`; // on one line
const products = (a, b) => a.map((value, i) => times(value, b[i])).join(" + ");
const letter = (layer, k) => LETTERS[layer] + SUBSCRIPTS[k];
const called = (layer, k) => `${["Input", "Hidden unit", "Output"][layer]} ${k + 1}`;

export function name([kind, ...place]) {
  if (kind === "x") return `Input ${letter(0, place[0])}`;
  if (kind === "t") return `Target t${SUBSCRIPTS[place[0]]}`;
  const [layer, to, from] = place;
  return `Weight to ${letter(layer + 1, to)} from ${letter(layer, from)}`;
}

// the step of a unit on the way forward
export function ahead(network, layer, k) {
  const { values, sums } = forward(network), sum = sums[layer - 1][k], value = values[layer][k];
  const entered = `${called(layer, k)}, forward: in = ${products(network.W[layer - 1][k], values[layer - 1])} ${is(sum)}`;
  if (layer === 2 && network.kind !== "sigmoids") return `${entered}, and this is ${letter(2, k)}. It should be ${short(network.t[k])}.`;
  const squashed = `${letter(layer, k)} = ${network.kind === "relu" ? "ReLU" : "σ"}(${short(sum)}) ${is(value)}`;
  return `${entered}, so ${squashed}.${layer === 2 ? ` It should be ${short(network.t[k])}.` : ""}`;
}

// and on the way back
export function back(network, layer, k) {
  const { values, slopes } = forward(network), { passed, deltas } = backward(network);
  const slope = slopes[layer - 1][k], blame = passed[layer - 1][k], delta = deltas[layer - 1][k];
  const start = `${called(layer, k)}, backward: δ = `;
  if (layer === 2) {
    const wrong = `${short(values[2][k])} − ${factor(network.t[k])}`;
    if (network.kind !== "sigmoids") return `${start}${letter(2, k)} − t${SUBSCRIPTS[k]} = ${wrong} ${is(delta)}.`;
    return `${start}(${wrong}) · ${short(slope)} ${is(delta)}: what is wrong, times the slope of its sigmoid.`;
  }
  const sum = products(deltas[1], network.W[1].map((row) => row[k]));
  return `${start}(${sum}) · ${short(slope)} ${is(delta)}: the outputs pass on ${short(blame)}, ` +
    `and the slope of its ${network.kind === "relu" ? "ReLU" : "sigmoid"} is ${short(slope)}.`;
}

// the derivative by one number, as the product of what meets there
export function derivative(network, path) {
  const { values } = forward(network), { deltas, by } = backward(network), [kind, a, k, j] = path;
  const words = kind === "W" ? `δ · ${letter(a, j)} = ${times(deltas[a][k], values[a][j])}`
    : kind === "x" ? products(deltas[0], network.W[0].map((row) => row[a]))
      : `t${SUBSCRIPTS[a]} − ${letter(2, a)} = ${short(network.t[a])} − ${factor(values[2][a])}`;
  return { words, value: at(by, path) };
}

export const silent = (network) => network.kind === "relu"
  ? forward(network).slopes[0].flatMap((slope, j) => (slope === 0 ? [j] : [])) : [];

const listed = (numbers) => `hidden unit${numbers.length > 1 ? "s" : ""} ${numbers.map((j) => j + 1).join(" and ")}`;

// what is there to see when all is computed
export function summary(network) {
  const { values, slopes } = forward(network);
  const squares = values[2].map((y, k) => `(${short(y)} − ${factor(network.t[k])})²`).join(" + ");
  const quiet = silent(network), units = listed(quiet);
  const state = network.kind !== "relu" ? `The slopes of the hidden units: ${slopes[0].map(short).join(", ")}.`
    : quiet.length ? `Silent: ${units}. There the slope is 0, and no blame gets through.` : "Each hidden unit has slope 1.";
  return `Loss ½ (${squares}) ${is(loss(network))}. ${state}`;
}

export function stepped(before, after, rate) {
  const fallen = silent(after).filter((j) => !silent(before).includes(j));
  return `One step with rate ${short(rate)}: the loss was ${short(loss(before))} and is ${short(loss(after))}.` +
    (fallen.length ? ` ${listed(fallen).replace("h", "H")} fell silent: no further step moves the weights there.` : "");
}

// whether the two derivatives may differ: a sum stands at the kink of its ReLU
export const atKink = (network) => network.kind === "relu" && forward(network).sums[0].some((sum) => Math.abs(sum) < 1e-3);

// letters as formulas have them: "δ", "h₂"
const typeset = (words) => words.split(/(δ|\b[xhyt](?=[₁₂₃]))/).map((part, i) => (i % 2 ? html("i", {}, part) : part));

// ---- the drawing -----------------------------------------------------------------------------------------------------------

const WIDE = { size: [640, 330], radius: 26, weight: [[0.25, 0.25, 0.25], [0.75, 0.75, 0.75]],
  place: (layer, k) => [[60, 300, 500][layer], layer === 1 ? 58 + 107 * k : 111.5 + 107 * k],
  name: [0, -33, "middle"], delta: [0, 44, "middle"], target: [40, 5, "start"] };
const NARROW = { size: [360, 420], radius: 25, weight: [[0.3, 0.42, 0.3], [0.7, 0.58, 0.7]],
  place: (layer, k) => [layer === 1 ? 50 + 115 * k : 90 + 180 * k, [45, 200, 355][layer]],
  name: [30, -4, "start"], delta: [30, 16, "start"], target: [0, 48, "middle"] };

export function mount(root) {
  const phone = matchMedia("(max-width: 600px)");
  let network = EXAMPLE, shown = ALL, chosen = ["W", 0, 1, 1], parts = [], nodes = [];
  const told = sentence(), tell = (words) => told.element.textContent !== words && told.element.replaceChildren(...typeset(words));
  const drawn = html("div", { class: "live-network" });

  // ---- what is computed by now
  const step = () => (shown === ALL ? null : shown <= AHEAD.length ? AHEAD[shown - 1] : BACK[shown - AHEAD.length - 1]);
  const done = (way, from, [layer, k]) => way.findIndex(([l, unit]) => l === layer && unit === k) < shown - from;
  const hasValue = (layer, k) => layer === 0 || done(AHEAD, 0, [layer, k]);
  const hasDelta = (layer, k) => layer > 0 && done(BACK, AHEAD.length, [layer, k]);
  const known = ([kind, a, k]) => (kind === "x" ? shown === ALL : kind === "t" ? hasDelta(2, a) : hasDelta(a + 1, k));

  // ---- the network
  function lay() {
    const { size: [width, height], radius, place, ...where } = phone.matches ? NARROW : WIDE;
    const word = ([x, y], [right, down, anchor], kind) =>
      svg("text", { x: x + right, y: y + down, "text-anchor": anchor, class: kind, "aria-hidden": "true" });
    const part = (path, ...shapes) => {
      const element = svg("g", { role: "radio", class: "part", click: () => choose(path, true),
        keydown: (event) => move(event, path) }, ...shapes);
      return { path, element };
    };
    const middle = (text, { x, y }, wide) => {
      const grip = svg("rect", { class: "grip", x: x - wide / 2, y: y - 14, width: wide, height: 28, rx: 6 });
      text.setAttribute("x", x), text.setAttribute("y", y + 5);
      return [grip, text];
    };
    parts = PATHS.map((path) => {
      const [kind, a, k, j] = path, text = word([0, 0], [0, 0, "middle"], "number");
      if (kind === "x") {
        const [cx, cy] = place(0, a);
        text.setAttribute("x", cx), text.setAttribute("y", cy + 5);
        return { ...part(path, svg("circle", { cx, cy, r: radius }), text), text };
      }
      if (kind === "t") {
        const [x, y] = place(2, a), [right, down, anchor] = where.target;
        return { ...part(path, ...middle(text, { x: x + right + (anchor === "start" ? 40 : 0), y: y + down - 5 }, 84)), text };
      }
      const [from, to] = [place(a, j), place(a + 1, k)], share = where.weight[a][a ? j : k];
      const [x, y] = [0, 1].map((axis) => from[axis] + share * (to[axis] - from[axis]));
      const line = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
      const [blame, edge] = [svg("line", { ...line, class: "blame" }), svg("line", { ...line, class: "edge" })];
      return { ...part(path, svg("line", { ...line, class: "reach" }), blame, edge, ...middle(text, { x, y }, 46)), blame, edge, text };
    });
    nodes = [0, 1, 2].flatMap((layer) => Array.from({ length: layer === 1 ? 3 : 2 }, (_, k) => {
      const [cx, cy] = place(layer, k), title = word([cx, cy], where.name, "name");
      title.append(svg("tspan", { class: "letter" }, LETTERS[layer]), SUBSCRIPTS[k]);
      const circle = layer ? svg("circle", { cx, cy, r: radius, class: "unit" }) : "";
      const [value, delta] = [word([cx, cy], [0, 5, "middle"], "number"), word([cx, cy], where.delta, "delta")];
      return { layer, k, circle, value, delta, title };
    }));
    const group = svg("g", { role: "radiogroup" }, ...parts.map(({ element }) => element));
    const edges = parts.filter(({ edge }) => edge).map(({ element }) => element);
    group.prepend(...edges);
    const texts = nodes.flatMap(({ circle, value, delta, title }) => [circle, value, delta, title]);
    drawn.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}` }, group, svg("g", { class: "units" }, ...texts)));
    drawn.group = group;
    show();
  }

  function choose(path, focus) {
    chosen = path;
    show();
    if (focus) parts.find((part) => part.path === path).element.focus();
  }

  // arrow keys go from one number to the next, as in every group of which one is chosen
  function move(event, path) {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    choose(PATHS[(PATHS.indexOf(path) + way + PATHS.length) % PATHS.length], true);
  }

  // ---- the controls
  const change = slider(html("span"), { min: -MOST, max: MOST, step: 0.001, value: 0, show: short, change: (value) => set(value) });
  const input = change.element.querySelector("input"), label = change.element.querySelector("label");
  const output = change.element.querySelector("output");
  input.addEventListener("keydown", (event) => { // a tenth at a time
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    set(Math.max(-MOST, Math.min(MOST, Math.round(10 * (at(network, chosen) + way / 10)) / 10)));
  });
  const [product, quotient] = [html("td"), html("td")], words = html("span");
  const table = html("table", { class: "live-table live-derivative" }, html("caption", {}, "How fast the loss grows with it"),
    html("tbody", {}, html("tr", {}, html("th", { scope: "row" }, "by back-propagation: ", words), product),
      html("tr", {}, html("th", { scope: "row" }, "by moving it up and down by 0.0001"), quotient)));
  const rate = slider("Rate", { min: 0.01, max: 0.2, step: 0.01, value: 0.02, show: (value) => number(value), change: () => {} });
  const kind = choice("Activation", KINDS, (next) => update({ ...network, kind: next }));
  const go = (next) => {
    shown = next;
    show();
    tell(sayStep());
  };
  const steps = [
    button("Forward", () => go(shown < AHEAD.length ? shown + 1 : 1)),
    button("Backward", () => go(shown < AHEAD.length || shown === ALL ? AHEAD.length + 1 : shown + 1)),
    button("All", () => go(ALL)),
  ];
  const descend = button("One step down", () => {
    const [before, after] = [network, descended(network, rate.value)];
    if (!(loss(after) < 1e6)) return tell(`From here a step with rate ${short(rate.value)} leads to a loss of more than a million. Start again.`);
    network = after, shown = ALL;
    show();
    tell(stepped(before, after, rate.value));
  });
  const again = button("Start again", () => {
    shown = ALL, kind.select.value = EXAMPLE.kind;
    update(EXAMPLE);
  });

  function set(value) {
    update(changed(network, chosen, Math.abs(value) < 1e-9 ? 0 : value));
  }

  function update(next) {
    network = next;
    show();
    tell(sayStep() + (atKink(network) ? " A sum is at the kink of its ReLU: there is no derivative, only one to each side." : ""));
  }

  function sayStep() {
    const now = step();
    return !now ? summary(network) : shown <= AHEAD.length ? ahead(network, ...now) : back(network, ...now);
  }

  function show() {
    const { values, slopes } = forward(network), { deltas, by } = backward(network);
    const now = step(), forth = shown <= AHEAD.length;
    const used = ([kind, l, k, j]) => now && kind === "W" && (forth ? l + 1 === now[0] && k === now[1] : l === now[0] && j === now[1]);
    for (const { path, element, text, edge, blame } of parts) {
      const value = short(at(network, path)), checked = path.every((key, i) => key === chosen[i]);
      text.replaceChildren(...(path[0] === "t" ? [svg("tspan", { class: "letter" }, "t"), `${SUBSCRIPTS[path[1]]} = ${value}`] : [value]));
      element.setAttribute("aria-label", `${name(path)}: ${value}`);
      element.setAttribute("aria-checked", checked);
      element.setAttribute("tabindex", checked ? 0 : -1);
      if (!edge) continue;
      edge.classList.toggle("used", Boolean(used(path)));
      blame.setAttribute("stroke-width", known(path) ? Math.min(14, 1.7 * Math.sqrt(Math.abs(at(by, path)))).toFixed(2) : 0);
    }
    for (const { layer, k, circle, value, delta } of nodes) {
      if (!layer) continue;
      value.textContent = hasValue(layer, k) ? short(values[layer][k]) : "";
      delta.replaceChildren(...(hasDelta(layer, k) ? [svg("tspan", { class: "letter" }, "δ"), ` ${short(deltas[layer - 1][k])}`] : []));
      circle.classList.toggle("now", Boolean(now) && now[0] === layer && now[1] === k);
      circle.classList.toggle("flat", hasValue(layer, k) && slopes[layer - 1][k] < 0.01);
    }
    const list = (numbers, has) => numbers.map((v, k) => (has(k) ? short(v) : "not yet")).join(", ");
    drawn.group.setAttribute("aria-label", "The network, in which a number can be chosen. " + [1, 2].map((layer) =>
      `${layer === 1 ? "Hidden units" : "Outputs"} ${list(values[layer], (k) => hasValue(layer, k))}, ` +
      `deltas ${list(deltas[layer - 1], (k) => hasDelta(layer, k))}`).join("; "));
    label.replaceChildren(...typeset(name(chosen)));
    change.value = at(network, chosen);
    output.textContent = short(at(network, chosen)); // it may be beyond the slider's end
    const found = derivative(network, chosen), there = known(chosen);
    words.replaceChildren(...typeset(there ? found.words : "δ is not there yet"));
    product.textContent = there ? precise(found.value) : "–";
    quotient.textContent = precise(difference(network, chosen));
  }

  root.classList.add("live-blame");
  root.append(drawn, told.element, row(...steps, kind.element), row(change.element), table, row(rate.element, descend, again));
  phone.addEventListener("change", lay);
  lay();
  tell(summary(network));
}

// enough digits to compare two results
export const precise = (v) => (Math.abs(v) < 1e-9 ? "0" : Math.abs(v) < 1e-3 ? short(v) : number(v, 4));
