// The chapter's small translator, with the multiplicative score: the reader writes a sentence and sees what the network writes
// and where it looks for each word. Arithmetic and names of the weights are those of dlbook/sequences/attentive.py.

import { button, html, row, sentence } from "./kit.js";

const [PAD, START, END, UNKNOWN] = [0, 1, 2, 3], LONGEST = 12;

// matrix (rows, columns) times vector, plus a bias if there is one
function affine({ shape: [rows, columns], values }, vector, bias) {
  return Float64Array.from({ length: rows }, (_, i) => {
    let sum = bias ? bias.values[i] : 0;
    for (let j = 0; j < columns; j++) sum += values[i * columns + j] * vector[j];
    return sum;
  });
}
const line = ({ shape: [, columns], values }, i) => values.slice(i * columns, (i + 1) * columns);
const sigmoid = (u) => 1 / (1 + Math.exp(-u));
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
function softmax(scores) {
  const most = Math.max(...scores), parts = scores.map((score) => Math.exp(score - most));
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((part) => part / sum);
}

// one step of a gated unit in torch's form: r, z, candidate
function step(weights, part, word, state) {
  const named = (name) => weights[`${part}.layer.${name}_l0`], h = state.length;
  const drive = affine(named("weight_ih"), line(weights[`${part}.embedding.weight`], word), named("bias_ih"));
  const product = affine(named("weight_hh"), state, named("bias_hh"));
  return state.map((old, i) => {
    const [r, z] = [0, h].map((gate) => sigmoid(drive[gate + i] + product[gate + i]));
    const candidate = Math.tanh(drive[2 * h + i] + r * product[2 * h + i]);
    return candidate + z * (old - candidate);
  });
}

// Reads `source`, numbers of words that end in END, and writes: the words of `target` if they are given, else its own.
// Returns the words, the scores behind each, and the weights with which each looked at the source.
export function translate(weights, source, target = null) {
  const size = weights["encoder.layer.weight_hh_l0"].shape[1];
  const states = [];
  for (const word of source) states.push(step(weights, "encoder", word, states.at(-1) ?? new Float64Array(size)));
  const keys = states.map((state) => affine(weights["decoder.attention.key.weight"], state));
  let state = states.at(-1), word = START;
  const words = [], scores = [], looks = [];
  while (words.length < (target?.length ?? LONGEST) && word !== END) {
    state = step(weights, "decoder", word, state);
    const look = softmax(keys.map((key) => dot(key, state) / Math.sqrt(size)));
    const seen = state.map((_, i) => look.reduce((sum, weight, j) => sum + weight * states[j][i], 0));
    const inner = affine(weights["decoder.inner.weight"], [...seen, ...state], weights["decoder.inner.bias"]).map(Math.tanh);
    const score = affine(weights["decoder.embedding.weight"], inner, weights["decoder.out.bias"]);
    word = target ? target[words.length] : score.indexOf(Math.max(...score));
    words.push(word), scores.push(score), looks.push(look);
  }
  return { words, scores, looks };
}

// words and signs in lower case, as the chapter cuts them; the apostrophe of a French l' stays with its word
export function tokenize(text) {
  const elision = "(?<![\\p{L}\\p{N}])(?:jusqu|lorsqu|puisqu|quoiqu|quelqu|qu|[cdjlmnst])'(?=[\\p{L}\\p{N}])";
  return text.toLowerCase().replaceAll("’", "'").match(new RegExp(`${elision}|[\\p{L}\\p{N}_]+(?:['-][\\p{L}\\p{N}_]+)*|[^\\s\\p{L}\\p{N}_]`, "gu")) ?? [];
}

export function mount(root, { weights, source, target }) {
  const told = sentence(), table = html("table", { class: "live-looks" });
  const box = html("div", { class: "scroll-x", tabindex: "0", role: "region", "aria-label": "Weights in percent" }, table);
  const field = (label, value, lang) => {
    const input = html("input", { type: "text", lang, value, spellcheck: "false", autocomplete: "off", maxlength: 80 });
    return { input, element: html("label", { class: "live-field" }, html("span", {}, label), input) };
  };
  const english = field("English", "i gave him the book .", "en");
  const french = field("French", "je lui ai donné le livre .", "fr");
  const known = (vocabulary, words) => words.map((word) => Math.max(vocabulary.indexOf(word, UNKNOWN + 1), UNKNOWN));

  function run() {
    const read = tokenize(english.input.value).slice(0, LONGEST), given = tokenize(french.input.value).slice(0, LONGEST);
    const strange = [...read.filter((word, i) => known(source, read)[i] === UNKNOWN), ...given.filter((word, i) => known(target, given)[i] === UNKNOWN)];
    const { words, looks } = translate(weights, [...known(source, read), END], given.length ? [...known(target, given), END] : null);
    const said = words.map((word, i) => (word === END ? "end" : given[i] ?? target[word])), heads = [...read, "end"];
    table.replaceChildren(
      html("thead", {}, html("tr", {}, html("td", {}, "%"), ...heads.map((word) => html("th", { scope: "col" }, html("span", {}, word))))),
      html("tbody", {}, ...said.map((word, i) => html("tr", {}, html("th", { scope: "row", lang: "fr" }, word),
        ...looks[i].map((weight) => html("td", { style: `--w: ${weight.toFixed(3)}` }, String(Math.round(100 * weight))))))));
    const most = said.map((word, i) => [word, heads[looks[i].indexOf(Math.max(...looks[i]))]]).filter(([word]) => /\p{L}/u.test(word) && word !== "end");
    const looked = most.map(([word, head], i) => (i ? `${word} at “${head}”` : `${word} it looks most at “${head}”`));
    told.say([given.length ? "" : `It writes “${said.filter((word) => word !== "end").join(" ")}”.`,
      strange.length ? `Not among its words: ${strange.join(", ")}.` : "",
      most.length ? `For ${looked.join(", for ")}.` : ""].filter(Boolean).join(" "));
  }
  const ask = (e, f, words) => button(words, () => ((english.input.value = e), (french.input.value = f), run()));
  const form = html("form", { submit: (event) => (event.preventDefault(), run()) }, english.element, french.element,
    row(html("button", { type: "submit" }, "Look"), button("Let it write", () => ((french.input.value = ""), run())),
      ask("i do not know him .", "je ne le connais pas .", "Another sentence")));
  root.append(html("div", { class: "live-split" }, html("div", {}, form, told.element,
    html("details", {}, html("summary", {}, `The ${source.length - 4} English words that it knows`), html("p", {}, source.slice(4).join(" ")))), box));
  run();
}
