// Play settings that come as JSON on stdin, and say on stdout what came out: test_playground.py compares it with Python.
import { readFileSync } from "node:fs";
import { Game, readSetting, writeSetting } from "../../book/_assets/live/network.js";

const plain = (arrays) => arrays.map((array) => [...array]);

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(({ address, batch, steps }) => {
  const game = new Game(readSetting(address));
  const few = batch.map((i) => game.rows[i]), labels = batch.map((i) => game.labels[i]);
  const start = { weights: plain(game.network.weights), biases: plain(game.network.biases) };
  const loss = game.network.backward(few, labels);
  const gradient = { loss, weights: plain(game.network.byWeight), biases: plain(game.network.byBias) };
  for (let step = 0; step < steps; step++) game.step();
  return {
    points: game.points.map(({ x }) => x), labels: game.labels, rows: few, start, gradient,
    end: { weights: plain(game.network.weights), biases: plain(game.network.biases) },
    curve: game.curve, written: writeSetting(game.setting),
  };
})));
