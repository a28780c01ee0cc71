// Layers of small networks in plain numbers: forward as the package computes them, and backward to the pixels.
// Square maps lie one after the other in one array, row by row, as torch lays out one image. A layer has forward(x) and
// backward(x, slope): `slope` is the gradient by its output, and what comes back is the gradient by its input x.

export const everyPair = (outputs, inputs) =>
  Array.from({ length: outputs * inputs }, (_, k) => [Math.floor(k / inputs), k % inputs]);

export const mapSize = (size, side, stride = 1, padding = 0) => Math.floor((size + 2 * padding - side) / stride) + 1;

// `pairs` lists [output map, input map], one for each kernel in `weight`. Where the kernel covers the whole map this is a
// fully connected layer. `size` is the side of the input maps, `side` that of the kernels.
export function convolution(weight, bias, { pairs, size, side, stride = 1, padding = 0 }) {
  const out = mapSize(size, side, stride, padding);
  const inputs = 1 + Math.max(...pairs.map(([, from]) => from));

  // for each row of a window: its output, its first weight, the input under it, and how many lie inside the map
  function eachRow(use) {
    pairs.forEach(([to, from], kernel) => {
      for (let u = 0; u < out; u++)
        for (let v = 0; v < out; v++) {
          const left = stride * v - padding, first = Math.max(0, -left), count = Math.min(side, size - left) - first;
          for (let i = 0; i < side; i++) {
            const row = stride * u + i - padding;
            if (row < 0 || row >= size) continue;
            const output = (to * out + u) * out + v, input = (from * size + row) * size + left + first;
            use(output, (kernel * side + i) * side + first, input, count);
          }
        }
    });
  }

  return {
    forward(x) {
      const y = Float64Array.from({ length: bias.length * out * out }, (_, k) => bias[Math.floor(k / (out * out))]);
      eachRow((to, w, from, count) => {
        let sum = 0;
        for (let j = 0; j < count; j++) sum += weight[w + j] * x[from + j];
        y[to] += sum;
      });
      return y;
    },
    backward(x, slope) {
      const back = new Float64Array(inputs * size * size);
      eachRow((to, w, from, count) => {
        if (slope[to] === 0) return; // a unit that is off hands nothing back
        for (let j = 0; j < count; j++) back[from + j] += weight[w + j] * slope[to];
      });
      return back;
    },
  };
}

export const relu = {
  forward: (x) => x.map((a) => Math.max(a, 0)),
  backward: (x, slope) => slope.map((s, k) => (x[k] > 0 ? s : 0)),
};

// LeNet-5's squashing function and its sub-sampling, which adds up squares of 2 x 2, weighs the sum and adds a bias
const A = 1.7159, S = 2 / 3;
export const squash = {
  forward: (x) => x.map((a) => A * Math.tanh(S * a)),
  backward: (x, slope) => slope.map((s, k) => (s * A * S) / Math.cosh(S * x[k]) ** 2),
};
export function subsampling(coefficient, bias, { size }) {
  const half = size / 2;
  const square = (k) => {
    const map = Math.floor(k / (half * half)), u = Math.floor(k / half) % half, v = k % half;
    const corner = (map * size + 2 * u) * size + 2 * v;
    return [map, [corner, corner + 1, corner + size, corner + size + 1]];
  };
  const outputs = coefficient.length * half * half;
  return {
    forward: (x) =>
      Float64Array.from({ length: outputs }, (_, k) => {
        const [map, four] = square(k);
        return coefficient[map] * four.reduce((sum, at) => sum + x[at], 0) + bias[map];
      }),
    backward(x, slope) {
      const back = new Float64Array(4 * outputs);
      for (let k = 0; k < outputs; k++) {
        const [map, four] = square(k);
        for (const at of four) back[at] = coefficient[map] * slope[k];
      }
      return back;
    },
  };
}

// minus the squared distance of the states to the code of each class
export function distances(codes, classes = 10) {
  const units = codes.length / classes;
  const away = (x, k, unit) => x[unit] - codes[k * units + unit];
  return {
    forward(x) {
      const squared = (k) => x.reduce((sum, _, unit) => sum + away(x, k, unit) ** 2, 0);
      return Float64Array.from({ length: classes }, (_, k) => -squared(k));
    },
    backward: (x, slope) => x.map((_, unit) => slope.reduce((sum, s, k) => sum - 2 * s * away(x, k, unit), 0)),
  };
}

// the states of all layers, the input first and the logits last
export function states(layers, x) {
  const all = [Float64Array.from(x)];
  for (const layer of layers) all.push(layer.forward(all.at(-1)));
  return all;
}

export function gradient(layers, x, slopeOf) {
  const all = states(layers, x);
  return layers.reduceRight((slope, layer, k) => layer.backward(all[k], slope), slopeOf(all.at(-1)));
}

export function softmax(logits) {
  const top = Math.max(...logits);
  const powers = logits.map((z) => Math.exp(z - top));
  const total = powers.reduce((sum, p) => sum + p, 0);
  return powers.map((p) => p / total);
}

export const largest = (values) => values.indexOf(Math.max(...values));
