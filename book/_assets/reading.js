// When the quiz that opens a chapter went wrong, say what to read first: the links of what the chapter needs, which
// stand in its head. Without scripts they stand there all the same.

const wentWrong = (questions) => questions.some((question) => question.dataset.first === "wrong");

function adviseBefore(quiz) {
  const links = document.querySelectorAll(".at-a-glance dd.needs a.reference.internal");
  const questions = [...quiz.querySelectorAll(".quiz-question")];
  if (!links.length) return;
  const line = document.createElement("p");
  line.className = "quiz-before";
  line.setAttribute("role", "status"); // empty at first, so that what comes is read out
  quiz.append(line);
  const advise = () => {
    if (!wentWrong(questions) || line.hasChildNodes()) return;
    line.append("Before you go on: ");
    links.forEach((link, n) => line.append(n ? ", " : "", link.cloneNode(true)));
    line.append(".");
  };
  advise();
  quiz.addEventListener("quiz-answered", advise);
}

document.addEventListener("DOMContentLoaded", () => {
  const quiz = document.querySelector("article .quiz");
  if (quiz) adviseBefore(quiz);
});
