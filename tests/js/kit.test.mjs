import assert from "node:assert/strict";
import test from "node:test";

import { decode, halfToFloat, number } from "../../book/_assets/live/kit.js";

const base64 = (array) => Buffer.from(array.buffer).toString("base64");

test("arrays of every kind come back, wherever they stand", () => {
  const data = {
    weights: { "layer.bias": { shape: [2], f32: base64(new Float32Array([1.5, -0.25])) } },
    classes: [{ shape: [1, 3], i32: base64(new Int32Array([7, -8, 9])) }, "words"],
    picture: { shape: [2, 1], u8: base64(new Uint8Array([0, 255])) },
    shape: 3, none: null,
  };
  assert.deepEqual(decode(data), {
    weights: { "layer.bias": { shape: [2], values: new Float32Array([1.5, -0.25]) } },
    classes: [{ shape: [1, 3], values: new Int32Array([7, -8, 9]) }, "words"],
    picture: { shape: [2, 1], values: new Uint8Array([0, 255]) },
    shape: 3, none: null,
  });
});

test("half precision is that of IEEE 754", () => {
  const known = { 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0400: 2 ** -14, 0x0001: 2 ** -24, 0x3555: 0.333251953125, 0x7c00: Infinity };
  for (const [bits, value] of Object.entries(known)) assert.equal(halfToFloat(Number(bits)), value);
  assert.ok(Number.isNaN(halfToFloat(0x7e00)));
  const stored = { shape: [2], f16: base64(new Uint16Array([0x3c00, 0xc000])) };
  assert.deepEqual(decode(stored), { shape: [2], values: new Float32Array([1, -2]) });
});

test("an array that came in part is an error that says so", () => {
  const half = { shape: [2, 2], f32: base64(new Float32Array([1, 2])) };
  assert.throws(() => decode({ weights: half }), /shape 2,2 came with 2 numbers/);
  assert.equal(decode({ shape: [], f32: base64(new Float32Array([3])) }).values[0], 3);
});

test("a number has the minus of text, and zero has none", () => {
  assert.deepEqual([number(-1.255, 1), number(-0.001), number(2, 0)], ["−1.3", "0.00", "2"]);
});
