// Oracles: what MNIST's authors say of their digits (a box of 20, the center of mass in the middle), and its symmetries.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SIZE, centerOfMass, padded, prepare, shift } from "../../book/_assets/live/ink.js";

const seven = [[[3, 4], [12, 4], [7, 15]], [[5, 9], [10, 9]]];
const map = (strokes, change) => strokes.map((stroke) => stroke.map(change));
const near = (a, b, most) => a.forEach((value, k) => assert.ok(Math.abs(value - b[k]) < most, `${k}: ${value}, ${b[k]}`));
function box(image) {
  const inked = [...image.keys()].filter((at) => image[at] > 0);
  const rows = inked.map((at) => Math.floor(at / SIZE)), columns = inked.map((at) => at % SIZE);
  return [Math.max(...columns) - Math.min(...columns) + 1, Math.max(...rows) - Math.min(...rows) + 1];
}

test("the longer side fills a box of 20, up to the soft edge of the pen, and the shorter keeps its share", () => {
  const [wide, high] = box(prepare(seven));
  assert.ok(high >= 20 && high <= 22, `${high}`);
  assert.ok(Math.abs(wide - (2.2 + (17.8 * 9) / 11)) <= 2, `${wide}`);
  assert.ok(box(prepare(map(seven, ([x, y]) => [y, x])))[0] >= 20);
});

test("the center of mass is the center of the picture", () => {
  near(centerOfMass(prepare(seven)), [14, 14], 0.1);
  near(centerOfMass(prepare([[[20, 2], [20, 26]], [[20, 2], [14, 6]]])), [14, 14], 0.1);
});

test("neither place nor size of the drawing matters", () => {
  near(prepare(map(seven, ([x, y]) => [x + 9, y - 2])), prepare(seven), 1e-9);
  near(prepare(map(seven, ([x, y]) => [1.7 * x, 1.7 * y])), prepare(seven), 1e-9);
});

test("ink is between 0 and 1, full in the middle of a stroke, and about as thick as a pen", () => {
  const bar = prepare([[[14, 3], [14, 25]]]);
  assert.ok(bar.every((ink) => ink >= 0 && ink <= 1));
  const row = [...bar.slice(14 * SIZE, 15 * SIZE)];
  assert.equal(Math.max(...row), 1);
  assert.ok(Math.abs(row.reduce((a, b) => a + b) - 2.2) < 0.25);
});

test("nothing drawn is paper, and a dot stays a dot", () => {
  assert.ok(prepare([]).every((ink) => ink === 0));
  const dot = prepare([[[5, 5]]]);
  assert.ok(dot.reduce((a, b) => a + b) > 2 && Math.max(...box(dot)) <= 4);
  assert.ok(Math.max(...box(prepare([[[5, 5], [5.3, 5]]]))) <= 6);
});

test("a shift moves by whole pixels and brings in paper", () => {
  const image = Float64Array.from({ length: SIZE * SIZE }, (_, k) => k + 1);
  const moved = shift(image, [2, -1]);
  assert.equal(moved[SIZE * 4 + 5], image[SIZE * 5 + 3]);
  assert.equal(moved[0], 0);
  assert.ok(moved.slice(-SIZE).every((ink) => ink === 0));
  const back = shift(image, [-2, 1]);
  assert.equal(back[SIZE * 4 + 5], image[SIZE * 3 + 7]);
  assert.deepEqual([back[0], back[SIZE * 4 - 1], back[SIZE * 4 - 3]], [0, 0, image[SIZE * 3 - 1]]);
});

test("LeNet-5 gets paper of -0.1 all around and ink of 1.175", () => {
  const image = new Float64Array(SIZE * SIZE);
  image[0] = 1;
  const wide = padded(image);
  assert.equal(wide.length, 32 * 32);
  assert.ok(Math.abs(wide[2 * 32 + 2] - 1.175) < 1e-12);
  assert.equal(wide.filter((value) => value === -0.1).length, 1023);
});
