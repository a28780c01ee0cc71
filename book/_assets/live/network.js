// A multilayer perceptron with one score, its logistic loss and its gradients: the arithmetic of dlbook.playground, which
// is that of dlbook.backprop.backpropagation. No document in here; tests/js compares it with the package.
import { defaultRng, shuffled } from "./random.js";

export const PROBLEMS = ["circle", "xor", "gauss", "spiral"];
export const FEATURES = {
  x1: (a) => a,
  x2: (a, b) => b,
  "x1^2": (a) => a * a,
  "x2^2": (a, b) => b * b,
  x1x2: (a, b) => a * b,
  "sin-x1": (a) => Math.sin(a),
  "sin-x2": (a, b) => Math.sin(b),
};
// the function, and its slope in terms of its value
export const ACTIVATIONS = {
  tanh: [Math.tanh, (h) => 1 - h * h],
  relu: [(u) => Math.max(u, 0), (h) => (h > 0 ? 1 : 0)],
  sigmoid: [(u) => 0.5 * Math.tanh(0.5 * u) + 0.5, (h) => h * (1 - h)],
  linear: [(u) => u, () => 1],
};
const POINTS = 500;
const POINTS_FROM = 0, WEIGHTS_FROM = 1, ORDER_FROM = 2; // streams of draws: another network sees the same points

const polar = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];
const gaussian = (u, v) => polar(Math.sqrt(-2 * Math.log(1 - u)), 2 * Math.PI * v); // Box and Muller (1958)

/** Draw points {x: [x1, x2], y: ±1} of one of the four sets: `dlbook.data.playground`. */
export function drawPoints(problem, n, noise, draw) {
  return Array.from({ length: n }, (_, i) => {
    const y = i % 2 ? -1 : 1;
    const [u, v, s, t] = [draw(), draw(), draw(), draw()];
    let x;
    if (problem === "circle") {
      const [inner, outer] = y > 0 ? [0, 2.5] : [3.5, 5];
      x = polar(Math.sqrt(inner ** 2 + (outer ** 2 - inner ** 2) * u), 2 * Math.PI * v);
    } else if (problem === "xor") {
      const side = Math.floor(i / 2) % 2 ? -1 : 1;
      x = [side * (0.3 + 4.7 * u), side * y * (0.3 + 4.7 * v)];
    } else if (problem === "gauss") {
      x = gaussian(u, v).map((part) => 2 * y + part);
    } else {
      const along = 0.04 + 0.96 * u;
      x = polar(5 * along, 1.75 * 2 * Math.PI * along + (y > 0 ? 0 : Math.PI));
    }
    const moved = gaussian(s, t);
    return { x: [x[0] + noise * moved[0], x[1] + noise * moved[1]], y };
  });
}

/** log(1 + exp(-margin)) without overflow. */
const logistic = (margin) => Math.max(-margin, 0) + Math.log1p(Math.exp(-Math.abs(margin)));

export class Network {
  /** Draw weights and then biases of each layer, uniform in ± 1/√inputs. */
  constructor(sizes, activation, draw) {
    this.sizes = sizes;
    [this.squash, this.slope] = ACTIVATIONS[activation];
    const bound = (layer) => 1 / Math.sqrt(sizes[layer]);
    const uniform = (layer, count) => Float64Array.from({ length: count }, () => (2 * draw() - 1) * bound(layer));
    this.weights = [], this.biases = [];
    for (let layer = 0; layer < sizes.length - 1; layer++) {
      this.weights.push(uniform(layer, sizes[layer + 1] * sizes[layer])); // a row for each unit
      this.biases.push(uniform(layer, sizes[layer + 1]));
    }
    const empty = (arrays) => arrays.map((array) => new Float64Array(array.length));
    this.byWeight = empty(this.weights), this.byBias = empty(this.biases), this.deltas = empty(this.biases);
    this.states = sizes.map((size) => new Float64Array(size)); // h_0 = features ... h_L = score, of the last example
  }

  /** Compute all states of an example from its features, and return the score; positive means class +1. */
  forward(features) {
    this.states[0].set(features);
    const last = this.weights.length - 1;
    for (let layer = 0; layer <= last; layer++) {
      const weight = this.weights[layer], bias = this.biases[layer];
      const before = this.states[layer], after = this.states[layer + 1], width = before.length;
      for (let unit = 0, at = 0; unit < after.length; unit++) {
        let sum = bias[unit];
        for (let input = 0; input < width; input++) sum += weight[at++] * before[input];
        after[unit] = layer === last ? sum : this.squash(sum);
      }
    }
    return this.states[last + 1][0];
  }

  /** Put the gradients of the mean loss over some examples into byWeight and byBias, and return that loss. */
  backward(rows, labels) {
    for (const gradient of [...this.byWeight, ...this.byBias]) gradient.fill(0);
    const last = this.weights.length - 1, share = 1 / rows.length;
    let loss = 0;
    rows.forEach((row, example) => {
      const margin = labels[example] * this.forward(row);
      loss += logistic(margin) * share;
      this.deltas[last][0] = -labels[example] * share * (0.5 - 0.5 * Math.tanh(margin / 2)); // the sigmoid of -margin
      for (let layer = last; layer >= 0; layer--) {
        const delta = this.deltas[layer], before = this.states[layer], weight = this.weights[layer];
        const byWeight = this.byWeight[layer], byBias = this.byBias[layer], width = before.length;
        for (let unit = 0, at = 0; unit < delta.length; unit++) {
          byBias[unit] += delta[unit];
          for (let input = 0; input < width; input++) byWeight[at++] += delta[unit] * before[input];
        }
        if (layer === 0) break;
        const earlier = this.deltas[layer - 1];
        for (let input = 0; input < width; input++) {
          let sum = 0; // each unit collects from all units that it feeds
          for (let unit = 0; unit < delta.length; unit++) sum += weight[unit * width + input] * delta[unit];
          earlier[input] = sum * this.slope(before[input]);
        }
      }
    });
    return loss;
  }

  /** Step down the gradients of `backward` and the L2 penalty; then the L1 penalty's soft threshold. */
  descend({ rate, l1, l2 }) {
    this.weights.forEach((weight, layer) => {
      for (let at = 0; at < weight.length; at++) {
        const moved = weight[at] - rate * (this.byWeight[layer][at] + l2 * weight[at]);
        weight[at] = l1 ? Math.sign(moved) * Math.max(Math.abs(moved) - rate * l1, 0) : moved;
      }
      for (let unit = 0; unit < this.biases[layer].length; unit++)
        this.biases[layer][unit] -= rate * this.byBias[layer][unit];
    });
  }
}

export const DEFAULTS = Object.freeze({
  problem: "circle", noise: 0, share: 0.5, inputs: ["x1", "x2"], hidden: [4, 2], activation: "tanh",
  rate: 0.03, batch: 10, l1: 0, l2: 0, seed: 1,
});
const within = (least, most) => (text) => (text.trim() !== "" && Number(text) >= least && Number(text) <= most ? Number(text) : undefined);
const whole = (least, most) => (text) => (Number.isInteger(Number(text)) ? within(least, most)(text) : undefined);
const oneOf = (known) => (text) => (known.includes(text) ? text : undefined);
const listOf = (read, most) => (text) => {
  const parts = text.split(",").filter(Boolean).map(read);
  return parts.length <= most && !parts.includes(undefined) ? parts : undefined;
};
const READERS = {
  problem: oneOf(PROBLEMS), noise: within(0, 5), share: within(0.1, 0.9), activation: oneOf(Object.keys(ACTIVATIONS)),
  inputs: (text) => { const names = listOf(oneOf(Object.keys(FEATURES)), 7)(text); return names?.length ? [...new Set(names)] : undefined; },
  hidden: listOf(whole(1, 8), 6), rate: within(0, 100), batch: whole(1, 450), l1: within(0, 10), l2: within(0, 10),
  seed: whole(0, 2 ** 32 - 1),
};

/** Read a setting from the part of an address after the #; what is not said, or not possible, has its default. */
export function readSetting(address) {
  const setting = { ...DEFAULTS };
  for (const [name, text] of new URLSearchParams(address.replace(/^#/, ""))) {
    const value = Object.hasOwn(READERS, name) ? READERS[name](text) : undefined;
    if (value !== undefined) setting[name] = value;
  }
  return setting;
}

/** Write what differs from the defaults, in the form that `readSetting` and `Setting.read` of dlbook.playground take. */
export function writeSetting(setting) {
  return Object.keys(DEFAULTS)
    .filter((name) => String(setting[name]) !== String(DEFAULTS[name]))
    .map((name) => `${name}=${setting[name]}`)
    .join("&");
}

/** A setting at work: its points, its network and the steps of training. */
export class Game {
  constructor(setting) {
    this.setting = setting;
    this.points = drawPoints(setting.problem, POINTS, setting.noise, defaultRng(setting.seed, POINTS_FROM));
    this.training = Math.round(setting.share * POINTS);
    this.rows = this.points.map(({ x }) => this.features(...x));
    this.labels = this.points.map(({ y }) => y);
    this.again();
  }

  /** The network forgets; points and settings stay. */
  again() {
    const { inputs, hidden, activation, seed } = this.setting;
    this.network = new Network([inputs.length, ...hidden, 1], activation, defaultRng(seed, WEIGHTS_FROM));
    this.draw = defaultRng(seed, ORDER_FROM);
    this.turn = [], this.steps = 0, this.passes = 0;
    this.curve = [this.judge()]; // after each pass
  }

  features(a, b) {
    return this.setting.inputs.map((name) => FEATURES[name](a, b));
  }

  /** One step on one batch; the last batch of a pass is what is left. */
  step() {
    if (!this.turn.length) this.turn = shuffled(this.training, this.draw);
    const few = this.turn.splice(0, this.setting.batch);
    this.network.backward(few.map((i) => this.rows[i]), few.map((i) => this.labels[i]));
    this.network.descend(this.setting);
    this.steps++;
    if (!this.turn.length) this.passes++, this.curve.push(this.judge());
  }

  /** Finish the pass over the training points. */
  pass() {
    do this.step();
    while (this.turn.length);
  }

  /** Mean loss and share on the right side, of the training and of the test points. */
  judge() {
    const sums = [[0, 0], [0, 0]];
    this.rows.forEach((row, i) => {
      const margin = this.labels[i] * this.network.forward(row), sum = sums[i < this.training ? 0 : 1];
      sum[0] += logistic(margin);
      sum[1] += margin > 0;
    });
    const counts = [this.training, this.rows.length - this.training];
    return { loss: sums.map((sum, k) => sum[0] / counts[k]), right: sums.map((sum, k) => sum[1] / counts[k]) };
  }
}
