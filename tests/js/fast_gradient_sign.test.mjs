// Oracles: softmax regression, whose gradient is a difference of weights, and the walls at black and white.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ascent, attack } from "../../book/_assets/live/fast_gradient_sign.js";
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

test("pixels go by epsilon along the sign of their slope, and stop at black and white", () => {
  const near = (a, b) => a.forEach((value, k) => assert.ok(Math.abs(value - b[k]) < 1e-12, `${k}: ${value}, ${b[k]}`));
  const step = (x, options) => attack(linear, Float64Array.from(x), 0, { epsilon: 0.1, ...options });
  near(step([0.5, 0.5]), [0.4, 0.6]);
  near(step([0.5, 0.5], { targeted: true }), [0.6, 0.4]);
  near(step([0.05, 0.95]), [0, 1]);
  near(step([0.5, 0.5], { steps: 10 }), [0.4, 0.6]); // a straight model: many steps end where one did
  near(step([0.5, 0.5], { epsilon: 0 }), [0.5, 0.5]);
});

test("where the slope is zero a pixel stays", () => {
  const blind = [convolution([1, 0, 2, 0], [0, 0], { pairs: everyPair(2, 2), size: 1, side: 1 })];
  assert.equal(attack(blind, Float64Array.of(0.5, 0.5), 0, { epsilon: 0.2 })[1], 0.5);
});
