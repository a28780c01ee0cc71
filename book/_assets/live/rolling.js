// Momentum on a bowl, by the heavy ball or by Nesterov's rule: the path, and what its characteristic polynomial foretells.
// `step` is the rate times a curvature; `keep` the share α of the velocity that stays.

// every point of the path, the start first; Nesterov's points are those ahead, as libraries keep them
export function roll(rule, curvatures, start, rate, keep, steps) {
  const path = [start];
  let velocity = start.map(() => 0);
  for (let t = 0; t < steps; t++) {
    const slope = curvatures.map((curvature, i) => curvature * path[t][i]);
    velocity = velocity.map((v, i) => keep * v + slope[i]);
    const way = rule === "ball" ? velocity : velocity.map((v, i) => slope[i] + keep * v);
    path.push(path[t].map((c, i) => c - rate * way[i]));
  }
  return path;
}

// sum and product of the two roots: of z² - (1 + α - s) z + α, and of z² - (1 + α)(1 - s) z + α (1 - s)
const polynomial = { ball: (step, keep) => [1 + keep - step, keep], ahead: (step, keep) => [(1 + keep) * (1 - step), keep * (1 - step)] };

// the larger absolute value of the roots, and how a direction with such roots moves
export function roots(rule, step, keep) {
  const [sum, product] = polynomial[rule](step, keep), inside = sum * sum - 4 * product;
  if (inside < 1e-9 && product > 0) return { radius: Math.sqrt(product), manner: "swings" }; // rounded, where they meet
  return { radius: (Math.abs(sum) + Math.sqrt(Math.max(0, inside))) / 2, manner: sum < 0 ? "jumps" : "creeps" };
}

// of a whole bowl: the direction that is slowest decides
export const radius = (rule, curvatures, rate, keep) => Math.max(...curvatures.map((curvature) => roots(rule, rate * curvature, keep).radius));

// the steps between which no root is above `r` in absolute value, [least, greatest]; with least > greatest there are none
export function within(rule, keep, r) {
  if (rule === "ball") return keep > r * r ? [1, 0] : [((1 - r) * (r - keep)) / r, ((1 + r) * (r + keep)) / r];
  const real = (1 + keep) * r - keep; // the roots for the least step are complex where r < 2α / (1 + α)
  return [1 - (r * (1 + keep) < 2 * keep ? (r * r) / keep : (r * r) / real), 1 + (r * r) / ((1 + keep) * r + keep)];
}

// the steps between which the roots are complex
export const complex = (rule, keep) => rule === "ball" ? [(1 - Math.sqrt(keep)) ** 2, (1 + Math.sqrt(keep)) ** 2] : [((1 - keep) / (1 + keep)) ** 2, 1];

// the pair whose slowest direction is fastest: Polyak (1964), and for the bowl and Nesterov's rule Lessard et al. (2014), Table 1
export function best(rule, [least, greatest]) {
  const root = Math.sqrt(rule === "ball" ? greatest / least : 3 * (greatest / least) + 1), lead = rule === "ball" ? 1 : 2;
  const keep = (root - lead) / (root + lead);
  return rule === "ball" ? { rate: 4 / (Math.sqrt(greatest) + Math.sqrt(least)) ** 2, keep: keep ** 2 } : { rate: 4 / (3 * greatest + least), keep };
}

// after how many steps the distance stays below a share of the start's; none if it does not within the path
export function arrival(path, share = 1e-6) {
  const far = path.findLastIndex((theta) => !(Math.hypot(...theta) <= share * Math.hypot(...path[0])));
  return far + 1 < path.length ? far + 1 : null;
}
