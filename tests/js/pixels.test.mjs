// Oracles: the colors of dlbook.plotting at their stops, and places counted by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ink, light, paint, signed } from "../../book/_assets/live/pixels.js";

test("signed numbers have the colors of the book, and what is too large has the last one", () => {
  assert.deepEqual(signed(0), [245, 245, 243]);
  assert.deepEqual(signed(2 / 3).map(Math.round), [0, 114, 178]);
  assert.deepEqual(signed(-2 / 3).map(Math.round), [213, 94, 0]);
  assert.deepEqual(signed(7), [0, 81, 127]);
  assert.deepEqual(signed(-7), [143, 63, 0]);
});

test("ink is black, light is white", () => {
  assert.deepEqual([ink(1), ink(0), light(1), light(0.2)].map(([red]) => red), [0, 255, 255, 51]);
});

test("tiles lie in rows, one pixel apart, and the gaps are empty", () => {
  let put;
  const context = {
    createImageData: (width, height) => ({ data: new Uint8ClampedArray(4 * width * height) }),
    putImageData: (picture) => (put = picture.data),
  };
  const canvas = { getContext: () => context };
  paint(canvas, Array.from({ length: 18 }, (_, k) => k / 255), { width: 2, height: 3, columns: 2, color: light });
  assert.deepEqual([canvas.width, canvas.height], [5, 7]);
  const at = (x, y) => [...put.slice(4 * (5 * y + x), 4 * (5 * y + x) + 4)];
  assert.deepEqual(at(1, 2), [5, 5, 5, 255]); // the last of the first tile
  assert.deepEqual(at(3, 0), [6, 6, 6, 255]);
  assert.deepEqual(at(0, 4), [12, 12, 12, 255]);
  assert.deepEqual(at(2, 0), [0, 0, 0, 0]);
  assert.deepEqual(at(4, 6), [0, 0, 0, 0]); // there is no fourth tile
});
