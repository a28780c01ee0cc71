// Classic scripts as the browser loads them, in a world of their own: what they declare is what this returns. Only what a
// test gives is there of the browser; listeners are taken, and never called.
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";

const assets = new URL("../../book/_assets/", import.meta.url);

export function load(file, browser = {}) {
  const document = { addEventListener() {}, querySelectorAll: () => [], querySelector: () => null, ...browser.document };
  const world = createContext({ URL, URLSearchParams, addEventListener() {}, setTimeout, clearTimeout, ...browser, document });
  runInContext(readFileSync(new URL(file, assets), "utf8"), world, { filename: file });
  return world;
}

// what a script returned, as the objects of this world, which `deepEqual` compares
export const plain = (value) => JSON.parse(JSON.stringify(value));
