// The networks of two chapters, from the weights that their pages trained, {values} by the names of the state dictionary.
import { convolution, distances, everyPair, relu, squash, subsampling } from "./layers.js";

// dlbook.convolution.lenet.LeNet5: its maps are the states after each squashing function, by these places in `states`
export const LENET_STATES = { C1: 2, S2: 4, C3: 6, S4: 8, C5: 10, F6: 12 };
export function lenet5(p) {
  const table = everyPair(16, 6).filter((_, at) => p["c3.table"].values[at]);
  const layer = (name, options) => convolution(p[`${name}.weight`].values, p[`${name}.bias`].values, options);
  const shrink = (name, size) => subsampling(p[`${name}.coefficient`].values, p[`${name}.bias`].values, { size });
  const weighing = [
    layer("c1", { pairs: everyPair(6, 1), size: 32, side: 5 }),
    shrink("s2", 28),
    layer("c3", { pairs: table, size: 14, side: 5 }),
    shrink("s4", 10),
    layer("c5", { pairs: everyPair(120, 16), size: 5, side: 5 }),
    layer("f6", { pairs: everyPair(84, 120), size: 1, side: 1 }),
  ];
  return [...weighing.flatMap((one) => [one, squash]), distances(p["output.codes"].values)];
}

// two convolutions with stride 2 and two layers on top: `convolutional` of the chapter on adversarial examples
export function strided(p) {
  const layer = (name, options) => convolution(p[`${name}.weight`].values, p[`${name}.bias`].values, options);
  return [
    layer(0, { pairs: everyPair(16, 1), size: 28, side: 3, stride: 2, padding: 1 }),
    relu,
    layer(2, { pairs: everyPair(32, 16), size: 14, side: 3, stride: 2, padding: 1 }),
    relu,
    layer(5, { pairs: everyPair(100, 32), size: 7, side: 7 }),
    relu,
    layer(7, { pairs: everyPair(10, 100), size: 1, side: 1 }),
  ];
}
