// A digit that the reader draws is changed along the signs of the gradient until the network reads another.
import { bars } from "./bars.js";
import { attack } from "./fast_gradient_sign.js";
import { SIZE } from "./ink.js";
import { choice, html, number, row, sentence, slider } from "./kit.js";
import { largest, softmax, states } from "./layers.js";
import { strided } from "./networks.js";
import { pad } from "./pad.js";
import { ink, paint, signed } from "./pixels.js";

const probabilities = (layers, image) => softmax(states(layers, image).at(-1));

export function mount(root, { weights, digits, first }) {
  const layers = strided(weights);
  const tile = (name, words) => {
    const canvas = html("canvas", { role: "img", "aria-label": words });
    return { canvas, element: html("div", { class: "live-layer" }, html("span", {}, name), canvas) };
  };
  const tiles = {
    before: tile("as read", "What the network reads, 28 by 28 pixels"),
    change: tile("change", "The change: blue where there is more ink, vermilion where there is less"),
    after: tile("changed", "The changed digit"),
  };
  const table = bars("Probability of each digit", ["as read", "changed"]);
  const says = sentence();
  let image, resting;

  function show() {
    const epsilon = size.value, steps = Number(count.select.value);
    const before = probabilities(layers, image), reading = largest(before);
    const targeted = target.select.value !== "", goal = targeted ? Number(target.select.value) : reading;
    const changed = attack(layers, image, goal, { epsilon, steps, targeted });
    const after = probabilities(layers, changed), answer = largest(after);
    paint(tiles.before.canvas, image, { width: SIZE, color: ink });
    const form = { width: SIZE, color: (r) => signed(r / (epsilon || 1)) };
    paint(tiles.change.canvas, changed.map((pixel, at) => pixel - image[at]), form);
    paint(tiles.after.canvas, changed, { width: SIZE, color: ink });
    const percent = (p) => `${number(100 * p, p > 0.995 || p < 0.005 ? 1 : 0)}%`;
    table.show([before, after], { share: (p) => p, text: percent, marked: [reading, answer] });
    if (!resting) return; // the sentence is read aloud
    const turned = answer === reading ? `still a ${answer}` : `a ${answer}`;
    says.say(
      `The network reads a ${reading} (${percent(before[reading])}). With changes of at most ${number(epsilon)} of white: ` +
        `${turned} (${percent(after[answer])}).`,
    );
  }

  const sizes = { min: 0, max: 0.3, step: 0.01, value: 0.15, show: number };
  const size = slider(["Largest change ", html("i", {}, "ε")], { ...sizes, change: () => show() });
  const every = Array.from({ length: 10 }, (_, k) => [k, `a ${k}`]);
  const target = choice("Make it", [["", "anything else"], ...every], () => show());
  const count = choice("by", [[1, "one step"], [20, "20 small steps"]], () => show());
  target.select.value = 9;
  count.select.value = 20;
  const paper = pad(digits, first, (...next) => {
    [image, resting] = next;
    show();
  });
  root.classList.add("live-fgsm");
  root.append(
    html("div", { class: "live-reader" }, paper, ...Object.values(tiles).map(({ element }) => element), table.element),
    row(size.element, target.element, count.element),
    says.element,
  );
}
