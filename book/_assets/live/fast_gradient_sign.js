// The fast gradient sign method and its many small steps, as dlbook.adversarial.fgsm and pgd take them.
import { gradient, softmax } from "./layers.js";

// the gradient by the pixels of what the attack wants to grow: the loss with `digit` or, if that is a target, minus it
export function ascent(layers, x, digit, targeted) {
  const sign = targeted ? -1 : 1;
  return gradient(layers, x, (logits) => softmax(logits).map((p, k) => sign * (p - (k === digit))));
}

// Each pixel goes by the sign of its slope, and never further than epsilon from where it was, nor past black (0) and
// white (1). One step is the fast gradient sign method: it is longer than epsilon, and what is too much is cut off.
export function attack(layers, x, digit, { epsilon, steps = 1, targeted = false }) {
  const step = (2.5 * epsilon) / steps;
  let now = x;
  for (let k = 0; k < steps; k++) {
    const slope = ascent(layers, now, digit, targeted);
    now = now.map((pixel, at) => {
      const [low, high] = [Math.max(0, x[at] - epsilon), Math.min(1, x[at] + epsilon)];
      return Math.min(high, Math.max(low, pixel + step * Math.sign(slope[at])));
    });
  }
  return now;
}
