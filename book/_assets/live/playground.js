// The Playground: points, a network that learns them, and what each unit sees. The arithmetic is in network.js, the pictures
// are in playground-drawing.js; here are the controls, the loop and the sentences.
import { ACTIVATIONS, DEFAULTS, FEATURES, Game, PROBLEMS, readSetting, writeSetting } from "./network.js";
import { SIDE, drawBend, drawPoints, drawSurface, middle } from "./playground-drawing.js";
import { button, calm, choice, colors, html, number, onTheme, row, sentence, svg } from "./kit.js";

const NAMES = { x1: "x₁", x2: "x₂", "x1^2": "x₁²", "x2^2": "x₂²", x1x2: "x₁x₂", "sin-x1": "sin x₁", "sin-x2": "sin x₂" };
const same = (list) => list.map((value) => [String(value), String(value)]);
const CHOICES = {
  problem: ["Points", same(PROBLEMS)],
  activation: ["Activation", Object.keys(ACTIVATIONS).map((name) => [name, name === "relu" ? "ReLU" : name])],
  rate: ["Learning rate", same([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10])],
  noise: ["Noise", same([0, 0.25, 0.5, 1, 1.5, 2])],
  share: ["For training", [0.1, 0.2, 0.3, 0.5, 0.7, 0.9].map((share) => [String(share), `${100 * share} %`])],
  batch: ["Batch", same([1, 5, 10, 20, 50, 100, 450])],
  l1: ["L1 penalty", same([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3])],
  l2: ["L2 penalty", same([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3])],
  seed: ["Seed", same([1, 2, 3, 4, 5, 6, 7, 8])],
};
const FIRST = ["problem", "activation", "rate"];
const GOES_ON = ["rate", "batch", "l1", "l2"]; // the network goes on from where it is; all else begins anew
const TILE = 36, PITCH = 42, LEFT = 56, HEAD = 34; // of the network's drawing, in pixels
const LARGE = 100, SMALL = 24; // cells across the surfaces
const percent = (share) => `${Math.round(100 * share)} %`;
const plural = (count, word, more = `${word}s`) => `${count} ${count === 1 ? word : more}`;

/** Wait for the sheet that no other page needs. */
function dressed() {
  if (document.querySelector("link[data-playground]")) return;
  const link = html("link", { rel: "stylesheet", href: new URL("playground.css", import.meta.url).href, "data-playground": true });
  const loaded = new Promise((resolve) => (link.onload = link.onerror = resolve));
  document.head.append(link);
  return loaded;
}

/** Fill `root`. On its own page the setting is that of the address and is written there; elsewhere `data.address` gives it,
    and what stands there is smaller: fewer controls, no curve, and a link to the page that has them. */
export async function mount(root, data) {
  await dressed();
  const own = !data?.address;
  let setting = readSetting(own ? location.hash : data.address), game = new Game(setting);
  const alone = (...elements) => (own ? elements : []); // what a small one leaves out
  let shown = "score", byHand = false;
  let grids, paint = colors(), running = 0, tiles = [], lines = [];

  // ---- what stands there -------------------------------------------------------------------------------------------------
  const says = sentence();
  const run = button("Run", () => (running ? stop() : start()));
  run.classList.add("pg-run");
  const moves = [
    button("One step", () => move(() => game.step())),
    button("One pass", () => move(() => game.pass())),
    button("100 passes", () => many(100)),
  ];
  const again = button("Start over", () => (stop(), game.again(), (byHand = false), draw(), tell()));
  const count = html("span", { class: "pg-count" });
  const bar = row(...(calm() ? [] : [run]), ...moves, again, count);

  const selects = {};
  const pick = (name) => {
    const [label, options] = CHOICES[name];
    const { element, select } = choice(label, options, (value) => change({ [name]: typeof DEFAULTS[name] === "number" ? Number(value) : value }));
    selects[name] = select;
    return element;
  };
  const tests = html("input", { type: "checkbox", change: () => draw() });
  const rest = Object.keys(CHOICES).filter((name) => !FIRST.includes(name));
  const summary = html("summary", {});
  const more = html("details", { class: "pg-more", open: innerWidth > 900 }, summary, row(...rest.map(pick)));
  const settings = html("div", { class: "pg-settings" }, row(...FIRST.map(pick)), ...alone(more));

  const surface = html("canvas", { role: "img", class: "pg-surface" });
  const points = html("canvas", { class: "pg-points", "aria-hidden": "true" });
  const view = choice("Shown", [], (value) => ((shown = value), draw()));
  const legend = html("p", { class: "pg-legend" });
  const curve = svg("svg", { viewBox: "0 0 280 120", role: "img", class: "pg-curve" });
  const cells = [0, 1].map(() => [html("td"), html("td")]);
  const numbers = html("table", { class: "pg-numbers" },
    html("thead", {}, html("tr", {}, html("td"), html("th", { scope: "col" }, "loss"), html("th", { scope: "col" }, "right side"))),
    html("tbody", {}, ...["training", "test"].map((name, k) => html("tr", {}, html("th", { scope: "row", class: `pg-${name}` }, name), ...cells[k]))));
  const out = html("div", { class: "pg-out" }, html("div", { class: "pg-plane" }, surface, points), view.element, legend,
    ...alone(html("label", { class: "pg-check" }, tests, "Show the test points (hollow)")), numbers, ...alone(curve));

  const fewer = button("−", () => layers(-1)), further = button("+", () => layers(1)), depth = html("span");
  fewer.setAttribute("aria-label", "One hidden layer fewer"), further.setAttribute("aria-label", "One more hidden layer");
  const stage = html("div", { class: "pg-stage" });
  const net = html("div", { class: "pg-net" }, html("div", { class: "pg-depth" }, fewer, depth, further),
    html("div", { class: "pg-scroll", tabindex: "0", role: "group", "aria-label": "The network" }, stage),
    html("p", { class: "pg-key" }, "Switch inputs on and off; press a unit to see its surface large. A line is a weight: the wider, the larger; ",
      html("b", { class: "pg-plus" }, "solid blue"), " is positive, ", html("b", { class: "pg-minus" }, "dashed vermilion"), " negative. A tile with a dotted frame is a dead unit."));

  const weights = html("div", { class: "pg-weights" });
  const table = html("details", { toggle: () => listWeights() }, html("summary", {}, "All weights as numbers, to read and to change"), weights);
  const code = html("pre", { tabindex: "0" });
  const python = html("details", {}, html("summary", {}, "The same in Python"), code);
  const link = own ? button("Copy a link to this setting", copy) : html("a", {}, "Open this in the Playground");
  const parts = html("div", { class: "pg-parts" }, net, out);
  const body = html("div", { class: `pg${own ? "" : " pg-small"}`, tabindex: "-1" }, settings, bar, says.element, parts, table,
    ...alone(python), row(link));
  root.append(body);

  const narrow = matchMedia("(max-width: 760px)"); // as in playground.css: one column, which begins with what comes out
  const arrange = () => parts.prepend(narrow.matches ? out : net);
  narrow.addEventListener("change", arrange);
  arrange();

  // ---- settings ----------------------------------------------------------------------------------------------------------
  function change(part, told = true) {
    stop();
    setting = { ...setting, ...part };
    if (Object.keys(part).every((name) => GOES_ON.includes(name))) (game.setting = setting), (byHand ||= game.steps > 0);
    else (game = new Game(setting)), (byHand = false);
    if (own && told) history.replaceState(history.state, "", `#${writeSetting(setting) || "problem=circle"}`);
    build();
    draw();
    tell();
  }
  function layers(by) {
    const { hidden } = setting;
    change({ hidden: by > 0 ? [...hidden, hidden.at(-1) ?? 4] : hidden.slice(0, -1) });
  }
  async function copy() {
    history.replaceState(history.state, "", `#${writeSetting(setting) || "problem=circle"}`);
    try {
      await navigator.clipboard.writeText(location.href);
      says.say("The link is on the clipboard.");
    } catch {
      says.say("This browser keeps its clipboard; the link is in the address bar.");
    }
  }

  // ---- the network's drawing ---------------------------------------------------------------------------------------------
  function tile(label, column, place, of, options) {
    const canvas = html("canvas", { width: SMALL, height: SMALL, "aria-hidden": "true" });
    const element = html("button", { type: "button", class: "pg-tile", "aria-label": label, ...options }, canvas);
    stage.append(element);
    return { element, canvas, column, place, of };
  }
  function build() {
    const { inputs, hidden } = setting, sizes = game.network.sizes, held = document.activeElement?.getAttribute("aria-label");
    for (const [name, select] of Object.entries(selects)) {
      const value = String(setting[name]);
      if (![...select.options].some((option) => option.value === value)) select.append(html("option", { value }, value));
      select.value = value;
    }
    const unusual = rest.filter((name) => setting[name] !== DEFAULTS[name]).map((name) => `${CHOICES[name][0]} ${selects[name].selectedOptions[0].textContent}`);
    summary.textContent = unusual.length ? `More settings: ${unusual.join(", ")}` : "More settings";
    depth.textContent = plural(hidden.length, "hidden layer");
    fewer.disabled = !hidden.length, further.disabled = hidden.length === 6;
    const grid = (cells) => Array.from({ length: cells * cells }, (_, at) => [middle(at % cells, cells), -middle(Math.floor(at / cells), cells)]);
    grids = { large: grid(LARGE).map((x) => game.features(...x)), small: grid(SMALL).map((x) => game.features(...x)), plane: grid(SMALL) };

    stage.replaceChildren(svg("svg", { "aria-hidden": "true" }));
    tiles = Object.keys(FEATURES).map((name, place) => {
      const on = inputs.includes(name), made = tile(`Input ${NAMES[name]}`, 0, place, 7, { "aria-pressed": String(on), click: () => toggle(name) });
      made.feature = name;
      stage.append((made.name = html("span", { class: `pg-name${on ? "" : " pg-off"}`, "aria-hidden": "true" }, NAMES[name])));
      return made;
    });
    hidden.forEach((units, k) => {
      const buttons = [["−", -1, "fewer", units === 1], ["+", 1, "more", units === 8]].map(([sign, by, word, off]) => {
        const element = button(sign, () => change({ hidden: hidden.map((count, at) => (at === k ? count + by : count)) }));
        element.setAttribute("aria-label", `Layer ${k + 1}: one unit ${word}`);
        element.disabled = off;
        return element;
      });
      const head = html("div", { class: "pg-head" }, ...buttons);
      head.column = k + 1;
      stage.append(head);
      for (let unit = 0; unit < units; unit++) {
        const key = `${k + 1}.${unit + 1}`;
        const made = tile(`Layer ${k + 1}, unit ${unit + 1}`, k + 1, unit, units, { click: () => show(key) });
        tiles.push(Object.assign(made, { key, layer: k + 1, unit }));
      }
    });
    tiles.push(Object.assign(tile("Score", hidden.length + 1, 0, 1, { click: () => show("score") }), { key: "score", layer: sizes.length - 1, unit: 0 }));

    const seen = [["score", "the score"], ...hidden.flatMap((units, k) => (units === 2 ? [[`bend-${k + 1}`, `the plane after layer ${k + 1}`]] : [])),
      ...tiles.filter((one) => one.key?.includes(".")).map(({ layer, unit, key }) => [key, `layer ${layer}, unit ${unit + 1}`])];
    view.select.replaceChildren(...seen.map(([value, words]) => html("option", { value }, words)));
    if (!seen.some(([value]) => value === shown)) shown = "score";
    view.select.value = shown;
    place();
    drawInputs();
    if (held) [...stage.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === held)?.focus(); // rebuilt under the reader's finger
    if (!own) link.href = `${document.documentElement.dataset.content_root ?? "./"}book/playground.html#${writeSetting(setting) || "problem=circle"}`;
    listWeights();
  }
  function toggle(name) {
    const on = Object.keys(FEATURES).filter((one) => setting.inputs.includes(one) !== (one === name));
    if (on.length) change({ inputs: on });
    else says.say("A network needs at least one input.");
  }
  function show(key) {
    shown = view.select.value = key;
    draw();
  }
  function place() {
    const columns = setting.hidden.length + 1, wide = stage.parentElement.clientWidth || 420;
    const step = Math.min(130, Math.max(52, (wide - LEFT - TILE - 12) / columns)), height = HEAD + 8 * PITCH;
    stage.style.width = `${LEFT + TILE + columns * step + 4}px`, stage.style.height = `${height}px`;
    const at = ({ column, place: row, of }) => [LEFT + column * step, HEAD + ((8 - of) * PITCH) / 2 + row * PITCH];
    for (const one of tiles) {
      const [x, y] = at(one);
      one.element.style.left = `${x}px`, one.element.style.top = `${y}px`;
      if (one.name) one.name.style.top = `${y}px`;
    }
    for (const head of stage.querySelectorAll(".pg-head")) head.style.left = `${LEFT + head.column * step + TILE / 2}px`;
    const inputs = setting.inputs.map((name) => tiles.find((one) => one.feature === name));
    const drawing = stage.querySelector("svg");
    lines = [];
    for (const to of tiles.filter((one) => one.layer)) {
      const before = to.layer === 1 ? inputs : tiles.filter((one) => one.layer === to.layer - 1);
      before.forEach((from, input) => {
        const [a, b] = at(from), [c, d] = at(to), half = TILE / 2, middle = (a + TILE + c) / 2;
        const line = svg("path", { d: `M${a + TILE} ${b + half}C${middle} ${b + half} ${middle} ${d + half} ${c} ${d + half}` });
        lines.push({ line, layer: to.layer - 1, index: to.unit * before.length + input });
      });
    }
    drawing.replaceChildren(...lines.map(({ line }) => line));
  }

  function drawInputs() {
    for (const { feature, canvas } of tiles.filter((one) => one.feature)) {
      const values = Float64Array.from(grids.plane, (x) => FEATURES[feature](...x));
      drawSurface(canvas, values, bound(values), paint);
    }
  }

  // ---- drawing what is known now -----------------------------------------------------------------------------------------
  const shade = (layer, value) => {
    if (layer === game.network.sizes.length - 1) return Math.tanh(value / 2); // from -1 to 1: twice the probability, less one
    return setting.activation === "sigmoid" ? 2 * value - 1 : value;
  };
  const bound = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const limited = (layer) => layer === game.network.sizes.length - 1 || ["tanh", "sigmoid"].includes(setting.activation);

  function draw() {
    const { network } = game, units = tiles.filter((one) => one.layer);
    const small = units.map(() => new Float64Array(SMALL * SMALL));
    grids.small.forEach((features, at) => {
      network.forward(features);
      units.forEach(({ layer, unit }, k) => (small[k][at] = shade(layer, network.states[layer][unit])));
    });
    const idle = dead();
    units.forEach((one, k) => {
      drawSurface(one.canvas, small[k], limited(one.layer) ? 1 : bound(small[k]), paint);
      one.element.setAttribute("aria-pressed", String(one.key === shown));
      one.element.classList.toggle("pg-dead", idle.has(one.key));
    });
    for (const { line, layer, index } of lines) {
      const weight = network.weights[layer][index];
      line.setAttribute("class", weight < 0 ? "pg-minus" : "pg-plus");
      line.setAttribute("stroke-width", weight ? (0.5 + 5 * Math.tanh(Math.abs(weight) / 2)).toFixed(2) : 0);
    }
    showLarge();
    const { loss, right } = game.judge();
    cells.forEach(([first, second], k) => ((first.textContent = loss[k].toFixed(3)), (second.textContent = percent(right[k]))));
    count.textContent = `${plural(game.passes, "pass", "passes")}, ${plural(game.steps, "step")}`;
    if (own) drawCurve();
    if (!running) listWeights();
    code.textContent = byHand ? "# You have changed something on the way: start over for a game that Python repeats."
      : `from dlbook.playground import Setting, play\n\nplayed = play(Setting.read("${writeSetting(setting)}"), ${game.passes})\nprint(played.loss[-1], played.right)`;
  }
  function showLarge() {
    const bend = shown.startsWith("bend") && Number(shown.slice(5));
    if (bend) {
      surface.width = surface.width; // empty
      const [[a, b], [c, d]] = drawBend(points, game, bend, tests.checked, paint).map((ends) => ends.map((end) => number(end, 1)));
      legend.textContent = `The grid of the plane where layer ${bend} puts it: its first unit to the right, ${a} to ${b}, its second upward, ${c} to ${d}.${bend === setting.hidden.length ? " On the line the score is zero." : ""}`;
      surface.setAttribute("aria-label", `The plane's grid and the points after hidden layer ${bend}`);
      return;
    }
    const { layer, unit } = tiles.find((one) => one.key === shown), { network } = game, values = new Float64Array(LARGE * LARGE);
    grids.large.forEach((features, at) => (network.forward(features), (values[at] = shade(layer, network.states[layer][unit]))));
    const limit = limited(layer) ? 1 : bound(values);
    drawSurface(surface, values, limit, paint);
    drawPoints(points, game, tests.checked, paint, shown === "score" ? { surface: values } : {});
    const scaled = setting.activation === "sigmoid" && shown !== "score" ? "from 0 (vermilion) to 1 (blue)" : `from −${limit.toPrecision(2)} (vermilion) to ${limit.toPrecision(2)} (blue)`;
    legend.textContent = shown === "score" ? "Blue: class +1, circles. Vermilion: class −1, squares. The line is where the score is zero. The plane reaches from −6 to 6." : `What this unit says, ${scaled}.`;
    surface.setAttribute("aria-label", `The plane with ${plural(game.training, "training point")}, colored by ${view.select.selectedOptions[0]?.textContent}`);
  }
  function drawCurve() {
    const top = 3, low = 0.003, last = Math.max(1, game.curve.length - 1), every = Math.ceil(last / 240);
    const y = (loss) => 8 + (92 * Math.log(top / Math.min(top, Math.max(low, loss || low)))) / Math.log(top / low);
    const x = (pass) => 30 + (240 * pass) / last;
    const kept = game.curve.map((judged, pass) => [judged.loss, pass]).filter(([, pass]) => pass % every === 0 || pass === last);
    const ticks = [1, 0.1, 0.01].map((tick) => [svg("path", { class: "pg-rule", d: `M30 ${y(tick)}H270` }), svg("text", { x: 26, y: y(tick) + 4, "text-anchor": "end" }, String(tick))]).flat();
    const traces = [1, 0].map((k) => svg("path", { class: k ? "pg-trace pg-test" : "pg-trace pg-training", d: `M${kept.map(([loss, pass]) => `${x(pass).toFixed(1)} ${y(loss[k]).toFixed(1)}`).join("L")}` }));
    curve.replaceChildren(...ticks, ...traces, svg("text", { x: 30, y: 116 }, "0"), svg("text", { x: 270, y: 116, "text-anchor": "end" }, plural(last, "pass", "passes")));
    curve.setAttribute("aria-label", `Loss after each pass: training ${game.curve[0].loss[0].toFixed(2)} at the start, ${game.curve.at(-1).loss[0].toFixed(3)} now; test ${game.curve.at(-1).loss[1].toFixed(3)} now`);
  }

  // ReLU units that are zero at every training point: no gradient reaches them any more
  function dead() {
    if (setting.activation !== "relu") return new Set();
    const alive = new Set(), units = tiles.filter((one) => one.key?.includes("."));
    for (const features of game.rows.slice(0, game.training)) {
      game.network.forward(features);
      for (const { key, layer, unit } of units) if (game.network.states[layer][unit] > 0) alive.add(key);
    }
    return new Set(units.map(({ key }) => key).filter((key) => !alive.has(key)));
  }

  // ---- sentences and numbers ---------------------------------------------------------------------------------------------
  function tell() {
    const { loss, right } = game.judge(), idle = dead().size, all = game.network.weights.flatMap((layer) => [...layer]);
    const off = all.filter((weight) => weight === 0).length;
    const when = game.steps ? `After ${game.passes ? plural(game.passes, "pass", "passes") : plural(game.steps, "step")}` : "Before training";
    if (!Number.isFinite(loss[0])) return says.say(`${when} the numbers have overflowed: the rate is far too large.`);
    says.say(`${when} the loss is ${loss[0].toFixed(3)} on the training points and ${loss[1].toFixed(3)} on the test points; ${percent(right[0])} and ${percent(right[1])} of them are on the right side.`
      + (idle ? ` ${plural(idle, "unit is", "units are")} dead.` : "") + (off ? ` ${off} of ${plural(all.length, "weight")} ${off === 1 ? "is" : "are"} exactly zero.` : ""));
  }
  function listWeights() {
    if (!table.open) return weights.replaceChildren();
    if (weights.contains(document.activeElement)) return;
    const from = (layer, input) => (layer ? `${layer}.${input + 1}` : NAMES[setting.inputs[input]]);
    weights.replaceChildren(...game.network.weights.map((weight, layer) => {
      const [inputs, units] = [game.network.sizes[layer], game.network.sizes[layer + 1]], last = layer === game.network.weights.length - 1;
      const field = (array, at, label) => html("td", {}, html("input", { type: "number", step: "0.1", "aria-label": label, value: array[at].toFixed(3),
        change: (event) => { array[at] = Number(event.target.value), byHand = true; stop(); game.curve[game.curve.length - 1] = game.judge(); draw(); tell(); } }));
      return html("table", {}, html("caption", {}, last ? "To the score" : `To layer ${layer + 1}`),
        html("thead", {}, html("tr", {}, html("td"), ...Array.from({ length: inputs }, (_, input) => html("th", { scope: "col" }, from(layer, input))), html("th", { scope: "col" }, "bias"))),
        html("tbody", {}, ...Array.from({ length: units }, (_, unit) => {
          const name = last ? "score" : `${layer + 1}.${unit + 1}`;
          return html("tr", {}, html("th", { scope: "row" }, name),
            ...Array.from({ length: inputs }, (_, input) => field(weight, unit * inputs + input, `Weight from ${from(layer, input)} to ${name}`)),
            field(game.network.biases[layer], unit, `Bias of ${name}`));
        })));
    }));
  }

  // ---- motion ------------------------------------------------------------------------------------------------------------
  const finite = () => Number.isFinite(game.curve.at(-1).loss[0]);
  function move(by) {
    stop();
    by();
    draw();
    tell();
  }
  function start() {
    run.textContent = "Pause";
    running = requestAnimationFrame(function frame() {
      if (!root.isConnected || !finite()) return stop();
      running = requestAnimationFrame(frame);
      game.pass();
      draw();
    });
  }
  function stop() {
    if (!running) return;
    cancelAnimationFrame(running);
    running = 0;
    run.textContent = "Run";
    draw();
    tell();
  }
  function many(passes) {
    stop();
    const end = game.passes + passes;
    run.textContent = "Pause";
    running = requestAnimationFrame(function frame() { // some at a time, so that the page answers
      for (const since = performance.now(); game.passes < end && finite() && performance.now() - since < 12; ) game.pass();
      if (game.passes >= end || !finite()) return stop();
      running = requestAnimationFrame(frame);
      if (!calm()) draw();
    });
  }

  onTheme(() => ((paint = colors()), drawInputs(), draw()));
  new ResizeObserver(() => (place(), draw())).observe(net);
  new IntersectionObserver(([seen]) => !seen.isIntersecting && stop()).observe(body);
  if (own)
    addEventListener("hashchange", () => {
      if (!location.hash.includes("=")) return; // a heading of the page
      change(readSetting(location.hash), false);
      body.scrollIntoView({ block: "start" });
      body.focus({ preventScroll: true });
    });
  build();
  draw();
  tell();
  return { draw, get game() { return game; }, get setting() { return setting; } };
}
