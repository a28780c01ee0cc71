// Oracles: the chapter's own hand examples, the law that the backward pass is the transpose, central differences.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  convolution, distances, everyPair, gradient, largest, mapSize, relu, softmax, squash, states, subsampling,
} from "../../book/_assets/live/layers.js";

let seed = 1;
const random = (n) => Float64Array.from({ length: n }, () => ((seed = (seed * 16807) % 2147483647) / 2147483647) * 2 - 1);
const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
const near = (a, b, most = 1e-9) => a.forEach((value, k) => assert.ok(Math.abs(value - b[k]) < most, `${k}: ${value}, ${b[k]}`));

test("the window on the numbers 1 to 9 gives what the chapter gets by hand", () => {
  const lay = (options) => [...convolution([1, 0, 0, 1], [0], { pairs: [[0, 0]], size: 3, side: 2, ...options }).forward([1, 2, 3, 4, 5, 6, 7, 8, 9])];
  assert.deepEqual(lay({}), [6, 8, 12, 14]);
  assert.deepEqual(lay({ padding: 1 }), [1, 2, 3, 0, 4, 6, 8, 3, 7, 12, 14, 6, 0, 7, 8, 9]);
  assert.deepEqual(lay({ padding: 1, stride: 2 }), [1, 3, 7, 14]);
});

test("maps are added up over pairs, and each has its bias", () => {
  const x = [1, 2, 3, 4, 10, 20, 30, 40]; // two maps of 2 x 2
  const one = { size: 2, side: 1 };
  assert.deepEqual(everyPair(2, 3), [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
  assert.deepEqual([...convolution([2, 0.5], [0], { pairs: everyPair(1, 2), ...one }).forward(x)], [7, 14, 21, 28]);
  const table = convolution([1, 3], [100, 0], { pairs: [[0, 1], [1, 0]], ...one });
  assert.deepEqual([...table.forward(x)], [110, 120, 130, 140, 3, 6, 9, 12]);
});

test("sizes follow the formula of the chapter", () => {
  assert.equal(mapSize(28, 5), 24);
  assert.equal(mapSize(28, 3, 2, 1), 14);
  assert.equal(mapSize(128, 3, 3, 1), 43);
});

test("going back through a convolution is multiplying by its transpose", () => {
  for (const options of [{}, { stride: 2, padding: 1 }, { stride: 3, padding: 2 }]) {
    const layer = convolution(random(54), [0, 0], { pairs: everyPair(2, 3), size: 7, side: 3, ...options });
    const x = random(147), y = layer.forward(x), slope = random(y.length);
    near([dot(y, slope)], [dot(x, layer.backward(x, slope))]);
  }
});

test("every layer's way back agrees with central differences", () => {
  const layers = {
    relu, squash, subsampling: subsampling(random(2), random(2), { size: 4 }),
    distances: distances(random(320).map(Math.sign)),
  };
  for (const [name, layer] of Object.entries(layers)) {
    const x = random(32), slope = random(layer.forward(x).length), back = layer.backward(x, slope);
    const moved = (k, by) => dot(layer.forward(x.map((value, at) => value + (at === k ? by : 0))), slope);
    assert.equal(back.length, x.length, name);
    near(x.map((_, k) => (moved(k, 1e-5) - moved(k, -1e-5)) / 2e-5), back, 1e-6);
  }
});

test("squashing takes 1 to 1, and sub-sampling adds up squares of its own map", () => {
  near(squash.forward(Float64Array.of(1, -1, 0, 100)), [1, -1, 0, 1.7159], 1e-5);
  const layer = subsampling([1, 10], [0, 5], { size: 4 });
  assert.deepEqual([...layer.forward(Float64Array.from({ length: 32 }, (_, k) => k))], [10, 18, 42, 50, 745, 825, 1065, 1145]);
});

test("distances are squared and negative, and the nearest code is the largest", () => {
  const codes = Float64Array.from({ length: 20 }, (_, k) => k); // of ten classes, two units each
  const answers = distances(codes).forward(Float64Array.of(6, 8));
  assert.equal(answers[3], -1);
  assert.equal(answers[0], -(36 + 49));
  assert.equal(largest(answers), 3);
});

test("the gradient of a chain of layers agrees with central differences", () => {
  const layers = [convolution(random(18), random(2), { pairs: everyPair(2, 1), size: 6, side: 3, padding: 1 }), squash,
    subsampling(random(2), random(2), { size: 6 }), relu, distances(random(180))];
  const x = random(36), third = (logits) => logits.map((_, k) => Number(k === 3));
  const at = (k, by) => states(layers, x.map((value, i) => value + (i === k ? by : 0))).at(-1)[3];
  near(x.map((_, k) => (at(k, 1e-5) - at(k, -1e-5)) / 2e-5), gradient(layers, x, third), 1e-6);
});

test("softmax sums to one, keeps ratios, and does not overflow", () => {
  near(softmax([0, Math.log(2), Math.log(5)]), [1 / 8, 2 / 8, 5 / 8]);
  near(softmax([1000, 1000]), [0.5, 0.5]);
});
