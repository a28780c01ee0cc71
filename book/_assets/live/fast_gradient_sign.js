// One step of the fast gradient sign method, as dlbook.adversarial.fgsm takes it.
import { gradient, softmax } from "./layers.js";

// the gradient by the pixels of what the attack wants to grow: the loss of the answer `digit`, or less of it if targeted
export function ascent(layers, x, digit, targeted) {
  const sign = targeted ? -1 : 1;
  return gradient(layers, x, (logits) => softmax(logits).map((p, k) => sign * (p - (k === digit))));
}

// each pixel goes by epsilon in the direction of its slope, but not past black (0) and white (1)
export const signStep = (x, slope, epsilon) =>
  x.map((pixel, k) => Math.min(1, Math.max(0, pixel + epsilon * Math.sign(slope[k]))));
