import assert from "node:assert/strict";
import test from "node:test";

import { load, plain } from "./scripts.mjs";

// the storage of a browser, as the standard says
function storage(content = {}) {
  const items = new Map(Object.entries(content));
  return {
    items,
    getItem: (name) => items.get(name) ?? null,
    setItem: (name, value) => items.set(name, String(value)),
    removeItem: (name) => items.delete(name),
    clear: () => items.clear(),
  };
}

const KEY = "deep-learning-executed";
const at = (href, root) => ({ location: { href }, document: { documentElement: { dataset: { content_root: root } } } });

test("what was kept comes back, and nothing, damage or a closed storage are an empty memory", () => {
  const kept = { pages: { "book/a/b": { read: true } }, last: { page: "book/a/b", section: "x", title: "1 X" } };
  assert.deepEqual(plain(load("memory.js", { localStorage: storage({ [KEY]: JSON.stringify(kept) }) }).remembered()), kept);
  for (const content of [{}, { [KEY]: "{damaged" }])
    assert.deepEqual(plain(load("memory.js", { localStorage: storage(content) }).remembered()), { pages: {} });
  const closed = { getItem: () => { throw new Error("denied"); }, setItem: () => { throw new Error("full"); } };
  const world = load("memory.js", { localStorage: closed });
  assert.deepEqual(plain(world.remembered()), { pages: {} });
  world.remember((memory) => (memory.last = 1)); // and shows the book all the same
});

test("a change is kept beside what was there", () => {
  const localStorage = storage({ [KEY]: JSON.stringify({ pages: { a: { read: true } } }) });
  const { remember } = load("memory.js", { localStorage });
  remember((memory) => ((memory.pages.b ??= {}).solutions = { one: true }));
  assert.deepEqual(JSON.parse(localStorage.items.get(KEY)), { pages: { a: { read: true }, b: { solutions: { one: true } } } });
});

test("a page has one name, wherever the site lies and whatever follows in its address", () => {
  for (const root of ["https://example.org/", "https://example.org/some/where/", "file:///home/site/"]) {
    const { pageOf } = load("memory.js", at(`${root}book/convolution/lenet.html#seven-layers`, "../../"));
    assert.equal(pageOf(`${root}book/convolution/lenet.html?q=1#x`), "book/convolution/lenet");
    assert.equal(pageOf("resnet.html"), "book/convolution/resnet");
  }
  const { pageOf } = load("memory.js", at("https://example.org/site/book/index.html", "../"));
  assert.equal(pageOf("https://example.org/other/book/a/b.html"), "", "another site on this host");
});

test("chapters are chapters, and pages of the API are not", () => {
  const { isChapter } = load("memory.js");
  const pages = ["book/convolution/lenet", "book/index", "book/api/convolution", "book/map", "", "book/a/b/c"];
  assert.deepEqual(pages.filter(isChapter), ["book/convolution/lenet"]);
});

test("a place is told by number and title, without the sign of the link", () => {
  const { titleOf } = load("memory.js");
  const heading = (number, words) => {
    const parts = { ".section-number": number && { textContent: number }, ".headerlink": { textContent: "#" } };
    for (const name of Object.keys(parts)) if (parts[name]) parts[name].remove = () => (parts[name] = null);
    const copy = {
      querySelector: (name) => parts[name] || null,
      get textContent() { return `${parts[".section-number"]?.textContent ?? ""}${words}${parts[".headerlink"]?.textContent ?? ""}`; },
    };
    return { cloneNode: () => copy };
  };
  assert.equal(titleOf(heading("21.5. ", "A ball with friction")), "21.5 A ball with friction");
  assert.equal(titleOf(heading(null, "Preface")), "Preface");
});
