import assert from "node:assert/strict";
import test from "node:test";

import { drawPoints, drawSurface, middle } from "../../book/_assets/live/playground-drawing.js";

const PAINT = { paper: "#fff", positive: "#0072b2", negative: "#d55e00", ink: "#000000", muted: "#57606a" };

// a canvas that keeps what is drawn: for each mark its shape, its middle and its colors
function recorder(side) {
  const marks = [];
  let shape;
  const pen = {
    setTransform() {}, beginPath() {}, moveTo() {}, lineTo() {},
    arc(x, y) { shape = { shape: "circle", x, y }; },
    rect(x, y, width) { shape = { shape: "square", x: Math.round(x + width / 2), y: Math.round(y + width / 2) }; },
    fill() { marks.push({ ...shape, fill: this.fillStyle }); },
    stroke() { if (marks.length) marks.at(-1).stroke = this.strokeStyle; },
  };
  return [{ clientWidth: side, getContext: () => pen }, marks];
}

test("a surface goes over paper to three quarters of a class's color, and no further", () => {
  let image;
  const context = { createImageData: (width, height) => ({ data: new Uint8ClampedArray(4 * width * height) }), putImageData: (made) => (image = made) };
  const canvas = { getContext: () => context };
  drawSurface(canvas, [2, -2, 0, 200], 2, PAINT);
  assert.deepEqual([canvas.width, canvas.height], [2, 2]);
  const pixel = (at) => [...image.data.slice(4 * at, 4 * at + 4)];
  const mixed = (...color) => [...color.map((c) => Math.round(0.25 * 255 + 0.75 * c)), 255];
  assert.deepEqual(pixel(0), mixed(0x00, 0x72, 0xb2));
  assert.deepEqual(pixel(1), mixed(0xd5, 0x5e, 0x00));
  assert.deepEqual(pixel(2), [255, 255, 255, 255]);
  assert.deepEqual(pixel(3), pixel(0));
});

test("cells begin half a cell from the edge", () => assert.deepEqual([0, 1, 2].map((place) => middle(place, 3)), [-4, 0, 4]));

test("circles are positive, squares negative, up is up, and points for testing are hollow and shown when asked for", () => {
  const game = { training: 2, points: [{ x: [0, 3], y: 1 }, { x: [-6, -6], y: -1 }, { x: [6, 0], y: 1 }, { x: [0, 0], y: -1 }] };
  const [canvas, marks] = recorder(120);
  drawPoints(canvas, game, false, PAINT);
  assert.deepEqual(marks, [
    { shape: "circle", x: 60, y: 30, fill: PAINT.positive, stroke: PAINT.paper },
    { shape: "square", x: 0, y: 120, fill: PAINT.negative, stroke: PAINT.paper },
  ]);
  const [other, all] = recorder(120);
  drawPoints(other, game, true, PAINT);
  assert.deepEqual(all.slice(2), [
    { shape: "circle", x: 120, y: 60, fill: PAINT.paper, stroke: PAINT.positive },
    { shape: "square", x: 60, y: 60, fill: PAINT.paper, stroke: PAINT.negative },
  ]);
});
