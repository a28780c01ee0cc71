// What live figures share: arrays from the build, elements with attributes, controls with labels, a sentence that is read
// aloud, a plane to draw in, points that move by mouse, touch and keyboard. See website/live.py for how a figure is made.

const SVG = "http://www.w3.org/2000/svg";

// ---- data ----------------------------------------------------------------------------------------------------------------

const TYPES = { f32: Float32Array, f16: Uint16Array, i32: Int32Array, u8: Uint8Array };

// {shape, f32: base64} becomes {shape, values: Float32Array}, wherever it stands; all else stays
export function decode(data) {
  if (Array.isArray(data)) return data.map(decode);
  if (data === null || typeof data !== "object") return data;
  const type = data.shape && Object.keys(TYPES).find((name) => name in data);
  if (!type) return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, decode(value)]));
  const bytes = Uint8Array.from(atob(data[type]), (letter) => letter.charCodeAt(0));
  const values = new TYPES[type](bytes.buffer), count = data.shape.reduce((a, b) => a * b, 1);
  if (values.length !== count) throw new RangeError(`an array of shape ${data.shape} came with ${values.length} numbers`);
  return { shape: data.shape, values: type === "f16" ? Float32Array.from(values, halfToFloat) : values };
}

// the number that the 16 bits of IEEE's half precision mean
export function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

// ---- elements ------------------------------------------------------------------------------------------------------------

// attributes that are functions are listeners: html("button", { click: run }, "Run")
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {}))
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  element.append(...children);
  return element;
}
export const html = (name, attributes, ...children) => filled(document.createElement(name), attributes, children);
export const svg = (name, attributes, ...children) => filled(document.createElementNS(SVG, name), attributes, children);

export const button = (label, click) => html("button", { type: "button", click }, label);
export const row = (...children) => html("div", { class: "live-controls" }, ...children);

let names = 0;

// A slider with a label before it and its value behind; `show` writes the value, for eye and ear. `label` may be elements.
export function slider(label, { min, max, step, value, show = String, change }) {
  const id = `live-${++names}`;
  const input = html("input", { type: "range", id, min, max, step, value });
  const output = html("output", { for: id });
  const update = () => {
    const text = show(Number(input.value));
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => (update(), change(Number(input.value))));
  update();
  return {
    element: html("div", { class: "live-slider" }, html("label", { for: id }, ...[label].flat()), input, output),
    get value() { return Number(input.value); },
    set value(next) { (input.value = next), update(); },
  };
}

// One of a few: a select with its label
export function choice(label, options, change) {
  const id = `live-${++names}`;
  const select = html("select", { id, change: () => change(select.value) },
    ...options.map(([value, words]) => html("option", { value }, words)));
  return { element: html("div", { class: "live-choice" }, html("label", { for: id }, label), select), select };
}

// The sentence that tells what happened; it is read aloud when it changes, and a run says only how it ended
export function sentence(text = "") {
  const element = html("p", { class: "live-says", "aria-live": "polite" }, text);
  return { element, say(words) { if (element.textContent !== words) element.textContent = words; } };
}

// ---- motion and color ----------------------------------------------------------------------------------------------------

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Calls `step` every `pause` ms until it returns false or the button is pressed again; at once where motion is unwanted.
export function runner(step, { pause = 120, most = 1000 } = {}) {
  let timer = 0;
  const end = () => {
    clearInterval(timer);
    timer = 0;
    element.textContent = "Run";
  };
  const element = button("Run", () => {
    if (timer) return end();
    if (calm()) {
      for (let n = 0; n < most && step() !== false; n++);
      return;
    }
    element.textContent = "Stop";
    timer = setInterval(() => element.isConnected && step() !== false || end(), pause);
  });
  return { element, end };
}

// The page's colors, for a canvas; SVG takes them by the classes of live.css. `redraw` is called when the theme changes.
const COLORS = { positive: "--positive", negative: "--negative", paper: "--paper", muted: "--muted", ink: "--pst-color-text-base" };
export function colors() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(Object.entries(COLORS).map(([name, variable]) => [name, style.getPropertyValue(variable).trim()]));
}
export function onTheme(redraw) {
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
}

// A canvas of `width` by `height` drawing units that fills the width it is given and is sharp on any screen
export function canvas(width, height) {
  const scale = Math.min(3, Math.max(1, window.devicePixelRatio));
  const element = html("canvas", { width: width * scale, height: height * scale, style: `aspect-ratio: ${width} / ${height}` });
  const pen = element.getContext("2d");
  pen.scale(scale, scale);
  return { element, pen };
}

// ---- a plane -------------------------------------------------------------------------------------------------------------

// An SVG of `width` by `height` units whose coordinates are those of the data: x from left to right, y upward
export function plane({ x: [left, right], y: [bottom, top], width = 400, height = 400, label }) {
  const element = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "live-plane" });
  const to = ([x, y]) => [((x - left) / (right - left)) * width, ((top - y) / (top - bottom)) * height];
  const from = ([u, v]) => [left + (u / width) * (right - left), top - (v / height) * (top - bottom)];
  const path = (points) => points.length ? `M${points.map((p) => to(p).map((v) => v.toFixed(1))).join("L")}` : "";
  return { element, to, from, path };
}

// A mark of a plane that the reader moves: by mouse and touch, and by arrow keys once it has the focus
export function movable(mark, plane, { at, move, step = 0.1 }) {
  mark.setAttribute("tabindex", "0");
  mark.setAttribute("role", "button");
  mark.classList.add("movable");
  const pointed = (event) => {
    const inverse = plane.element.getScreenCTM().inverse();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(inverse);
    return plane.from([x, y]);
  };
  mark.addEventListener("pointerdown", (event) => {
    mark.setPointerCapture(event.pointerId);
    mark.focus();
    event.preventDefault(); // no text is selected on the way
  });
  mark.addEventListener("pointermove", (event) => mark.hasPointerCapture(event.pointerId) && move(pointed(event)));
  mark.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const now = at();
    move([now[0] + step * way[0], now[1] + step * way[1]]);
  });
}

// "1.2", "−0.5": a number with the minus that text has
export const number = (value, digits = 2) => value.toFixed(digits).replace(/^-(?=[\d.]*[1-9])/, "−").replace(/^-/, "");
