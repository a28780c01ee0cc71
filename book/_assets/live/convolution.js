// A kernel of nine weights that the reader edits, laid over a photograph: its map, and the nine products at one place.
import { choice, html, number, row, sentence } from "./kit.js";
import { convolution, mapSize } from "./layers.js";
import { light, paint, signed } from "./pixels.js";

const SIDE = 3, START = [44, 51]; // a place with something to see: the edge of an eye
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
export const PRESETS = {
  "Sobel, to the right": [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  "Sobel, downward": [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  identity: [0, 0, 0, 0, 1, 0, 0, 0, 0],
  blur: [1, 2, 1, 2, 4, 2, 1, 2, 1].map((weight) => weight / 16),
  sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
  Laplacian: [0, 1, 0, 1, -4, 1, 0, 1, 0],
  emboss: [-2, -1, 0, -1, 1, 1, 0, 1, 2],
};

export const lay = (image, kernel, { size, stride, padding }) =>
  convolution(kernel, [0], { pairs: [[0, 0]], size, side: SIDE, stride, padding }).forward(image);

// the nine pixels under the window at a place of the map; outside of the image there is none
function covered(image, [u, v], { size, stride, padding }) {
  return Array.from({ length: SIDE * SIDE }, (_, k) => {
    const row = stride * u + Math.floor(k / SIDE) - padding, column = stride * v + (k % SIDE) - padding;
    return row >= 0 && row < size && column >= 0 && column < size ? image[size * row + column] : undefined;
  });
}

export function mount(root, { photograph }) {
  const size = photograph.shape[0], image = Float64Array.from(photograph.values, (byte) => byte / 255);
  let kernel = [...Object.values(PRESETS)[0]], at = START;
  const options = { size, stride: 1, padding: 1 };

  const picture = (name, words) => {
    const canvas = html("canvas", { role: "img", "aria-label": words }), frame = html("div", { class: "live-window" });
    const element = html("div", { class: "live-layer" }, html("span", {}, name), html("div", {}, canvas, frame));
    return { canvas, frame, element };
  };
  const below = picture("photograph"), above = picture("map", "The map of the kernel");
  const words = "Photograph: arrow keys move the window, with shift by ten";
  Object.entries({ role: "application", tabindex: 0, "aria-label": words }).forEach((pair) => below.canvas.setAttribute(...pair));

  const nine = (make) => Array.from({ length: SIDE * SIDE }, (_, k) => make(k));
  const place = (k) => `row ${Math.floor(k / SIDE) + 1}, column ${(k % SIDE) + 1}`;
  const pixels = nine(() => html("span", {})), products = nine(() => html("span", {}));
  const weight = (k) => html("input", { type: "number", step: "any", "aria-label": `Weight in ${place(k)}`, input: edit });
  const weights = nine(weight);
  const block = (name, cells) => html("div", { class: "live-nine" }, html("span", {}, name), html("div", {}, ...cells));
  const total = html("output", {});
  const preset = choice("Kernel", [...Object.keys(PRESETS).map((name) => [name, name]), ["", "your own"]], (name) => {
    if (name) kernel = [...PRESETS[name]];
    write();
    compute();
  });
  const strides = choice("Stride", [1, 2, 3].map((s) => [s, s]), (s) => ((options.stride = Number(s)), compute()));
  const paddings = choice("Padding", [1, 0].map((p) => [p, p]), (p) => ((options.padding = Number(p)), compute()));
  const says = sentence();

  function write() {
    weights.forEach((input, k) => (input.value = kernel[k]));
  }
  function edit() {
    kernel = weights.map((input) => Number(input.value));
    preset.select.value = "";
    compute();
  }

  // A kernel whose weights add up to more than zero makes a picture in gray; else the signs of the answers are what counts.
  function compute() {
    const map = lay(image, kernel, options), out = mapSize(size, SIDE, options.stride, options.padding);
    const limit = map.map(Math.abs).sort()[Math.floor(0.995 * (map.length - 1))] || 1; // at a border of zeros answers are huge
    const gray = kernel.reduce((sum, weight) => sum + weight, 0) > 1e-9;
    const color = gray ? (value) => light(Math.min(1, Math.max(0, value))) : (value) => signed(value / limit);
    paint(above.canvas, map, { width: out, color });
    above.out = out;
    look(at);
  }

  function look(next) {
    const last = above.out - 1, [row, column] = (at = next.map((place) => Math.min(last, Math.max(0, place))));
    const under = covered(image, at, options), parts = under.map((pixel, k) => (pixel ?? 0) * kernel[k]);
    const sum = parts.reduce((a, b) => a + b, 0);
    const lie = ({ frame }, start, side, whole) =>
      Object.entries({ top: start[0], left: start[1], width: side, height: side })
        .forEach(([edge, pixels]) => (frame.style[edge] = `${(100 * pixels) / whole}%`));
    lie(below, at.map((place) => options.stride * place - options.padding), SIDE, size);
    lie(above, at, 1, above.out);
    under.forEach((pixel, k) => {
      pixels[k].textContent = number(pixel ?? 0);
      pixels[k].style.setProperty("--light", `${100 * (pixel ?? 0)}%`);
      pixels[k].className = pixel === undefined ? "outside" : pixel > 0.5 ? "bright" : "dim";
      products[k].textContent = number(parts[k]);
      products[k].className = parts[k] > 0 ? "more" : parts[k] < 0 ? "less" : "";
    });
    total.textContent = number(sum);
    const whole = `${above.out} by ${above.out}`;
    says.say(`Row ${row}, column ${column} of a map of ${whole}: the nine products add up to ${number(sum)}.`);
  }

  const pointed = (canvas, event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
  };
  const follow = (canvas, toPlace) => {
    const point = (event) => look(pointed(canvas, event).map(toPlace));
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(event));
  };
  follow(below.canvas, (share) => Math.round((share * size - SIDE / 2 + options.padding) / options.stride));
  follow(above.canvas, (share) => Math.floor(share * above.out));
  below.canvas.addEventListener("keydown", (event) => {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    look(at.map((place, axis) => place + way[axis] * (event.shiftKey ? 10 : 1)));
  });

  paint(below.canvas, image, { width: size, color: light });
  root.classList.add("live-convolution");
  root.append(
    html("div", { class: "live-pair" }, below.element, above.element),
    html("div", { class: "live-sum" },
      block("pixels", pixels), html("span", {}, "×"), block("kernel", weights), html("span", {}, "="),
      block("products", products), html("span", {}, "→"), block("sum", [total])),
    row(preset.element, strides.element, paddings.element),
    says.element,
  );
  write();
  compute();
}
