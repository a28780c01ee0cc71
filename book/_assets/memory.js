// What the reader has read, answered and opened, kept in this browser and sent nowhere: the landing page offers to go on,
// the sidebar ticks what was read, a quiz remembers its score, a solution that it was opened. One button forgets all of it.

const MEMORY = "deep-learning-executed";
const TICK = "read";

function remembered() {
  try {
    return { pages: {}, ...JSON.parse(localStorage.getItem(MEMORY) ?? "{}") };
  } catch {
    return { pages: {} }; // nothing was kept, what was kept is damaged, or this browser keeps nothing
  }
}

function remember(change) {
  const memory = remembered();
  change(memory);
  try {
    localStorage.setItem(MEMORY, JSON.stringify(memory));
  } catch {
    // a browser that keeps nothing shows the book all the same
  }
}

// "book/convolution/lenet", wherever the site lies
function pageOf(address) {
  const root = new URL(document.documentElement.dataset.content_root, location.href);
  const path = new URL(address, location.href).pathname;
  return path.startsWith(root.pathname) ? path.slice(root.pathname.length).replace(/\.html$/, "") : "";
}

function isChapter(page) {
  return /^book\/(?!api\/)[\w-]+\/[\w-]+$/.test(page);
}

// the answers that were opened first; `countQuiz` counts from them
function recallQuizzes(page) {
  const { quiz = {} } = remembered().pages[page] ?? {};
  for (const question of document.querySelectorAll(".quiz-question"))
    if (quiz[question.id]) question.dataset.first = quiz[question.id];
  document.addEventListener("quiz-answered", ({ target }) =>
    remember((memory) => {
      const own = (memory.pages[page] ??= {});
      (own.quiz ??= {})[target.id] = target.dataset.first;
    }));
}

// the solutions that were opened: a word beside each, so that a second reading knows which exercises are still new
function recallSolutions(page) {
  const { solutions = {} } = remembered().pages[page] ?? {};
  for (const solution of document.querySelectorAll("details.solution[id]")) {
    if (solutions[solution.id]) markOpened(solution);
    solution.addEventListener("toggle", () => {
      if (!solution.open || printing) return;
      markOpened(solution);
      remember((memory) => {
        const own = (memory.pages[page] ??= {});
        (own.solutions ??= {})[solution.id] = true;
      });
    });
  }
}

function markOpened(solution) {
  const line = solution.querySelector("summary");
  if (line.querySelector(".opened")) return;
  const mark = document.createElement("span");
  mark.className = "opened";
  mark.textContent = " · opened";
  line.append(mark);
}

// "19.4 Worse by getting deeper", of a heading with its number and the sign of its link
function titleOf(heading) {
  const copy = heading.cloneNode(true);
  copy.querySelector(".headerlink")?.remove();
  const number = copy.querySelector(".section-number");
  const words = number?.textContent.trim().replace(/\.$/, "") ?? "";
  number?.remove();
  return `${words} ${copy.textContent.trim()}`.trim();
}

// where the reader is, and which sections came into view; when all did, the page is read
function follow(page) {
  const headings = [...document.querySelectorAll("article section > h2")];
  const unseen = new Set(headings);
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries.filter((entry) => entry.isIntersecting)) {
      unseen.delete(target);
      remember((memory) => {
        memory.last = { page, section: target.closest("section").id, title: titleOf(target) };
        if (!unseen.size) (memory.pages[page] ??= {}).read = true;
      });
    }
    if (!unseen.size) tick();
  });
  headings.forEach((heading) => watcher.observe(heading));
}

function tick() {
  const { pages } = remembered();
  for (const link of document.querySelectorAll(".bd-sidebar-primary li > a")) {
    const done = Boolean(pages[pageOf(link.href)]?.read);
    const mark = link.querySelector(`.${TICK}`);
    if (done && !mark) {
      const span = document.createElement("span");
      span.className = TICK;
      span.setAttribute("role", "img");
      span.setAttribute("aria-label", "read");
      span.textContent = " ✓";
      link.append(span);
    } else if (!done) mark?.remove();
  }
}

// on the landing page: go on where you were, or forget
function offerToContinue() {
  const { last, pages } = remembered();
  const place = document.querySelector(".hero-words .start");
  if (!place || !last) return;
  const line = document.createElement("p");
  line.className = "continue";
  const link = document.createElement("a");
  const root = document.documentElement.dataset.content_root;
  link.href = `${root}${last.page}.html#${last.section}`;
  link.textContent = `Continue: ${last.title}`;
  const forget = document.createElement("button");
  forget.type = "button";
  const count = Object.values(pages).filter((page) => page.read).length;
  forget.textContent = count ? `Forget what I read (${count === 1 ? "1 chapter" : `${count} chapters`})` : "Forget what I read";
  forget.addEventListener("click", () => {
    localStorage.removeItem(MEMORY);
    line.remove();
    tick();
  });
  line.append(link, forget);
  place.after(line);
}

document.addEventListener("DOMContentLoaded", () => {
  const page = pageOf(location.href);
  if (isChapter(page)) {
    recallQuizzes(page);
    recallSolutions(page);
    follow(page);
  }
  tick();
  offerToContinue();
});
