import assert from "node:assert/strict";
import test from "node:test";

import { load, plain } from "./scripts.mjs";

const { placeFor, targetOf } = load("previews.js");
const HERE = "https://example.org/book/convolution/lenet.html";

test("links to equations, theorems, figures, tables, works, terms, errata, symbols and chapters are shown, on any page of the site", () => {
  for (const id of ["equation-eq-lenet-maxpool", "fig-a", "tab-a", "thm-a", "def-a", "ex-a", "errata-e30", "id229", "term-margin", "symbols-lenet", "symbol-eq-a-2", "ch-lenet"])
    assert.deepEqual(plain(targetOf(`../x/y.html#${id}`, HERE)), { page: "https://example.org/book/x/y.html", id });
  assert.deepEqual(plain(targetOf("#fig-a", `${HERE}#x`)), { page: HERE, id: "fig-a" });
});

test("links to pages, sections, names of code and other sites are not", () => {
  for (const href of ["resnet.html", "#lenet-5", "../api/a.html#dlbook.a.B", "https://example.com/x.html#fig-a", "#ideas", "#figure"])
    assert.ok(!targetOf(href, HERE), href);
});

const VIEW = { width: 390, height: 800 };
const line = (left, top) => ({ left, right: left + 60, top, bottom: top + 20 });

test("the box stands below its link, or above where there is more room, and covers it nowhere", () => {
  const box = { width: 300, height: 200 };
  assert.deepEqual(plain(placeFor(line(20, 100), box, VIEW)), { left: 20, top: 128, height: 200 });
  assert.deepEqual(plain(placeFor(line(20, 700), box, VIEW)), { left: 20, top: 492, height: 200 }); // 700 - 8 - 200
  assert.deepEqual(plain(placeFor(line(20, 400), { width: 300, height: 900 }, VIEW)).height, 384); // above: 400 - 16
});

test("no box leaves the window, wherever its link is and however large it is", () => {
  for (const width of [374, 300, 100])
    for (const height of [40, 300, 900])
      for (let top = 0; top <= 780; top += 20)
        for (let left = 0; left <= 380; left += 20) {
          const at = placeFor(line(left, top), { width, height }, VIEW);
          assert.ok(at.left >= 8 && at.left + width <= 390 - 8, `left ${at.left}`);
          assert.ok(at.top >= 8 && at.top + at.height <= 800 - 8, `top ${at.top} of a link at ${top}`);
          assert.ok(at.height <= height);
        }
});
