"""BLEU against its paper's examples, sacrebleu, and loops over positions."""

import math
import random

import pytest
import torch
from sacrebleu.metrics import BLEU

from common import stream
from dlbook.sequences.bleu import bleu, clipped_counts

REFERENCES = [
    "it is a guide to action that ensures that the military will forever heed party commands",
    "it is the guiding principle which guarantees the military forces always being under the command of the party",
    "it is the practical guide for the army always to heed the directions of the party",
]
CANDIDATES = [
    "it is a guide to action which ensures that the military always obeys the commands of the party",
    "it is to insure the troops forever hearing the activity guidebook that party direct",
]


def by_positions(hypothesis, references, order):
    """Match every run of a hypothesis with a place of its own in a reference, one reference at a time."""
    runs = [tuple(hypothesis[i : i + order]) for i in range(len(hypothesis) - order + 1)]
    right = 0
    for run in dict.fromkeys(runs):
        places = [
            sum(tuple(reference[i : i + order]) == run for i in range(len(reference) - order + 1))
            for reference in references
        ]
        right += min(runs.count(run), max(places))
    return right, len(runs)


def test_examples_of_papineni_et_al():
    # their examples 1 and 2: 17 of 18, 8 of 14 single words; 10 of 17, 1 of 13 pairs; "the" seven times: 2 of 7
    references = [reference.split() for reference in REFERENCES]
    first, second = (candidate.split() for candidate in CANDIDATES)
    assert clipped_counts(first, references, 1) == (17, 18)
    assert clipped_counts(second, references, 1) == (8, 14)
    assert clipped_counts(first, references, 2) == (10, 17)
    assert clipped_counts(second, references, 2) == (1, 13)
    mat = ["the cat is on the mat".split(), "there is a cat on the mat".split()]
    assert clipped_counts(["the"] * 7, mat, 1) == (2, 7)


def test_one_sentence_by_hand():
    # le chat noir dort . against le chat noir dort ici .: 5/5, 3/4, 2/3, 1/2; one word too short: exp(1 - 6/5)
    found = bleu(["le chat noir dort .".split()], [["le chat noir dort ici .".split()]])
    assert math.isclose(found, 100 * math.exp(-0.2) * (1 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25, rel_tol=1e-12)


def test_counts_are_added_before_they_are_divided():
    # 1 of 1 and 1 of 3 words: 2 of 4, not the mean of 1 and 1/3
    assert math.isclose(bleu([["a"], ["b", "x", "y"]], [[["a"]], [["b", "c", "d"]]], max_order=1), 50)


def test_the_closest_reference_counts_and_of_two_the_shorter():
    # three words; references of two and four: the shorter one, no penalty; of four and seven: four, exp(1 - 4/3)
    words = list("abcdefg")
    assert math.isclose(bleu([words[:3]], [[words[:4], words[:2]]], max_order=1), 100)
    assert math.isclose(bleu([words[:3]], [[words, words[:4]]], max_order=1), 100 * math.exp(-1 / 3))


def corpora(count):
    """Yield answers that are references with some words changed or left out, and references of unequal numbers."""
    rng = random.Random(0)
    for _ in range(count):
        references = [
            [[rng.choice("abcd") for _ in range(rng.randint(4, 13))] for _ in range(rng.randint(1, 3))]
            for _ in range(rng.randint(1, 7))
        ]
        answers = [
            [word if rng.random() < 0.8 else rng.choice("abcd") for word in rng.choice(own) if rng.random() < 0.9]
            for own in references
        ]
        yield answers, references


def test_equals_sacrebleu():
    metric = BLEU(tokenize="none", smooth_method="none")
    found = []
    for answers, references in corpora(97):
        most = max(map(len, references))
        padded = [own + [None] * (most - len(own)) for own in references]  # sacrebleu wants a list for each place
        columns = [[own and " ".join(own) for own in column] for column in zip(*padded, strict=True)]
        wanted = metric.corpus_score([" ".join(answer) for answer in answers], columns).score
        found.append(bleu(answers, references))
        assert math.isclose(found[-1], wanted, rel_tol=1e-12)
    assert sum(0 < score < 100 for score in found) > 50


def test_clipping_by_positions():
    draws = torch.randint(0, 3, (29, 4, 7), generator=stream()).tolist()
    for hypothesis, *references in draws:
        for order in (1, 2, 3):
            assert clipped_counts(hypothesis, references, order) == by_positions(hypothesis, references, order)


def test_laws():
    sentences = [list("abcde"), list("fghijkl")]
    assert math.isclose(bleu(sentences, [[s] for s in sentences]), 100)
    assert math.isclose(bleu(sentences, [[list("zz"), s] for s in sentences]), 100)
    assert bleu([list("abcx")], [[list("abcd")]]) == 0  # no run of four
    assert bleu([list("abc")], [[list("abc")]]) == 0  # too short to have one
    assert bleu([[]], [[list("abc")]]) == 0
    more = [[list("abxdefg")], [list("abxdefg"), list("abcdefz")]]
    assert bleu([list("abcdefg")], [more[0]]) < bleu([list("abcdefg")], [more[1]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bleu([], []), "found 0 hypotheses and references for 0"),
        (lambda: bleu([["a"]], []), "found 1 hypotheses and references for 0"),
        (lambda: bleu([["a"]], [[]]), r"sentence 0 .*found \[\]"),
        (lambda: bleu([["a"], ["b"]], [[["a"]], ["b"]]), "sentence 1 is a list of words"),
        (lambda: bleu(["a b"], [[["a"]]]), "sentence 0 is a list of words"),
        (lambda: bleu([["a"]], [[["a"]]], max_order=0), "found 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
