// A square of paper for one digit: drawn by mouse or finger, or one of MNIST's, and moved by the arrow keys.
import { button, canvas, choice, html, row } from "./kit.js";
import { SIZE, prepare, shift } from "./ink.js";

const UNIT = 8, SPACING = 0.4; // of the drawing, a pixel; and the least way of the pen that is a new point, in pixels
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `samples` (10, 28, 28) in bytes; `change` is called with the 28 x 28 pixels that the network is to read, and whether the
// pen rests: while it moves nothing is read aloud
export function pad(samples, first, change) {
  const each = SIZE * SIZE;
  const sample = (k) => Float64Array.from(samples.values.subarray(each * k, each * (k + 1)), (byte) => byte / 255);
  let strokes = [], picture = sample(first), by = [0, 0], waiting = false, resting = true;

  const { element, pen } = canvas(SIZE * UNIT, SIZE * UNIT);
  element.setAttribute("role", "application");
  element.setAttribute("tabindex", "0");
  element.setAttribute("aria-label", "Paper: draw a digit; arrow keys move it by a pixel");
  element.classList.add("live-paper");

  function draw() {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, SIZE * UNIT, SIZE * UNIT);
    if (!strokes.length)
      shift(picture, by).forEach((ink, at) => {
        pen.fillStyle = `rgb(0 0 0 / ${ink})`;
        pen.fillRect(UNIT * (at % SIZE), UNIT * Math.floor(at / SIZE), UNIT, UNIT);
      });
    Object.assign(pen, { strokeStyle: "#000", lineWidth: 2.2 * UNIT, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) {
      pen.beginPath();
      for (const [x, y] of [stroke[0], ...stroke]) pen.lineTo(UNIT * x, UNIT * y);
      pen.stroke();
    }
  }

  const current = () => (strokes.length ? prepare(strokes) : shift(picture, by));
  // at most once a frame, however fast the pen moves
  function changed() {
    draw();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      change(current(), resting);
    });
  }

  function point(event) {
    const box = element.getBoundingClientRect();
    return [(SIZE * (event.clientX - box.left)) / box.width, (SIZE * (event.clientY - box.top)) / box.height];
  }
  element.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button) return; // a second finger, another button
    element.setPointerCapture(event.pointerId);
    resting = false;
    strokes.push([point(event)]);
    which.select.value = "";
    changed();
  });
  element.addEventListener("pointermove", (event) => {
    if (!element.hasPointerCapture(event.pointerId)) return;
    const stroke = strokes.at(-1), next = point(event), last = stroke.at(-1);
    if (Math.hypot(next[0] - last[0], next[1] - last[1]) < SPACING) return;
    stroke.push(next);
    changed();
  });
  element.addEventListener("lostpointercapture", () => {
    resting = true;
    changed();
  });
  element.addEventListener("keydown", (event) => {
    const way = WAYS[event.key];
    if (!way) return;
    event.preventDefault();
    if (strokes.length) [picture, strokes, by] = [prepare(strokes), [], [0, 0]];
    by = [by[0] + way[0], by[1] + way[1]];
    changed();
  });

  function show(next) {
    [picture, strokes, by] = [next, [], [0, 0]];
    changed();
  }
  const blank = () => {
    which.select.value = "";
    show(new Float64Array(each));
  };
  const options = [["", "your own"], ...Array.from({ length: 10 }, (_, k) => [k, `a ${k} of MNIST`])];
  const which = choice("Digit", options, (value) => (value ? show(sample(Number(value))) : blank()));
  which.select.value = first;
  draw();
  queueMicrotask(() => change(current(), resting)); // when the figure is complete, and before it is seen: nothing moves
  return html("div", { class: "live-pad" }, element, row(which.element, button("Clear", blank)));
}
