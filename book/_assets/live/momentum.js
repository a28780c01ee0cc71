// A ball in the valley of the chapter, at a rate and a momentum that the reader sets: the path, the distance at each step
// beside r^k, and where the pair stands on the map of all pairs.

import { button, choice, html, movable, number, plane, row, sentence, slider, svg } from "./kit.js";
import { arrival, best, complex, radius, roll, roots, within } from "./rolling.js";

const VALLEY = [1, 25], START = [-10, 1], LEVELS = [0.95, 0.9, 0.8, 0.7]; // as in the still
const MOST = { rate: 0.16, keep: 0.98 }, LEAST = 0.002, SHOWN = 60, CHART = 200, TRIED = 2000;
const KEEPS = Array.from({ length: 197 }, (_, n) => n / 200);

// ---- what is said --------------------------------------------------------------------------------------------------------

const MANNERS = { creeps: "creeps (real roots)", swings: "swings (complex roots)", jumps: "jumps from wall to wall (real roots)" };

export function verdict(rule, rate, keep) {
  const [along, across] = VALLEY.map((curvature) => roots(rule, rate * curvature, keep));
  const { radius: r } = across, path = roll(rule, VALLEY, START, rate, keep, TRIED), steps = arrival(path);
  if (r > 1 + 1e-9) return `It diverges: across the valley every step multiplies the error by ${number(r, 3)} in the long run.`;
  const said = `Along the valley the ball ${MANNERS[along.manner]}, factor ${number(along.radius, 3)}; across, it ${MANNERS[across.manner]}, factor ${number(r, 3)}. `;
  const { rate: x, keep: y } = best(rule, VALLEY), gap = along.radius - r;
  const most = Math.max(along.radius, r) < radius(rule, VALLEY, x, y) + 5e-4 ? "No pair has a smaller r" :
    Math.abs(gap) < 5e-4 ? "Both are equally slow" : gap > 0 ? "The way along is the slower one" : "The way across is the slower one";
  return `${said}${most}: ${steps === null ? "more than 2,000" : steps} steps to a millionth of the distance.`;
}

// ---- what is drawn -------------------------------------------------------------------------------------------------------

export function mount(root) {
  const map = pairs(), room = valley(), chart = distances(), told = sentence();
  let rule = "ball", now;

  const turned = () => show(rate.value, keep.value);
  const name = (words, letter) => [html("span", {}, `${words} `), html("i", {}, letter)];
  const digits = (value) => number(value, 3);
  const rate = slider(name("Rate", "η"), { min: LEAST, max: MOST.rate, step: 0.001, value: 0, show: digits, change: turned });
  const keep = slider(name("Momentum", "α"), { min: 0, max: MOST.keep, step: 0.004, value: 0, show: digits, change: turned });
  const rules = choice("Rule", [["ball", "heavy ball"], ["ahead", "Nesterov"]], (next) => {
    rule = next;
    map.draw(rule);
    show(...now);
  });

  // sliders have steps, a pair does not: the best one lies between them
  function show(x, y) {
    now = [x, y];
    [rate.value, keep.value] = now;
    const path = roll(rule, VALLEY, START, x, y, CHART), r = radius(rule, VALLEY, x, y);
    const kind = r > 1 + 1e-9 ? "negative" : "positive";
    map.show(now), room.show(path, kind), chart.show(path, r, kind);
    told.say(verdict(rule, x, y));
  }

  map.moved((x, y) => show(Math.max(LEAST, Math.min(MOST.rate, x)), Math.max(0, Math.min(MOST.keep, y))), () => now);
  root.append(
    html("div", { class: "live-split" }, map.element, html("div", { class: "live-stack" }, room.element, chart.element)),
    html("div", { class: "live-controls" }, rate.element, keep.element),
    row(rules.element, button("Best without momentum", () => show(2 / 26, 0)), button("Best pair", () => {
      const { rate: x, keep: y } = best(rule, VALLEY);
      show(x, y);
    })), told.element);
  map.draw(rule);
  show(2 / 26, 0);
}

const text = (x, y, words, more = {}) => svg("text", { x, y, ...more }, words);
const line = (d, name = "axis") => svg("path", { class: name, d });

// the plane of rates and momenta, in hundredths and tenths, so that an arrow key moves both by a step that is seen
function pairs() {
  const field = plane({ x: [-1.5, 17], y: [-1.3, 10.2], width: 400, height: 330, label: "Map of rates and momenta" });
  const to = (rate, keep) => field.to([100 * rate, 10 * keep]);
  const outline = (points) => field.path(points.map(([rate, keep]) => [100 * Math.min(MOST.rate, Math.max(0, rate)), 10 * keep]));
  const regions = svg("g"), star = svg("polygon", { class: "start" });
  const handle = svg("g", {}, svg("circle", { r: 24, fill: "none", "pointer-events": "all" }), svg("circle", { r: 11, class: "ring" }), svg("circle", { r: 3, class: "start" }));
  const [left, top] = to(0, 1), [right, bottom] = to(MOST.rate, 0);
  field.element.setAttribute("role", "group");
  field.element.append(regions, line(`M${left} ${top}V${bottom}H${right}`), star,
    ...[0, 0.04, 0.08, 0.12, 0.16].map((rate) => text(to(rate, 0)[0], bottom + 20, String(rate), { "text-anchor": "middle" })),
    ...[0, 0.5, 1].map((keep) => text(left - 6, to(0, keep)[1] + 6, String(keep), { "text-anchor": "end" })),
    text(to(0.02, 0)[0], bottom + 20, "η", { class: "letter", "text-anchor": "middle" }),
    text(left - 6, to(0, 0.75)[1] + 6, "α", { class: "letter", "text-anchor": "end" }), handle);

  // from where the left border meets the right one upward; borders are steps, divided by the curvature that sets them
  function area(borders) {
    const slices = KEEPS.map((keep) => [keep, ...borders(keep).map((step, i) => step / VALLEY[i])]).filter(([, low, high]) => low <= high);
    return [...slices.map(([keep, low]) => [low, keep]), ...slices.reverse().map(([keep, , high]) => [high, keep])];
  }
  const shape = (name, points) => svg("path", { class: name, d: `${outline(points)}Z` });

  return {
    element: field.element,
    draw(rule) {
      const edge = KEEPS.map((keep) => [within(rule, keep, 1)[1] / VALLEY[1], keep]);
      const levels = LEVELS.map((r) => ({ r, points: area((keep) => within(rule, keep, r)) })).filter(({ points }) => points.length);
      const name = ({ r, points }) => { // right below the upper right corner
        const [x, y] = to(...points[points.length / 2]);
        return text(x - 12, y + 14, number(r, 2).replace(/0$/, ""), { class: "small", "text-anchor": "end" });
      };
      const words = (rate, keep, said) => text(...to(rate, keep), said, { class: "over", "text-anchor": "middle" });
      regions.replaceChildren(shape("lost", [[0, 0], [0, KEEPS.at(-1)], [MOST.rate, KEEPS.at(-1)], [MOST.rate, 0]]),
        shape("kept", area((keep) => [0, within(rule, keep, 1)[1]])), line(outline(edge), "edge"),
        ...levels.map(({ points }) => shape("level", points)), shape("both", area((keep) => complex(rule, keep))), ...levels.filter(({ r }) => r > 0.75).map(name),
        ...(rule === "ball" ? [words(0.09, 0.76, "swings"), words(0.03, 0.3, "creeps"), words(0.135, 0.2, "diverges")] :
          [words(0.025, 0.8, "swings"), words(0.02, 0.3, "creeps"), words(0.115, 0.4, "diverges"), words(0.06, 0.12, "jumps")]));
      const { rate, keep } = best(rule, VALLEY), [x, y] = to(rate, keep);
      star.setAttribute("points", Array.from({ length: 10 }, (_, n) => [(n % 2 ? 4 : 10) * Math.sin((n * Math.PI) / 5), (n % 2 ? 4 : 10) * Math.cos((n * Math.PI) / 5)])
        .map(([u, v]) => `${x + u},${y - v}`).join(" "));
    },
    show([rate, keep]) {
      handle.setAttribute("transform", `translate(${to(rate, keep)})`);
      handle.setAttribute("aria-label", `Rate ${number(rate, 3)}, momentum ${number(keep, 3)}; arrow keys move the pair`);
    },
    moved(change, at) {
      const to = ([x, y]) => change(x / 100, y / 10);
      movable(handle, field, { at: () => [100 * at()[0], 10 * at()[1]], move: to });
      field.element.addEventListener("click", (event) => { // beside the handle: it comes
        const box = field.element.getBoundingClientRect();
        to(field.from([(400 * (event.clientX - box.left)) / box.width, (330 * (event.clientY - box.top)) / box.height]));
      });
    },
  };
}

// the valley from above, and the first steps
function valley() {
  const field = plane({ x: [-11, 9], y: [-4, 4], width: 400, height: 170, label: "The valley from above, and the path of the ball" });
  const [u, v] = field.to([0, 0]), scale = [400 / 20, 170 / 8];
  const trace = svg("path"), dots = svg("g"), [cx, cy] = field.to(START);
  field.element.append(...[2, 8, 20, 45, 80].map((level) => svg("ellipse", { class: "contour", fill: "none", cx: u, cy: v,
    ...Object.fromEntries(VALLEY.map((curvature, i) => ["rx ry".split(" ")[i], scale[i] * Math.sqrt((2 * level) / curvature)])) })),
    trace, dots, svg("circle", { class: "start", r: 6, cx, cy }), svg("path", { class: "look", d: `M${u - 7} ${v}h14M${u} ${v - 7}v14` }));
  return {
    element: field.element,
    show(path, kind) {
      const seen = path.slice(0, SHOWN + 1).filter((theta) => Math.hypot(...theta) < 1e4);
      trace.setAttribute("class", `trace ${kind}`);
      trace.setAttribute("d", field.path(seen));
      dots.replaceChildren(...seen.slice(1).map((theta) => {
        const [x, y] = field.to(theta);
        return svg("circle", { class: kind, r: 3.5, cx: x, cy: y });
      }));
    },
  };
}

// the distance, as a share of the start's, on a logarithmic scale, and r^k
function distances() {
  const [floor, roof] = [-7, 1.5];
  const field = plane({ x: [-30, CHART + 14], y: [floor - 1.9, roof + 1.4], width: 400, height: 195, label: "" });
  const spot = (k, power) => field.to([k, power]).map((c) => c.toFixed(1));
  const trace = svg("path"), theory = svg("path", { class: "theory" }), mark = svg("g");
  field.element.append(text(...spot(-28, roof + 0.25), "distance, and dotted rᵏ"),
    ...[[0, "1"], [-3, "10⁻³"], [-6, "10⁻⁶"]].flatMap(([power, words]) => [line(`M${spot(0, power)}L${spot(CHART, power)}`),
      text(...spot(-3, power - 0.3), words, { "text-anchor": "end" })]),
    ...[0, 100, 200].map((k) => text(...spot(k, floor - 1.4), k ? String(k) : "step 0", { "text-anchor": "middle" })), theory, trace, mark);
  // a curve ends where it leaves the picture
  const inside = (powers) => {
    const end = powers.findIndex((power) => !(power > floor && power < roof));
    return field.path(powers.slice(0, end < 0 ? undefined : Math.max(end, 1)).map((power, k) => [k, power]));
  };
  return {
    element: field.element,
    show(path, r, kind) {
      const far = path.map((theta) => Math.log10(Math.hypot(...theta) / Math.hypot(...START))), steps = arrival(path);
      trace.setAttribute("class", `trace ${kind}`);
      trace.setAttribute("d", inside(far));
      theory.setAttribute("d", inside(far.map((_, k) => k * Math.log10(r))));
      mark.replaceChildren(...(steps === null ? [] : [svg("circle", { class: "start", r: 5, ...Object.fromEntries(spot(steps, -6).map((c, i) => ["cx cy".split(" ")[i], c])) }),
        text(...spot(steps + 4, -5.6), String(steps), { class: "over" })]));
      const end = steps === null ? `after ${CHART} steps it is ${far.at(-1) > 3 ? "beyond all bounds" : `10 to the power of ${number(far.at(-1), 1)}`}` : `a millionth after ${steps} steps`;
      field.element.setAttribute("aria-label", `Distance to the minimum, as a share of the start's: ${end}. A step multiplies by ${number(r, 3)} in the long run`);
    },
  };
}
