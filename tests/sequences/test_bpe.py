"""Byte pairs against a second implementation that recounts everything after each merge, and by hand."""

import random

import pytest

from dlbook.data import king_james
from dlbook.sequences.bpe import BPE, WORD

VERSES = king_james()
SOME = "\n".join(VERSES[:60]) + "\n"


def slow(text, size):
    """Return units and merges: every pair is counted anew in every word of the text, where it stands."""
    units = sorted(set(text))
    words = [list(word) for word in WORD.findall(text)]
    merges = []
    while len(units) < size:
        counts = {}
        for word in words:
            for i in range(len(word) - 1):
                key = word[i], word[i + 1]
                counts[key] = counts.get(key, 0) + 1
        if not counts:
            break
        most = max(counts.values())
        left, right = min(
            (k for k in counts if counts[k] == most), key=lambda k: (units.index(k[0]), units.index(k[1]))
        )
        merges.append((left, right))
        units.append(left + right)
        words = [replace(word, left, right) for word in words]
    return units, merges, words


def replace(word, left, right):
    done, rest = [], word
    while rest:
        if rest[:2] == [left, right]:
            done, rest = [*done, left + right], rest[2:]
        else:
            done, rest = [*done, rest[0]], rest[1:]
    return done


@pytest.mark.parametrize(("text", "size"), [(SOME, 160), ("aaaa aaa aaaaa a", 5), ("abab abc, cab! ...\n\n  x", 99)])
def test_matches_an_implementation_that_recounts_everything(text, size):
    ours = BPE(text, size)
    units, merges, words = slow(text, size)
    assert ours.units == units
    assert [(ours.units[a], ours.units[b]) for a, b in ours.merges] == merges
    assert [ours.units[number] for number in ours.encode(text)] == [unit for word in words for unit in word]


def test_by_hand():
    # " aab" twice and " ab" once: " a" and "ab" three times each, and the older units go first; then "ab" twice, " aab"
    ours = BPE(" aab aab ab", 6)
    assert ours.units == [" ", "a", "b", " a", "ab", " aab"]
    assert ours.encode(" ab aab") == [3, 2, 5]


def test_other_text_takes_the_merges_in_the_order_they_were_learned():
    text = "\n".join(VERSES[5000:5050])
    ours = BPE(SOME, 300, alphabet=text)
    words = [list(word) for word in WORD.findall(text)]
    for left, right in ours.merges:
        words = [replace(word, ours.units[left], ours.units[right]) for word in words]
    assert [ours.units[number] for number in ours.encode(text)] == [unit for word in words for unit in word]


def test_any_text_comes_back():
    ours, draws = BPE(SOME, 200, alphabet="\t é"), random.Random(0)
    characters = [unit for unit in ours.units if len(unit) == 1]
    for _ in range(300):
        text = "".join(draws.choices(characters, k=draws.randrange(40)))
        assert ours.decode(ours.encode(text)) == text
    assert ours.decode(ours.encode("")) == ""


def test_more_units_need_fewer_of_them():
    lengths = [len(BPE(SOME, size).encode(SOME)) for size in (70, 100, 200, 400)]
    assert lengths == sorted(lengths, reverse=True)
    assert len(BPE(SOME, 10_000)) < 10_000  # no pair is left
    assert BPE("abc", 3).units == ["a", "b", "c"]


def test_pairs_never_reach_across_words():
    assert all(WORD.fullmatch(unit) for unit in BPE(SOME, 600).units)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BPE("", 5), "the text is empty"),
        (lambda: BPE("abc", 2), "3 characters, found vocabulary_size = 2"),
        (lambda: BPE("abc", 5).encode("abd"), "'d' is not among the units"),
        (lambda: BPE("abc", 5).decode([0, 5]), "numbered 0 to 4, found 5"),
        (lambda: BPE("abc", 5).decode([-1]), "found -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
