// The perceptron of the landing page: its still is a machine that has learned; the reader lets it forget and learn again.

import { button, row, sentence } from "./kit.js";
import { correct, fit, isMistake, place, sides } from "./perceptron.js";

const SIDE = 3.2; // the drawing shows -SIDE..SIDE both ways, 100 units a unit
const pixel = ([x, y]) => [100 * (x + SIDE), 100 * (SIDE - y)];

export function mount(root) {
  const still = root.parentElement.querySelector(".live-still");
  const svg = still.querySelector("svg").cloneNode(true), [boundary, half, look] = [".boundary", ".half-positive", ".look"].map((name) => svg.querySelector(name));
  const points = [...svg.querySelectorAll("[data-x]")].map((shape) => ({
    x: [Number(shape.dataset.x), Number(shape.dataset.y)], y: shape.classList.contains("positive") ? 1 : -1 }));
  const told = sentence(still.querySelector("p, figcaption").textContent);
  let weight, bias, at, corrections;

  function draw() {
    const { line, positive } = sides(weight, bias, 20);
    boundary.setAttribute("d", line.length ? `M${line.map((p) => pixel(p).map(Math.round)).join(" L")}` : "");
    half.setAttribute("points", positive.map((p) => pixel(p).map(Math.round)).join(" "));
  }

  function step() {
    for (let tried = 0; tried < points.length; tried++, at = (at + 1) % points.length) {
      const { x, y } = points[at];
      if (!isMistake(weight, bias, x, y)) continue;
      ({ weight, bias } = correct(weight, bias, x, y));
      corrections++;
      place(look, pixel(x));
      look.setAttribute("r", 24);
      told.say(`Correction ${corrections}: the ringed ${y > 0 ? "circle" : "square"} was on the wrong side, so the line moved toward it.`);
      return draw();
    }
    look.setAttribute("r", 0);
    told.say(`Every point is on its side: after ${corrections} corrections the machine has stopped.`);
    first.disabled = true;
  }

  function forget() {
    [weight, bias, at, corrections] = [[0, 0], 0, 0, 0];
    look.setAttribute("r", 0);
    first.textContent = "One correction";
    first.disabled = again.hidden = false;
    told.say("It knows nothing yet: no line. It will look at one point after another, and change only when it is wrong.");
    draw();
  }

  const first = button("Forget everything", () => (again.hidden ? forget() : step())), again = button("Start over", forget);
  again.hidden = true;
  ({ weight, bias } = fit(points.map(({ x }) => x), points.map(({ y }) => y)));
  root.append(svg, row(first, again), told.element);
  draw();
}
