// Oracles: softmax regression, whose gradient is a difference of weights, and the walls at black and white.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ascent, signStep } from "../../book/_assets/live/fast_gradient_sign.js";
import { convolution, everyPair } from "../../book/_assets/live/layers.js";

const linear = [convolution([3, -1, 1, 1], [0, 0], { pairs: everyPair(2, 2), size: 1, side: 1 })]; // two pixels, two classes

test("the slope is the probability of the rival times the difference of the weights", () => {
  const x = Float64Array.of(0.5, 0.25); // scores 1.25 and 0.75
  const rival = 1 / (1 + Math.exp(0.5));
  const [first, second] = ascent(linear, x, 0, false);
  assert.ok(Math.abs(first - rival * (1 - 3)) < 1e-12 && Math.abs(second - rival * (1 + 1)) < 1e-12);
});

test("a target pulls where the answer of a digit pushes", () => {
  const x = Float64Array.of(0.5, 0.25);
  assert.deepEqual([...ascent(linear, x, 1, true)], [...ascent(linear, x, 1, false)].map((slope) => -slope));
});

test("pixels go by epsilon, stay where the slope is zero, and stop at black and white", () => {
  const moved = signStep(Float64Array.of(0.5, 0.5, 0.5, 0.95, 0.05), [4, -3, 0, 1, -1], 0.1);
  assert.deepEqual([...moved], [0.6, 0.4, 0.5, 1, 0]);
});
