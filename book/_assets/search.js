// The page of search results: Pagefind finds, this file orders what it found and writes it down.
// A chapter explains what a plain word means, and comes before the entry of the API; for a name of code it is the reverse.

const SEARCHED = 24; // answers that are looked into before they are ordered

// a name of code: with a dot, an underscore, a bracket or a digit inside; capitals inside a word only make it likely
function apiWeight(query) {
  if (/\w[._(]|[a-z]\d/.test(query)) return 3;
  return /[a-z][A-Z]/.test(query) ? 1.2 : 0.2;
}

// which share of the words a text has, whatever their endings
function share(words, text) {
  const there = text.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const begins = (word) => there.some((other) => other.startsWith(word.replace(/(ies|s|ing|ed)$/, "")));
  return words.filter(begins).length / Math.max(1, words.length);
}

// how good an answer is: as Pagefind judged it, by where the words stand, and by what kind of page it is
function worth({ score, url, title, headings }, query) {
  const words = query.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 1);
  const aside = /\/(notation|timeline|errata|claims|run-times|benchmarks|api)\.html/.test(url);
  const kind = url.includes("/api/") ? apiWeight(query) : aside ? 0.4 : 1;
  const best = Math.max(0, ...headings.map((heading) => share(words, heading)));
  return (0.2 + score) * kind * (1 + 3 * share(words, title) ** 2) * (1 + 2 * best ** 2);
}

// Sphinx's own search, for a page that was opened as a file and may not fetch: it lists pages, without their words
function searchAsFile(root) {
  for (const file of ["_static/searchtools.js", "_static/language_data.js", "searchindex.js"]) {
    const script = document.createElement("script");
    script.src = root + file;
    script.async = false; // in this order
    document.head.append(script);
  }
}

function item(answer, root) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  link.href = root + answer.url;
  link.textContent = answer.title;
  const context = document.createElement("p");
  context.className = "context";
  context.innerHTML = answer.excerpt; // Pagefind escapes the text and marks the words
  line.append(link);
  if (answer.section) {
    const section = document.createElement("a");
    section.href = root + answer.section.url.replace(/^[./]+/, "");
    section.textContent = answer.section.title;
    line.append(" › ", section);
  }
  line.append(context);
  return line;
}

// the pages that have all words and, where they are few, those that lack one
async function candidates(pagefind, query) {
  const words = query.replace(/[._()]+/g, (mark) => (mark === "_" ? "_" : " ")).split(/\s+/).filter(Boolean);
  const found = new Map();
  const add = async (some, factor) => {
    const { results } = await pagefind.search(some.join(" "));
    for (const result of results)
      if (!found.has(result.id)) found.set(result.id, { ...result, score: factor * result.score });
  };
  await add(words, 1);
  if (found.size < 3 && words.length > 1)
    for (const word of words) await add(words.filter((other) => other !== word), 0.5);
  return [...found.values()];
}

async function searchBook(pagefind, query) {
  const results = await candidates(pagefind, query);
  const found = await Promise.all(results.slice(0, SEARCHED).map(async (result) => {
    const data = await result.data();
    const url = (data.meta.url ?? data.raw_url ?? data.url).replace(/^[./]+/, "");
    const sections = data.sub_results.filter((part) => part.url.includes("#"));
    const answer = { score: result.score, url, title: data.meta.title ?? url, headings: sections.map((part) => part.title) };
    const named = (part) => share(query.toLowerCase().split(/\s+/), part.title);
    const section = sections.toSorted((a, b) => named(b) - named(a))[0]; // sorting keeps the order of equals
    return { ...answer, section, excerpt: section?.excerpt ?? data.excerpt, worth: worth(answer, query) };
  }));
  return { count: results.length, answers: found.sort((a, b) => b.worth - a.worth) };
}

async function show(box) {
  const root = document.documentElement.dataset.content_root;
  const query = new URLSearchParams(location.search).get("q")?.trim();
  if (!query) return;
  for (const input of document.querySelectorAll("form.bd-search input")) input.value = query;
  if (location.protocol === "file:") return searchAsFile(root);
  const pagefind = await import(new URL(`${root}pagefind/pagefind.js`, location.href));
  await pagefind.options({ excerptLength: 30, baseUrl: "/", ranking: { termFrequency: 0.6, pageLength: 0.2 } });
  const { count, answers } = await searchBook(pagefind, query);
  const heading = document.createElement("h2");
  heading.textContent = count === 1 ? "1 page" : `${count} pages`;
  const list = document.createElement("ul");
  list.className = "search";
  list.append(...answers.map((answer) => item(answer, root)));
  const nothing = document.createElement("p");
  nothing.textContent = `Nothing was found for “${query}”.`;
  box.replaceChildren(...(count ? [heading, list] : [nothing]));
}

if (typeof document !== "undefined")
  document.addEventListener("DOMContentLoaded", () => {
    const box = document.getElementById("search-results");
    if (box) show(box);
  });
