// The parts of the Playground that need no browser. What the network computes is compared with Python by test_playground.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Game, Network, readSetting, writeSetting, DEFAULTS } from "../../book/_assets/live/network.js";
import { drawBend, zeroLine } from "../../book/_assets/live/playground-drawing.js";
import { defaultRng, shuffled, spread } from "../../book/_assets/live/random.js";

test("seeds spread as by numpy.random.SeedSequence, short lists and long ones", () => {
  assert.deepEqual(spread([1, 2], 8), [1596810411, 3615836353, 2321460393, 2364082729, 832878418, 1464042839, 2449780115, 1281043403]); // printed by NumPy
  assert.deepEqual(spread([1, 2, 3, 4, 5, 6], 8), [488360481, 3956080669, 2986500235, 3488252836, 3841783222, 2602687873, 149055243, 459133091]);
});

test("uniform numbers are those of numpy.random.default_rng(0)", () => {
  const draw = defaultRng(0); // printed by NumPy: [0.6369616873214543, 0.2697867137638703, 0.04097352393619469]
  assert.deepEqual([draw(), draw(), draw()], [0.6369616873214543, 0.2697867137638703, 0.04097352393619469]);
});

test("a shuffled order holds every number once, and not in its place", () => {
  const order = shuffled(250, defaultRng(5));
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 250 }, (_, i) => i));
  assert.ok(order.filter((value, place) => value === place).length < 10); // one on average
});

test("gradients are central differences of the loss", () => {
  for (const activation of ["tanh", "relu", "sigmoid", "linear"]) {
    const network = new Network([3, 4, 2, 1], activation, defaultRng(1)), draw = defaultRng(2);
    const rows = Array.from({ length: 5 }, () => [draw() * 4 - 2, draw() * 4 - 2, draw() * 4 - 2]), labels = [1, -1, -1, 1, -1];
    network.backward(rows, labels);
    const found = network.byWeight.map((layer) => [...layer]);
    network.weights.forEach((weight, layer) => weight.forEach((value, at) => {
      const losses = [1e-5, -1e-5].map((moved) => {
        weight[at] = value + moved;
        return network.backward(rows, labels);
      });
      weight[at] = value;
      assert.ok(Math.abs((losses[0] - losses[1]) / 2e-5 - found[layer][at]) < 1e-8, `${activation} ${layer} ${at}`);
    }));
  }
});

test("a setting that is written is read again, and the defaults need no words", () => {
  const setting = { ...DEFAULTS, problem: "spiral", inputs: ["x2", "x1x2"], hidden: [], l1: 0.01, seed: 4000000000 };
  assert.deepEqual(readSetting(`#${writeSetting(setting)}`), setting);
  assert.equal(writeSetting(DEFAULTS), "");
});

test("what the page could not show is left at its default", () => {
  for (const wrong of ["problem=moons", "hidden=9", "hidden=1,1,1,1,1,1,1", "inputs=", "inputs=x3", "rate=fast", "rate=-1", "share=1",
    "batch=0.5", "batch=0", "seed=1.5", "speed=3", "__proto__=1", "rate=", "hidden=2,x", "rate=%", "hidden=%E0%A4"])
    assert.deepEqual(readSetting(wrong), { ...DEFAULTS }, wrong);
  assert.deepEqual(readSetting("hidden=").hidden, []);
  assert.deepEqual(readSetting("inputs=x1%5E2,x1%5E2").inputs, ["x1^2"]);
});

test("a pass takes every training point once, in batches and what is left", () => {
  const game = new Game(readSetting("batch=60&share=0.4"));
  const sizes = [], seen = [];
  game.network.backward = (rows) => (sizes.push(rows.length), seen.push(...rows));
  game.pass();
  assert.deepEqual(sizes, [60, 60, 60, 20]);
  assert.equal(new Set(seen).size, 200);
  assert.deepEqual(new Set(seen), new Set(game.rows.slice(0, 200)));
  assert.deepEqual([game.passes, game.steps, game.curve.length], [1, 4, 2]);
});

test("the zero line of a plane that rises to the right is straight, through the place where it is zero", () => {
  const values = Float64Array.from({ length: 16 }, (_, at) => (at % 4) - 1.25); // cells at 0.5, 1.5, ...: zero at 1.75
  const ends = zeroLine(values).flat();
  assert.equal(ends.length, 6);
  for (const [x] of ends) assert.ok(Math.abs(x - 1.75) < 1e-12);
  assert.deepEqual([...new Set(ends.map(([, y]) => y))].sort(), [0.5, 1.5, 2.5, 3.5]);
});

test("a layer that only shifts the plane bends nothing, and its zero line is where the weights say", () => {
  const traced = []; // of a canvas of 100 by 100
  const pen = new Proxy({}, { get: (_, name) => (...given) => ["moveTo", "lineTo"].includes(name) && traced.push(given), set: () => true });
  const canvas = { clientWidth: 100, getContext: () => pen };
  const game = new Game(readSetting("hidden=2&activation=linear"));
  game.network.weights[0].set([1, 0, 0, 1]), game.network.biases[0].set([1, 0]); // h = x + (1, 0)
  game.network.weights[1].set([1, 0]), game.network.biases[1].set([-1]); // zero where h1 = 1, the middle of -5 ... 7
  const paint = { paper: "#fff", positive: "#0072b2", negative: "#d55e00", ink: "#000000", muted: "#57606a" };
  assert.deepEqual(drawBend(canvas, game, 1, false, paint), [[-5, 7], [-6, 6]]);
  for (const [x] of traced.slice(0, 2)) assert.ok(Math.abs(x - 50) < 1e-9); // the zero line is drawn first, over the grid
  traced.length = 0;
  game.network.weights[1].set([0, 2]), game.network.biases[1].set([-6]); // zero where h2 = 3, in the upper half: 0.94 - 0.88 * 9 / 12
  drawBend(canvas, game, 1, false, paint);
  for (const [, y] of traced.slice(0, 2)) assert.ok(Math.abs(y - 28) < 1e-9, y);
  traced.length = 0;
  game.network.weights[1].set([1, 2]), game.network.biases[1].set([-1]);
  drawBend(canvas, game, 1, false, paint);
  for (const [x, y] of traced.slice(0, 2)) assert.ok(Math.abs((12 * (x - 6)) / 88 - 5 + 2 * ((12 * (94 - y)) / 88 - 6) - 1) < 1e-9);
});
