// Back-propagation in a network without biases, for one example and half the squared error: what dlbook.backprop computes
// with loss="squares", in the letters of the chapter. A network is {W: [W1, W2], x, t, kind}; the row k of a matrix has the
// weights to unit k. Gradients have the shape of the network, so that a path ["W", layer, to, from] finds a number in both.

const sigmoid = (u) => (u >= 0 ? 1 / (1 + Math.exp(-u)) : Math.exp(u) / (1 + Math.exp(u)));
// what comes after a sum, and its slope there
const AFTER = {
  relu: { value: (u) => Math.max(u, 0), slope: (u) => (u > 0 ? 1 : 0) },
  sigmoid: { value: sigmoid, slope: (u) => sigmoid(u) * sigmoid(-u) },
  none: { value: (u) => u, slope: () => 1 },
};
// after the sums of the hidden layers, and after those of the outputs
export const KINDS = { relu: ["relu", "none"], sigmoid: ["sigmoid", "none"], sigmoids: ["sigmoid", "sigmoid"] };
const STEP = 1e-4; // of the central difference

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const after = ({ W, kind }, layer) => AFTER[KINDS[kind][layer === W.length - 1 ? 1 : 0]];

// h_0 = x, and of each layer the sums that enter its units, the slopes there and the values
export function forward(network) {
  const values = [network.x], sums = [], slopes = [];
  network.W.forEach((weights, layer) => {
    const { value, slope } = after(network, layer);
    sums.push(weights.map((row) => dot(row, values[layer])));
    slopes.push(sums[layer].map(slope));
    values.push(sums[layer].map(value));
  });
  return { values, sums, slopes };
}

export function loss(network) {
  const outputs = forward(network).values.at(-1);
  return outputs.reduce((sum, y, k) => sum + (y - network.t[k]) ** 2, 0) / 2;
}

// of each layer what is passed on to its units, before the slope, and their deltas; the derivatives of the loss by all numbers
export function backward(network) {
  const { values, slopes } = forward(network), { W, t } = network, last = W.length - 1;
  const passed = [], deltas = [], column = (weights, j) => weights.map((row) => row[j]);
  for (let layer = last; layer >= 0; layer--) {
    passed[layer] = layer === last ? values.at(-1).map((y, k) => y - t[k])
      : values[layer + 1].map((_, j) => dot(deltas[layer + 1], column(W[layer + 1], j))); // from all that it feeds
    deltas[layer] = passed[layer].map((blame, j) => blame * slopes[layer][j]);
  }
  const by = {
    W: deltas.map((delta, layer) => delta.map((d) => values[layer].map((h) => d * h))),
    x: network.x.map((_, i) => dot(deltas[0], column(W[0], i))),
    t: passed[last].map((wrong) => -wrong),
  };
  return { passed, deltas, by };
}

export const at = (numbers, path) => path.reduce((part, key) => part[key], numbers);

export function changed(network, path, value) {
  const copy = structuredClone(network);
  at(copy, path.slice(0, -1))[path.at(-1)] = value;
  return copy;
}

// how much the loss changes when one number is moved a little up and down: it knows nothing of layers
export function difference(network, path) {
  const moved = (by) => loss(changed(network, path, at(network, path) + by));
  return (moved(STEP) - moved(-STEP)) / (2 * STEP);
}

// all weights, moved at once against their derivatives
export function descended(network, rate) {
  const { by } = backward(network);
  const W = network.W.map((weights, l) => weights.map((row, k) => row.map((w, j) => w - rate * by.W[l][k][j])));
  return { ...structuredClone(network), W };
}
