// What the reader has read and answered, kept in this browser and sent nowhere: the landing page offers to go on, the
// sidebar ticks what was read, a quiz remembers its score. One button forgets all of it.

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

const isChapter = (page) => /^book\/(?!api\/)[\w-]+\/[\w-]+$/.test(page);

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

// where the reader is, and which sections came into view; when all did, the page is read
function follow(page) {
  const headings = [...document.querySelectorAll("article section > h2")];
  const unseen = new Set(headings);
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries.filter((entry) => entry.isIntersecting)) {
      unseen.delete(target);
      const heading = target.cloneNode(true);
      heading.querySelector(".headerlink")?.remove();
      remember((memory) => {
        memory.last = { page, section: target.closest("section").id, title: heading.textContent.trim() };
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
    follow(page);
  }
  tick();
  offerToContinue();
});
