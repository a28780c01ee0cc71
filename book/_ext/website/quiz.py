r"""The directive ``{quiz}``: open an answer, and be told at once whether it is right, and why.

Its body is YAML::

    - question: 'Which of them is a *linear* function of $x$?'
      answers:
        - {text: '$a^\top x$', right: true, why: 'It maps sums to sums.'}
        - {text: '$a^\top x + b$', why: 'At $x = 0$ it is $b$.'}

An answer is a ``<details>`` element: it opens by keyboard, by touch and without any script (the script only counts). On
the single page, from which the PDF is printed, the explanations follow after the last question. A mistake in the body
is an error of the build that names page and line.
"""

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from dlbook.notebooks.quiz import Question, QuizError, read_quiz

LOGGER = logging.getLogger(__name__)


class quiz(nodes.General, nodes.Element):  # noqa: N801  (docutils names a visitor after its node's class)
    """A list of questions."""


class quiz_question(nodes.General, nodes.Element):  # noqa: N801
    """A question's text, then its answers."""


class quiz_answer(nodes.General, nodes.Element):  # noqa: N801
    """A :class:`quiz_text`, then the explanation; ``right``, ``letter``."""


class quiz_text(nodes.General, nodes.TextElement):  # noqa: N801
    """What the reader chooses."""


class QuizDirective(SphinxDirective):
    """Read the body, and parse its texts as Markdown."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the quiz, or nothing after an error."""
        try:
            questions = read_quiz("\n".join(self.content))
            return [self.build(questions)]
        except QuizError as error:
            LOGGER.error("quiz: %s", error, location=self.location(error.line), type="quiz")
            self.env.app.statuscode = 1  # an error, with or without -W
            return []

    def location(self, line: int) -> str:
        """Return "path:line" of a line of the body (from 0).

        MyST gives a directive line numbers that count from its cell, so the body is looked up in the file; where two
        quizzes are the same, the first is named.
        """
        path = self.env.doc2path(self.env.docname)
        with open(path, encoding="utf8") as file:
            lines = [row.strip() for row in file]
        body = [row.strip() for row in self.content]
        starts = [
            n for n in range(1, len(lines)) if lines[n : n + len(body)] == body and lines[n - 1].endswith("{quiz}")
        ]
        return f"{path}:{starts[0] + 1 + line}" if starts else path

    def build(self, questions: list[Question]) -> quiz:
        """Return the node of the whole quiz."""
        number = self.env.new_serialno("quiz") + 1
        whole = quiz(ids=[f"quiz-{number}"], classes=["quiz"])
        for n, question in enumerate(questions, 1):
            item = quiz_question(ids=[f"quiz-{number}-{n}"])
            item += self.parse(question.text, question.line)
            for letter, answer in question.shown():
                text = quiz_text()
                text += self.parse_line(answer.text, answer.line)
                item += quiz_answer("", text, *self.parse(answer.why, answer.line), right=answer.right, letter=letter)
            whole += item
        self.set_source_info(whole)
        return whole

    def parse(self, text: str, line: int) -> list[nodes.Node]:
        """Return Markdown as nodes."""
        holder = nodes.Element()
        holder.document = self.state.document
        self.state.nested_parse(StringList(text.splitlines(), source=""), self.content_offset + line, holder)
        return list(holder.children)

    def parse_line(self, text: str, line: int) -> list[nodes.Node]:
        """Return Markdown of a single paragraph as what stands in it."""
        parsed = self.parse(text, line)
        if len(parsed) != 1 or not isinstance(parsed[0], nodes.paragraph):
            raise QuizError(f"an answer's text is one paragraph without displays: {text!r}", line)
        return list(parsed[0].children)


class AnswersAfterQuestions(SphinxPostTransform):
    """On paper nothing can be opened: move the explanations behind the last question."""

    default_priority = 400
    builders = ("singlehtml",)

    def run(self, **kwargs: Any) -> None:
        """Rewrite every quiz as two lists."""
        for whole in list(self.document.findall(quiz)):
            questions, solutions = nodes.enumerated_list(classes=["quiz-questions"]), nodes.enumerated_list()
            for question in whole.findall(quiz_question):
                choices = nodes.enumerated_list(enumtype="upperalpha")
                reasons = nodes.list_item()
                for answer in answers(question):
                    text = next(answer.findall(quiz_text))
                    choices += nodes.list_item("", nodes.paragraph("", "", *text.children))
                    verdict = nodes.strong(
                        "", f"{answer['letter']}, right. " if answer["right"] else f"{answer['letter']}. "
                    )
                    reason = nodes.paragraph("", "", verdict)
                    for child in answer.children[1:]:
                        reason += child.children if isinstance(child, nodes.paragraph) else child
                    reasons += reason
                questions += nodes.list_item(
                    "", *[c for c in question.children if not isinstance(c, quiz_answer)], choices
                )
                solutions += reasons
            title = nodes.paragraph("", "", nodes.strong("", "Answers"))
            whole.replace_self(nodes.container("", questions, title, solutions, classes=["quiz-printed"]))


def answers(question: quiz_question) -> Iterator[quiz_answer]:
    """Yield the answers of a question."""
    return (child for child in question.children if isinstance(child, quiz_answer))


def visit_quiz(self: Any, node: quiz) -> None:
    """Open the list, and leave a place for the script's count."""
    self.body.append(
        self.starttag(node, "div", role="group", **{"aria-label": "Quiz"}) + '<ol class="quiz-questions">\n'
    )


def depart_quiz(self: Any, node: quiz) -> None:
    """Close it."""
    self.body.append('</ol>\n<p class="quiz-score" role="status"></p>\n</div>\n')


def visit_question(self: Any, node: quiz_question) -> None:
    """Open a question."""
    self.body.append(self.starttag(node, "li", CLASS="quiz-question"))


def depart_question(self: Any, node: quiz_question) -> None:
    """Close it."""
    self.body.append("</li>\n")


def visit_answer(self: Any, node: quiz_answer) -> None:
    """Open an answer."""
    state = "right" if node["right"] else "wrong"
    self.body.append(
        f'<details class="quiz-answer quiz-{state}"><summary><span class="quiz-letter">{node["letter"]}</span> '
    )


def depart_answer(self: Any, node: quiz_answer) -> None:
    """Close it."""
    self.body.append("</div></details>\n")


def visit_text(self: Any, node: quiz_text) -> None:
    """Open what the reader chooses."""
    self.body.append('<span class="quiz-text">')


def depart_text(self: Any, node: quiz_text) -> None:
    """Close it, and open what is seen once it was chosen; the verdict stands in words, not only in color."""
    verdict = "Right." if node.parent["right"] else "Not so."
    self.body.append(f'</span></summary>\n<div class="quiz-why"><p class="quiz-verdict">{verdict}</p>')


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("quiz", QuizDirective)
    app.add_post_transform(AnswersAfterQuestions)
    app.add_node(quiz, html=(visit_quiz, depart_quiz))
    app.add_node(quiz_question, html=(visit_question, depart_question))
    app.add_node(quiz_answer, html=(visit_answer, depart_answer))
    app.add_node(quiz_text, html=(visit_text, depart_text))
