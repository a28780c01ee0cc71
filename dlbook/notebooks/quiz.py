"""What a quiz is: questions in YAML, read by the site and by the notebooks by the same rules."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

LETTERS = "ABCDEFGH"


@dataclass
class Answer:
    """One thing to choose."""

    text: str
    right: bool
    why: str
    line: int  # within the body, from 0


@dataclass
class Question:
    """One question with its answers."""

    text: str
    line: int
    answers: list[Answer] = field(default_factory=list)

    def shown(self) -> list[tuple[str, Answer]]:
        """Return the answers with their letters, in the order in which they are shown."""
        order = answer_order(self.text, [answer.text for answer in self.answers])
        return [(letter, self.answers[i]) for letter, i in zip(LETTERS, order, strict=False)]


class QuizError(ValueError):
    """What is wrong with a quiz, and on which line of its body (from 0)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_quiz(body: str) -> list[Question]:
    """Return the questions that YAML text holds.

    Raises
    ------
    QuizError
        If it is no YAML, or not a list of questions with two answers or more of which exactly one is right, each with a
        text and a reason; and if a key is unknown, for that is a typing error.
    """
    try:
        root = yaml.compose(body, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        raise QuizError(
            f"not YAML: {error.problem} (quote a text with a colon, a brace or a backslash)", line
        ) from error
    if not isinstance(root, yaml.SequenceNode) or not root.value:
        raise QuizError("a quiz is a list of questions, each `- question: ...`", 0)
    return [read_question(node) for node in root.value]


def read_question(node: yaml.Node) -> Question:
    """Read one item of the list."""
    keys = read_mapping(node, "a question", allowed={"question", "answers"}, needed={"question", "answers"})
    question = Question(read_text(keys["question"], "question"), node.start_mark.line)
    answers = keys["answers"]
    if not isinstance(answers, yaml.SequenceNode) or not 2 <= len(answers.value) <= len(LETTERS):
        raise QuizError(f"`answers` is a list of 2 to {len(LETTERS)}", answers.start_mark.line)
    question.answers = [read_answer(answer) for answer in answers.value]
    right = [answer for answer in question.answers if answer.right]
    if not right:
        raise QuizError(f"no answer is right: {question.text!r}", question.line)
    if len(right) > 1:
        raise QuizError(f"{len(right)} answers are right, one must be: {question.text!r}", right[1].line)
    texts = [answer.text for answer in question.answers]
    if len(set(texts)) < len(texts):
        raise QuizError(f"two answers are the same: {question.text!r}", question.line)
    return question


def read_answer(node: yaml.Node) -> Answer:
    """Read one answer."""
    keys = read_mapping(node, "an answer", allowed={"text", "right", "why"}, needed={"text", "why"})
    right = keys.get("right")
    if right is not None and right.tag != "tag:yaml.org,2002:bool":
        raise QuizError("`right` is true or false", right.start_mark.line)
    return Answer(
        text=read_text(keys["text"], "text"),
        right=right is not None and right.value.lower() in {"true", "yes", "on"},
        why=read_text(keys["why"], "why"),
        line=node.start_mark.line,
    )


def read_mapping(node: yaml.Node, what: str, *, allowed: set[str], needed: set[str]) -> dict[str, yaml.Node]:
    """Return a mapping's values by key, after checking the keys."""
    if not isinstance(node, yaml.MappingNode):
        raise QuizError(f"{what} has the keys {', '.join(sorted(allowed))}", node.start_mark.line)
    keys: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if key.value not in allowed:
            raise QuizError(f"{what} has no key {key.value!r}, only {', '.join(sorted(allowed))}", key.start_mark.line)
        if key.value in keys:
            raise QuizError(f"{what} has `{key.value}` twice", key.start_mark.line)
        keys[key.value] = value
    for name in sorted(needed - set(keys)):
        raise QuizError(f"{what} has no `{name}`", node.start_mark.line)
    return keys


def read_text(node: yaml.Node, key: str) -> str:
    """Return the text of a scalar; numbers are texts here too (``text: 3``)."""
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise QuizError(
            f"`{key}` is a text, found none (quote a text that has a brace or a colon)", node.start_mark.line
        )
    return str(node.value)


def answer_order(question: str, answers: Sequence[str]) -> list[int]:
    """Return in which order the answers of a quiz are shown: one that gives nothing away and never changes.

    Authors like to write the right answer first.

    Examples
    --------
    >>> answer_order("Is 7 prime?", ["Yes.", "No.", "Who knows?"])
    [1, 2, 0]
    """
    return sorted(range(len(answers)), key=lambda i: hashlib.sha256(f"{question}\n{answers[i]}".encode()).digest())
