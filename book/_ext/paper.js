// Make pages of the site into one document for paper. `paper.py` runs this in the browser that prints: it hands over the
// pages in their order, and this fetches their articles, opens what is folded, moves the answers of each quiz behind its
// questions, and turns links between pages into links within the document.
async ({ pages, title, published }) => {
  const REFERRING = "[href], [aria-labelledby], [aria-describedby], [for], [fill], [stroke], [clip-path], [mask], [marker-end], [marker-start], [filter]";
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const keyOf = (name) => name.replace(/^book\//, "").replace(/\.html$/, "").replaceAll("/", "-");
  const keys = new Map(pages.map(({ name }) => [new URL(name, location.href).pathname, keyOf(name)]));

  // questions with letters, then all answers with their reasons
  function printQuiz(quiz) {
    const answers = make("ol", { className: "paper-answers" });
    for (const question of quiz.querySelectorAll(".quiz-question")) {
      const choices = make("ol", { className: "paper-choices" });
      const reasons = make("li");
      for (const answer of question.querySelectorAll(".quiz-answer")) {
        choices.append(make("li", {}, ...answer.querySelector(".quiz-text").childNodes));
        const letter = answer.querySelector(".quiz-letter").textContent;
        const why = answer.querySelector(".quiz-why");
        why.querySelector(".quiz-verdict").remove();
        const verdict = make("strong", { textContent: answer.matches(".quiz-right") ? `${letter}, right. ` : `${letter}. ` });
        (why.querySelector("p") ?? why).prepend(verdict);
        reasons.append(...why.childNodes);
        answer.remove();
      }
      question.append(choices);
      answers.append(reasons);
    }
    quiz.append(make("p", { className: "paper-answers-title", textContent: "Answers" }), answers);
  }

  // a line of code that is too long goes on under itself, two letters further in
  function hangLines(pre) {
    const open = [];
    const line = (text) => `<span class="paper-line" style="--indent: ${text.replace(/<[^>]*>/g, "").search(/\S|$/) + 2}ch">`;
    const lines = pre.innerHTML.replace(/\n$/, "").split("\n").map((text) => {
      const before = open.join("");
      for (const tag of text.match(/<[^>]+>/g) ?? []) tag.startsWith("</") ? open.pop() : open.push(tag);
      return `${line(text)}${before}${text || "\u200b"}${open.map((tag) => `</${tag.match(/^<(\w+)/)[1]}>`).reverse().join("")}</span>`;
    });
    pre.innerHTML = lines.join("");
  }

  // where a link of a page leads in the document; nowhere if its page is not part of it and the book is not published
  function target(href, base) {
    const url = new URL(href, base);
    if (url.origin !== location.origin) return href;
    const key = keys.get(url.pathname);
    const place = decodeURIComponent(url.hash.slice(1));
    const setting = place.includes("="); // of the playground: on paper there is only its page
    if (key) return `#${key}${place && !setting ? `--${place}` : ""}`;
    return published ? new URL(url.pathname.slice(1) + url.hash, published).href : null;
  }

  function rewrite(article, key, base) {
    for (const link of article.querySelectorAll("a[href]")) {
      const href = target(link.getAttribute("href"), base);
      if (href === null) link.removeAttribute("href");
      else link.setAttribute("href", href);
      link.removeAttribute("title");
      link.removeAttribute("target");
    }
    for (const image of article.querySelectorAll("img")) {
      image.src = new URL(image.getAttribute("src"), base).href;
      image.loading = "eager";
      image.decoding = "sync";
    }
    for (const element of article.querySelectorAll(REFERRING))
      for (const attribute of element.attributes) {
        if (["aria-labelledby", "aria-describedby", "for"].includes(attribute.name))
          attribute.value = attribute.value.split(/\s+/).map((id) => `${key}--${id}`).join(" ");
        else if (attribute.value.startsWith("url(#")) attribute.value = attribute.value.replace("#", `#${key}--`);
        else if (attribute.name === "href" && element.localName === "use") attribute.value = attribute.value.replace("#", `#${key}--`);
      }
    for (const element of article.querySelectorAll("[id]")) element.id = `${key}--${element.id}`;
  }

  async function chapter({ name }) {
    const base = new URL(name, location.href);
    const parsed = new DOMParser().parseFromString(await (await fetch(base)).text(), "text/html");
    const article = document.adoptNode(parsed.querySelector("article"));
    const key = keyOf(name);
    article.querySelectorAll("script, button, .headerlink, .quiz-score, .controls, .no-paper, details.hide:not([open])")
      .forEach((element) => element.remove());
    article.querySelectorAll("details").forEach((fold) => fold.open = true);
    article.querySelectorAll(".quiz").forEach(printQuiz);
    article.querySelectorAll(".cell_input pre").forEach(hangLines);
    // a margin note comes after what it annotates, for paper has no margin wide enough
    for (const note of [...article.querySelectorAll("aside.margin")].reverse()) {
      let block = note.nextElementSibling;
      while (block?.matches("aside.margin")) block = block.nextElementSibling;
      block?.after(note);
    }
    rewrite(article, key, base);
    article.id = key;
    return article;
  }

  // on paper nothing scrolls: what is wider than the page becomes smaller, down to a limit under which it is reported
  function fit() {
    const left = [];
    const boxes = [...document.querySelectorAll(".katex-display, .cell_output pre, table.table")].map((box) => {
      const room = (box.matches("table") ? box.parentElement : box).clientWidth;
      const inner = box.matches(".katex-display") ? box.querySelector(".katex-html") : box;
      return [box, room, Math.max(inner.scrollWidth, box.matches("table") ? box.offsetWidth : 0)];
    });
    for (const [box, room, needed] of boxes)
      if (needed > room + 1 && room) {
        const scale = (room / needed) * 0.99;
        box.style.fontSize = `${Math.max(scale, 0.6)}em`;
        if (scale < 0.6) left.push(`${box.className} ${box.textContent.slice(0, 40)}`);
      }
    return left;
  }

  const main = document.querySelector("main");
  const running = [];
  const articles = await Promise.all(pages.map(chapter));
  if (title) {
    const list = make("ol");
    let part = null;
    for (const page of pages) {
      if (page.part !== part) list.append(make("li", { className: "paper-part", textContent: (part = page.part) }));
      list.append(make("li", {}, make("a", { href: `#${keyOf(page.name)}` },
        make("span", { textContent: page.title }), make("span", { className: "paper-number", textContent: page.number ?? "000" }))));
    }
    main.append(make("header", { className: "paper-title" }, make("h1", { textContent: title }), make("p", { textContent: "The pages of the site as they were built: every number in the text was computed by the code beside it." }), make("p", { textContent: "Text and figures CC BY 4.0, code MIT." })));
    main.append(make("nav", { className: "paper-contents bd-article", ariaLabel: "Contents" }, make("h1", { textContent: "Contents" }), list));
  }
  articles.forEach((article, n) => {
    const head = JSON.stringify(pages[n].title);
    running.push(`@page p${n} { @top-left { content: ${head}; } } #${article.id} { page: p${n}; }`);
    main.append(article);
  });
  document.head.append(make("style", { textContent: running.join("\n") }));
  const wide = fit();
  const ids = new Set([...document.querySelectorAll("[id]")].map((element) => element.id));
  const inner = [...document.querySelectorAll('a[href^="#"]')].map((link) => decodeURIComponent(link.getAttribute("href").slice(1)));
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await document.fonts.ready;
  return { inner: inner.length, dead: [...new Set(inner.filter((id) => !ids.has(id)))],
    wide,
    broken: [...document.images].filter((image) => !image.naturalWidth).map((image) => image.src) };
}
