"""Edit distance against a search over all edits, the laws of a metric, and published error rates."""

import itertools
import random

import pytest

from dlbook.sequences.word_errors import (
    SEIDE2011,
    edit_distance,
    edits,
    error_rate,
    relative_reduction,
    word_error_rate,
)

WORDS = ["".join(w) for n in range(5) for w in itertools.product("ab", repeat=n)]


def by_search(said, heard):
    """Try all edits breadth first."""
    frontier, distance = {said}, 0
    while heard not in frontier:
        frontier = {
            new
            for word in frontier
            for i in range(len(word) + 1)
            for new in (
                word[:i] + word[i + 1 :],
                *(word[:i] + c + word[i:] for c in "ab"),
                *(word[:i] + c + word[i + 1 :] for c in "ab"),
            )
        }
        distance += 1
    return distance


def test_matches_a_search_over_all_edits():
    draw = random.Random(0)
    for _ in range(60):
        said, heard = draw.choice(WORDS), draw.choice(WORDS)
        assert edit_distance(said, heard) == by_search(said, heard)


def test_is_a_metric():
    draw = random.Random(1)
    for _ in range(300):
        a, b, c = ("".join(draw.choices("abc", k=draw.randrange(9))) for _ in range(3))
        assert (edit_distance(a, b) == 0) == (a == b)
        assert edit_distance(a, b) == edit_distance(b, a)
        assert edit_distance(a, c) <= edit_distance(a, b) + edit_distance(b, c)
        assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))
        assert edit_distance("xy" + a, "xy" + b) == edit_distance(a, b)


def test_edits_add_up_to_the_distance_and_to_the_lengths():
    draw = random.Random(2)
    for _ in range(300):
        a, b = ("".join(draw.choices("abc", k=draw.randrange(9))) for _ in range(2))
        found = edits(a, b)
        assert sum(found) == edit_distance(a, b)
        assert found.insertions - found.deletions == len(b) - len(a)
        assert edits(b, a) == (found.substitutions, found.insertions, found.deletions)


def test_edits_by_hand():
    assert edits("", "ab") == (0, 0, 2)
    assert edits("ab", "") == (0, 2, 0)
    assert edits("abc", "axc") == (1, 0, 0)
    assert edits([1, 2, 3], [2, 3, 4]) == (0, 1, 1)
    assert edits("ab", "ba") == (2, 0, 0)  # as short as one deletion and one insertion


def test_error_rates_by_hand():
    assert error_rate(["abcd", "ab"], ["abd", "ab"]) == 1 / 6
    assert word_error_rate(["one two three four five"], ["one too three five"]) == 2 / 5
    assert word_error_rate(["yes"], ["no no no"]) == 3


def test_reductions_of_the_published_table():
    # (27.4 - 18.5) / 27.4 and (23.6 - 16.1) / 23.6
    assert [round(relative_reduction(*rates), 2) for rates in SEIDE2011.values()] == [32.48, 31.78]
    assert list(SEIDE2011.values()) == [(27.4, 18.5), (23.6, 16.1)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: error_rate(["a"], []), "1 and 0"),
        (lambda: word_error_rate([""], ["a"]), "with 0 items said"),
        (lambda: word_error_rate("ab", ["c", "d"]), "lists of transcripts, found the text 'ab'"),
        (lambda: error_rate(["c", "a", "t"], "cat"), "lists of transcripts, found the text 'cat'"),
        (lambda: relative_reduction(0.0, 1.0), "above zero, found 0.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
