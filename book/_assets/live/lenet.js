// LeNet-5 reads a digit that the reader draws: its maps, the picture that F6 draws, and the distance to each code.
import { bars } from "./bars.js";
import { SIZE, padded } from "./ink.js";
import { html, number, sentence } from "./kit.js";
import { largest, states } from "./layers.js";
import { LENET_STATES, lenet5 } from "./networks.js";
import { pad } from "./pad.js";
import { paint, signed } from "./pixels.js";

const RUBBISH = 10, AMPLITUDE = 1.7159; // j of the chapter, and the largest state of a unit
const FAR = 250; // the longest bar
const TILES = {
  C1: { width: 28, columns: 6 },
  S2: { width: 14, columns: 6 },
  C3: { width: 10, columns: 8 },
  S4: { width: 5, columns: 8 },
  F6: { width: 7, height: 12 },
};

// the states of the layers, and the squared distance to each code, for 28 x 28 pixels of ink
function read(layers, image) {
  const all = states(layers, padded(image));
  const maps = Object.fromEntries(Object.entries(LENET_STATES).map(([name, at]) => [name, all[at]]));
  return { maps, distances: all.at(-1).map((logit) => -logit) };
}

function judge(distances) {
  const nearest = largest(distances.map((d) => -d));
  const second = largest(distances.map((d, digit) => (digit === nearest ? -Infinity : -d)));
  return { nearest, second, digit: distances[nearest] < RUBBISH };
}

export function mount(root, { weights, digits, first }) {
  const layers = lenet5(weights);
  const tile = (name, words) => {
    const canvas = html("canvas", { role: "img", "aria-label": words });
    return { canvas, element: html("div", { class: `live-layer live-${name}` }, html("span", {}, name), canvas) };
  };
  const input = tile("input", "What the network reads, 28 by 28 pixels");
  const layer = Object.fromEntries(
    Object.keys(TILES).map((name) => [name, tile(name, `The states of ${name}, vermilion below zero, blue above`)]),
  );
  const table = bars("Squared distance to each code", ["distance"]);
  const says = sentence();

  function show(image, resting) {
    const { maps, distances } = read(layers, image), { nearest, second, digit } = judge(distances);
    paint(input.canvas, image, { width: SIZE, color: (ink) => signed(ink) });
    for (const [name, form] of Object.entries(TILES))
      paint(layer[name].canvas, maps[name], { ...form, color: (state) => signed(state / AMPLITUDE) });
    table.show([distances], { share: (d) => Math.min(1, d / FAR), text: (d) => number(d, 1), marked: [digit ? nearest : -1] });
    if (!resting) return; // the sentence is read aloud
    const far = `at a squared distance of ${number(distances[nearest], 1)}`;
    const next = `The next is ${second}, at ${number(distances[second], 1)}.`;
    says.say(
      digit
        ? `LeNet-5 reads a ${nearest}: F6 drew its code, ${far}. ${next}`
        : `LeNet-5 sees no digit here: the nearest code, ${nearest}, is ${far}, and beyond ${RUBBISH} rubbish is likelier.`,
    );
  }
  root.classList.add("live-lenet");
  root.append(
    html("div", { class: "live-reader" },
      pad(digits, first, show), input.element, layer.F6.element, table.element),
    html("div", { class: "live-layers" }, ...["C1", "S2", "C3", "S4"].map((name) => layer[name].element)),
    says.element,
  );
}
