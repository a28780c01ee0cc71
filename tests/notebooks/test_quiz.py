"""A quiz is read, or its fault is named with its line; which answer stands first gives nothing away."""

import re

import pytest

from dlbook.notebooks.quiz import QuizError, answer_order, read_quiz

GOOD = """
- question: 'Which is *linear* in $x$?'
  answers:
    - {text: '$a x$', right: true, why: 'Sums go to sums.'}
    - {text: '$a x + b$', why: 'It is $b$ at zero.'}
- question: How many?
  answers:
    - {text: 3, why: One too many.}
    - {text: 2, right: true, why: 'Yes.'}
    - {text: 1, why: One too few.}
"""
FAULTS = {  # name: (body, line of the body that is at fault, words of the message)
    "none_right": (
        "- question: q\n  answers:\n    - {text: a, why: w}\n    - {text: b, why: w}",
        0,
        "no answer is right",
    ),
    "two_right": (
        "- question: q\n  answers:\n    - {text: a, right: true, why: w}\n    - {text: b, right: true, why: w}",
        3,
        "2 answers are right",
    ),
    "no_why": ("- question: q\n  answers:\n    - {text: a, right: true, why: w}\n    - {text: b}", 3, "no `why`"),
    "empty_why": (
        "- question: q\n  answers:\n    - {text: a, right: true, why: ''}\n    - {text: b, why: w}",
        2,
        "`why`",
    ),
    "unknown_key": (
        "- question: q\n  answers:\n    - {text: a, right: true, why: w}\n    - {text: b, wrong: true, why: w}",
        3,
        "no key 'wrong'",
    ),
    "unknown_question_key": (
        "- question: q\n  hint: h\n  answers:\n    - {text: a, right: true, why: w}",
        1,
        "no key 'hint'",
    ),
    "one_answer": ("- question: q\n  answers:\n    - {text: a, right: true, why: w}", 2, "a list of 2 to"),
    "same_answer": (
        "- question: q\n  answers:\n    - {text: a, right: true, why: w}\n    - {text: a, why: w}",
        0,
        "two answers are the same",
    ),
    "right_is_a_word": (
        "- question: q\n  answers:\n    - {text: a, right: yep, why: w}\n    - {text: b, why: w}",
        2,
        "true or false",
    ),
    "no_yaml": ("- question: q: r\n  answers: []", 0, "not YAML"),
    "no_list": ("question: q", 0, "a list of questions"),
    "empty": ("", 0, "a list of questions"),
}


def test_reads_texts_rights_and_reasons():
    first, second = read_quiz(GOOD)
    assert (first.text, second.text) == ("Which is *linear* in $x$?", "How many?")
    assert [answer.right for answer in first.answers] == [True, False]
    assert [(answer.text, answer.right) for answer in second.answers] == [("3", False), ("2", True), ("1", False)]
    assert second.answers[2].why == "One too few."
    assert (first.line, second.line, second.answers[1].line) == (1, 5, 8)


@pytest.mark.parametrize("name", FAULTS)
def test_names_the_line_of_each_planted_fault(name: str):
    body, line, words = FAULTS[name]
    with pytest.raises(QuizError, match=re.escape(words)) as found:
        read_quiz(body)
    assert found.value.line == line


def test_answers_are_shown_in_an_order_of_their_own_with_letters():
    question = read_quiz(GOOD)[1]
    assert [(letter, answer.text) for letter, answer in question.shown()] == [("A", "1"), ("B", "3"), ("C", "2")]


def test_right_answers_stand_at_every_place_about_equally_often():
    places = [answer_order(f"question {i}", ["right", "one", "two"]).index(0) for i in range(300)]
    assert min(places.count(k) for k in range(3)) > 70
    assert answer_order("q", ["a", "b"]) == answer_order("q", ["a", "b"])
