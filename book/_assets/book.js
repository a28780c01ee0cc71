// What the pages need beyond HTML: names that say what the eye reads, the quiz's count, and folded things opened for paper.
// Nothing here is needed to read: without scripts answers and solutions open all the same.

// the theme's controls carry labels that differ from the words on them; who speaks to the machine says what is read
function nameControls() {
  const wrong = "button.search-button-field, summary[aria-label]";
  for (const control of document.querySelectorAll(wrong)) control.removeAttribute("aria-label");
  for (const toggle of document.querySelectorAll(".bd-sidebar-primary li.has-children > details > summary"))
    toggle.setAttribute("aria-label", `Pages under ${toggle.closest("li").querySelector("a").textContent.trim()}`);
  const brand = document.querySelector(".sidebar-primary-item .navbar-brand")?.closest(".sidebar-primary-item");
  brand?.setAttribute("role", "region");
  brand?.setAttribute("aria-label", "Book");
}

// what scrolls sideways must be reached by keyboard; asked when a first key is pressed, again when a fold opens or the window
// changes, and a few at a time, for each answer lays its box out, which a page of formulas is saved from until it is seen
const SCROLLERS = "pre, .katex-display, .pst-scrollable-table-container, .tag_wide .cell_output";
const idle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 10 })));
function focusScrollers(within) {
  const boxes = [...within.querySelectorAll(SCROLLERS)];
  idle(function some(deadline) {
    while (boxes.length && deadline.timeRemaining() > 2) {
      const box = boxes.shift();
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    }
    if (boxes.length) idle(some);
  });
}

// count the questions whose first opened answer was right
function countQuiz(quiz) {
  const questions = [...quiz.querySelectorAll(".quiz-question")];
  const score = quiz.querySelector(".quiz-score");
  const count = () => {
    const right = questions.filter((q) => q.dataset.first === "right").length;
    const done = questions.filter((q) => q.dataset.first).length;
    if (done) score.textContent = `${right} right at the first try, ${done} of ${questions.length} answered`;
  };
  count(); // what the reader answered on an earlier day
  for (const question of questions) {
    for (const answer of question.querySelectorAll(".quiz-answer")) {
      answer.addEventListener("toggle", () => {
        if (!answer.open || printing) return;
        if (!question.dataset.first) {
          question.dataset.first = answer.classList.contains("quiz-right") ? "right" : "wrong";
          question.dispatchEvent(new Event("quiz-answered", { bubbles: true }));
        }
        count();
      });
    }
  }
}

// a margin note stands before what it annotates, to lie beside it; where there is no margin it comes after
const homes = new Map(); // of notes that were moved: a mark in the place from which they came
function placeNotes(narrow) {
  for (const note of [...document.querySelectorAll("article aside.margin")].reverse()) {
    let block = note.nextElementSibling;
    while (block?.matches("aside.margin")) block = block.nextElementSibling;
    if (narrow.matches && block && !homes.has(note)) {
      homes.set(note, document.createComment("a note"));
      note.before(homes.get(note));
      block.after(note);
    } else if (!narrow.matches && homes.has(note)) {
      homes.get(note).replaceWith(note);
      homes.delete(note);
    }
  }
}

// a link into a folded solution opens it
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
}

let printing = false;
let opened = [];
let theme = "light"; // paper is white
addEventListener("beforeprint", () => {
  printing = true;
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
  opened = [...document.querySelectorAll("details:not([open]):not(.hide)")];
  for (const box of opened) box.open = true;
});
addEventListener("afterprint", () => {
  for (const box of opened) box.open = false;
  document.documentElement.dataset.theme = theme;
  printing = false;
});

document.addEventListener("DOMContentLoaded", () => {
  nameControls();
  const narrow = matchMedia("screen and (max-width: 1199px)"); // as in book.css
  placeNotes(narrow);
  narrow.addEventListener("change", () => placeNotes(narrow));
  addEventListener("keydown", () => {
    document.fonts.ready.then(() => focusScrollers(document));
    document.addEventListener("toggle", (event) => event.target.open && focusScrollers(event.target), true);
    addEventListener("resize", () => focusScrollers(document));
  }, { once: true });
  document.querySelectorAll(".quiz").forEach(countQuiz);
  openTarget();
});
addEventListener("hashchange", openTarget);
