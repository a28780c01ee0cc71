import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./scripts.mjs";

const { apiWeight, share, worth } = load("search.js");
const answer = (url, title, headings = [], score = 1) => ({ url, title, headings, score });

test("what looks like code is asked of the API, a plain word of the chapters", () => {
  for (const name of ["ctc_loss", "torch.nn", "fit(", "conv2d"]) assert.equal(apiWeight(name), 3, name);
  for (const word of ["perceptron", "LSTM", "CTC", "weight decay"]) assert.equal(apiWeight(word), 0.2, word);
  assert.ok(apiWeight("MultiHeadAttention") > 1 && apiWeight("MultiHeadAttention") < 3, "it only may be code");
});

test("words are found whatever their endings", () => {
  assert.equal(share(["networks"], "Residual network"), 1);
  assert.equal(share(["pooled", "layers"], "Pooling"), 0.5); // pool-, and no layer
  assert.equal(share(["at"], "cats"), 0, "not inside of words");
  assert.equal(share([], "anything"), 0);
});

test("a chapter comes before the API for a word, and after it for a name of code", () => {
  const chapter = answer("book/sequences/attention.html", "Attention");
  const api = answer("book/api/sequences.html", "Attention");
  assert.ok(worth(chapter, "attention") > worth(api, "attention"));
  assert.ok(worth(chapter, "attention.scores") < worth(api, "attention.scores"));
});

test("a title outweighs a heading, a heading outweighs the text, and lists come last", () => {
  const query = "weight decay";
  const title = answer("book/a/b.html", "Weight decay");
  const heading = answer("book/a/c.html", "Norms", ["Weight decay is not a gradient"]);
  const text = answer("book/a/d.html", "Norms");
  const list = answer("book/errata.html", "Errata", ["Weight decay"]);
  const sorted = [list, text, heading, title].sort((a, b) => worth(b, query) - worth(a, query));
  assert.deepEqual(sorted.map((one) => one.url), ["book/a/b.html", "book/a/c.html", "book/errata.html", "book/a/d.html"]);
  assert.ok(worth({ ...text, score: 2 }, query) > worth(text, query), "and Pagefind's own judgment counts");
});
