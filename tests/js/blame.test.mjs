// Oracles: the numbers that the chapter works out by hand, central differences, and the algebra of the chain rule.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS, at, backward, changed, descended, difference, forward, loss } from "../../book/_assets/live/back_propagation.js";
import { AHEAD, BACK, EXAMPLE, ahead, atKink, back, derivative, name, precise, short, silent, stepped, summary } from "../../book/_assets/live/blame.js";

let seed = 7;
const random = () => ((seed = (seed * 16807) % 2147483647) / 2147483647) * 4 - 2;
const matrix = (rows, columns) => Array.from({ length: rows }, () => Array.from({ length: columns }, random));
const paths = (network) => [...network.W.flatMap((W, l) => W.flatMap((row, k) => row.map((_, j) => ["W", l, k, j]))),
  ...network.x.map((_, i) => ["x", i]), ...network.t.map((_, k) => ["t", k])];
const plain = (words) => words.replaceAll("\u00a0", " ");

test("the example has the values, the deltas and the derivatives of the chapter", () => {
  const { values, sums } = forward(EXAMPLE), { passed, deltas, by } = backward(EXAMPLE);
  assert.deepEqual(sums, [[3, 1, -1], [2, 5]]);
  assert.deepEqual(values, [[1, 2], [3, 1, 0], [2, 5]]);
  assert.deepEqual(passed, [[3, 9, 2], [-1, 4]]);
  assert.deepEqual(deltas, [[3, 9, 0], [-1, 4]]);
  assert.equal(loss(EXAMPLE), 8.5);
  assert.equal(by.W[0][1][1], 18);
});

test("every derivative is what a difference finds, for layers of any size and each activation", () => {
  for (const kind of Object.keys(KINDS))
    for (const [inputs, hidden, more, outputs] of [[2, 3, 0, 2], [3, 4, 2, 1]]) {
      const W = more ? [matrix(hidden, inputs), matrix(more, hidden), matrix(outputs, more)] : [matrix(hidden, inputs), matrix(outputs, hidden)];
      const network = { W, x: matrix(1, inputs)[0], t: matrix(1, outputs)[0], kind }, { by } = backward(network);
      for (const path of paths(network)) {
        const far = Math.abs(difference(network, path) - at(by, path));
        assert.ok(far < 1e-6, `${kind} ${path}: ${far}`);
      }
    }
});

test("a change leaves the network from which it was made alone, and a step goes against every slope", () => {
  const before = structuredClone(EXAMPLE), other = changed(EXAMPLE, ["W", 0, 1, 1], 5);
  assert.equal(other.W[0][1][1], 5);
  const after = descended(EXAMPLE, 0.02), { by } = backward(EXAMPLE);
  for (const path of paths(EXAMPLE))
    assert.ok(Math.abs(at(after, path) - at(EXAMPLE, path) + (path[0] === "W" ? 0.02 * at(by, path) : 0)) < 1e-12, path);
  assert.deepEqual(EXAMPLE, before);
});

test("guess (a): what leaves a silent unit changes nothing", () => {
  const numbers = (network) => JSON.stringify([forward(network), backward(network).deltas, backward(network).by, loss(network)]); // -0 is 0
  for (const to of [0, 1])
    for (const value of [-7, 0.5, 9]) assert.equal(numbers(changed(EXAMPLE, ["W", 1, to, 2], value)), numbers(EXAMPLE));
});

test("guess (b): the longer step ends lower, with a unit that stays silent for ever", () => {
  const [shorter, longer] = [descended(EXAMPLE, 0.02), descended(EXAMPLE, 0.05)];
  assert.ok(loss(longer) < loss(shorter));
  assert.deepEqual([silent(EXAMPLE), silent(shorter), silent(longer)], [[2], [2], [1, 2]]);
  let network = longer;
  for (let n = 0; n < 500; n++) network = descended(network, 0.05);
  assert.deepEqual([network.W[0][1], network.W[1].map((row) => row[1])], [longer.W[0][1], longer.W[1].map((row) => row[1])]);
});

test("guess (c): a large weight into a sigmoid starves the weights below, a large one out of it does not", () => {
  const sigmoid = { ...EXAMPLE, kind: "sigmoid" }, below = (network) => Math.abs(backward(network).by.W[0][1][1]);
  assert.ok(below(changed(sigmoid, ["W", 0, 1, 0], 6)) < below(sigmoid) / 5);
  assert.ok(below(changed(sigmoid, ["W", 1, 1, 1], 4)) > 2 * below(sigmoid));
});

test("every unit is computed after what it needs", () => {
  assert.deepEqual(AHEAD.map(([layer]) => layer), [1, 1, 1, 2, 2]);
  assert.deepEqual(BACK.map(([layer]) => layer), [2, 2, 1, 1, 1]);
  for (const way of [AHEAD, BACK]) assert.equal(new Set(way.map(String)).size, 5);
});

test("the sentences have the chapter's products", () => {
  assert.equal(plain(ahead(EXAMPLE, 1, 1)), "Hidden unit 2, forward: in = 3 · 1 + (−1) · 2 = 1, so h₂ = ReLU(1) = 1.");
  assert.equal(plain(ahead(EXAMPLE, 2, 1)), "Output 2, forward: in = 1 · 3 + 2 · 1 + 1 · 0 = 5, and this is y₂. It should be 1.");
  assert.equal(plain(back(EXAMPLE, 2, 0)), "Output 1, backward: δ = y₁ − t₁ = 2 − 3 = −1.");
  assert.equal(plain(back(EXAMPLE, 1, 1)), "Hidden unit 2, backward: δ = ((−1) · (−1) + 4 · 2) · 1 = 9: the outputs pass on 9, and the slope of its ReLU is 1.");
  const { words, value } = derivative(EXAMPLE, ["W", 0, 1, 1]);
  assert.deepEqual([plain(words), value], ["δ · x₂ = 9 · 2", 18]);
  const said = (path) => [plain(derivative(EXAMPLE, path).words), derivative(EXAMPLE, path).value];
  assert.deepEqual(said(["x", 0]), ["3 · 1 + 9 · 3 + 0 · 1", 30]);
  assert.deepEqual(said(["t", 1]), ["t₂ − y₂ = 1 − 5", -4]);
  assert.equal(name(["W", 0, 1, 1]), "Weight to h₂ from x₂");
  assert.equal(plain(summary(EXAMPLE)), "Loss ½ ((2 − 3)² + (5 − 1)²) = 8.5. Silent: hidden unit 3. There the slope is 0, and no blame gets through.");
  assert.match(stepped(EXAMPLE, descended(EXAMPLE, 0.05), 0.05), /the loss was 8\.5 and is 0\.0\d+\. Hidden unit 2 fell silent/);
});

test("sigmoids say their slopes", () => {
  const network = { ...EXAMPLE, kind: "sigmoids" };
  assert.match(plain(ahead(network, 2, 0)), /so y₁ = σ\(0\.76\) ≈ 0\.68\. It should be 3\.$/); // σ(0.76) = 1 / (1 + 0.468)
  assert.match(plain(back(network, 2, 0)), /δ = \(0\.68 − 3\) · 0\.22 ≈ −0\.5: what is wrong, times the slope of its sigmoid\.$/);
  assert.match(summary(network), /The slopes of the hidden units: 0\.045, 0\.2, 0\.2\.$/); // of σ at 3, 1 and -1
});

test("a number has its minus, and what is small has two digits", () => {
  assert.deepEqual([3, -1.254, 0, -0, 1e-14, 0.0452, -0.00012, 5.7e-5, -2.2e-11, 12345.6].map(short),
    ["3", "−1.25", "0", "0", "0", "0.045", "−0.00012", "5.7·10⁻⁵", "−2.2·10⁻¹¹", "12346"]);
  assert.deepEqual([18, -0.02516, 4.2e-5, 1e-12].map(precise), ["18.0000", "−0.0252", "4.2·10⁻⁵", "0"]);
});

test("at the kink a difference sees half of the slope, and this is said", () => {
  const kink = changed(EXAMPLE, ["W", 0, 1, 1], -1.5); // in = 3 - 3
  assert.deepEqual([atKink(kink), atKink(EXAMPLE), atKink({ ...kink, kind: "sigmoid" })], [true, false, false]);
  assert.ok(Math.abs(difference(kink, ["W", 0, 1, 1])) > 1);
  assert.equal(Math.abs(backward(kink).by.W[0][1][1]), 0);
});
