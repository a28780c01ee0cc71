import assert from "node:assert/strict";
import test from "node:test";

import { verdict } from "../../book/_assets/live/momentum.js";
import { arrival, best, complex, radius, roll, roots, within } from "../../book/_assets/live/rolling.js";

const VALLEY = [1, 25], RULES = ["ball", "ahead"];
const near = (found, expected, off) => assert.ok(Math.abs(found - expected) <= off, `${found}, expected ${expected}`);
const grid = (n) => Array.from({ length: n }, (_, i) => (i + 0.5) / n);

test("the ball moves as in the chapter's example", () => {
  const found = roll("ball", [1], [1], 0.04, 0.64, 3).flat();
  [1, 0.96, 0.896, 0.8192].forEach((expected, k) => near(found[k], expected, 1e-12));
});

test("without momentum both rules are gradient descent", () => {
  for (const rule of RULES) near(roll(rule, VALLEY, [-10, 1], 1 / 13, 0, 5).at(-1)[0], -10 * (12 / 13) ** 5, 1e-12);
});

test("measured distances shrink by the radius that the roots foretell", () => {
  for (const rule of RULES)
    for (const [rate, keep] of [[1 / 13, 0], [0.05, 0.3], [0.055, 0.6], [0.03, 0.9], [0.01, 0.5], [0.045, 0.7], [0.066, 0.2], [0.081, 0]]) {
      const path = roll(rule, VALLEY, [-10, 1], rate, keep, 1000), r = radius(rule, VALLEY, rate, keep);
      // with complex roots the distance swings about r^k: over many steps its largest ratio to it stays the same
      const most = (from) => Math.max(...path.slice(from, from + 100).map((theta, k) => Math.hypot(...theta) / r ** (from + k)));
      near((most(900) / most(500)) ** (1 / 400), 1, 2e-3);
    }
});

test("a direction creeps without change of sign, jumps with one at every step, and swings with some", () => {
  for (const rule of RULES)
    for (const step of grid(20).map((share) => 2.2 * share))
      for (const keep of grid(8)) {
        const { radius: r, manner } = roots(rule, step, keep);
        if (r < 0.2) continue; // too small a number before the slower root is alone
        const signs = roll(rule, [step], [1], 1, keep, 400).slice(300, 400).map(([theta]) => Math.sign(theta));
        const changes = signs.slice(1).filter((sign, k) => sign !== signs[k]).length;
        if (manner === "creeps") assert.equal(changes, 0, `${rule} ${step} ${keep}`);
        else if (manner === "jumps") assert.equal(changes, 99, `${rule} ${step} ${keep}`);
        else assert.ok(changes > 0 && changes < 99, `${rule} ${step} ${keep}: ${changes}`);
      }
});

test("the borders of a radius have it, and between them it is less", () => {
  for (const rule of RULES)
    for (const keep of grid(20))
      for (const r of [0.6, 0.75, 0.9, 1]) {
        const [low, high] = within(rule, keep, r);
        if (low > high) continue;
        near(roots(rule, low, keep).radius, r, 1e-6);
        near(roots(rule, high, keep).radius, r, 1e-6);
        assert.ok(roots(rule, (low + high) / 2, keep).radius < r + 1e-9);
        assert.ok(roots(rule, low - 0.01, keep).radius > r);
        assert.ok(roots(rule, high + 0.01, keep).radius > r);
      }
});

test("roots are complex between the borders and nowhere else", () => {
  for (const rule of RULES)
    for (const keep of grid(20)) {
      const [low, high] = complex(rule, keep);
      for (const [step, manner] of [[low - 1e-4, "creeps"], [low + 1e-4, "swings"], [high - 1e-4, "swings"], [high + 1e-4, "jumps"]])
        assert.equal(roots(rule, step, keep).manner, manner, `${rule} ${step} ${keep}`);
    }
});

test("the best pair has the radius of its theorem, and no pair of a fine grid a smaller one", () => {
  for (const [rule, least] of [["ball", 4 / 6], ["ahead", 1 - 2 / Math.sqrt(76)]]) {
    const { rate, keep } = best(rule, VALLEY);
    near(radius(rule, VALLEY, rate, keep), least, 1e-6);
    for (const x of grid(320)) for (const y of grid(200)) assert.ok(radius(rule, VALLEY, 0.16 * x, y) > least);
  }
});

test("an arrival is the last time, not the first", () => {
  assert.equal(arrival([[4, 3], [0, 0], [1, 0], [0, 0.4], [0, 0.5]], 0.1), 3);
  assert.equal(arrival([[1], [NaN], [Infinity]]), null);
  assert.equal(arrival(roll("ball", VALLEY, [-10, 1], 1 / 13, 0, 300)), 173);
});

test("the sentence names the slower direction, how each moves, and whether the ball is lost", () => {
  const creeping = verdict("ball", 0.02, 0.1); // (1.08 + √(1.08² - 0.4)) / 2, and √0.1
  assert.match(creeping, /^Along the valley the ball creeps \(real roots\), factor 0\.978; across, it swings \(complex roots\), factor 0\.316\./);
  assert.match(creeping, /The way along is the slower one: \d+ steps to a millionth/);
  assert.match(verdict("ball", 0.079, 0), /jumps from wall to wall \(real roots\), factor 0\.975\. The way across is the slower one/);
  assert.match(verdict("ball", 0.002, 0), /more than 2,000 steps/); // ln 10⁶ / 0.002 is 6,900
  assert.match(verdict("ball", 0.09, 0), /^It diverges: .* by 1\.250 in the long run\.$/); // |1 - 2.25|
});
