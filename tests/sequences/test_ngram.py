"""Counting against loops over the text, sums to one, and rows worked by hand."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from dlbook.data import king_james
from dlbook.sequences.ngram import NGram

TEXT = "\n".join(king_james()[:40])
NEW = "\n".join(king_james()[20_000:20_010])
ALPHABET = "".join(sorted(set(TEXT + NEW)))


def by_loop(text, alphabet, order, context, letter):
    """Witten and Bell's estimate, one context at a time, from dictionaries."""
    p = 1 / len(alphabet)
    for n in range(1, order + 1):
        if n - 1 > len(context):
            break
        after = defaultdict(Counter)
        for i in range(len(text) - n + 1):
            after[text[i : i + n - 1]][text[i + n - 1]] += 1
        seen = after[context[len(context) - (n - 1) :]]
        if seen:
            p = (seen[letter] + len(seen) * p) / (sum(seen.values()) + len(seen))
    return p


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_matches_a_loop_on_text_that_was_not_counted(order):
    model = NGram(TEXT[:900], order, alphabet=ALPHABET)
    found = model.log2(NEW[:120])
    for i in range(120):
        wanted = by_loop(TEXT[:900], ALPHABET, order, NEW[max(0, i - order + 1) : i], NEW[i])
        assert math.isclose(found[i], math.log2(wanted), rel_tol=1e-9)


def test_by_hand():
    # abracadabra: b came twice of 11, 5 kinds: (2 + 5/5) / 16; after a four letters of three kinds: (2 + 3 p(b)) / 7
    assert math.isclose(2 ** NGram("abracadabra", 2).log2("ab")[1], (2 + 3 * 3 / 16) / 7)


@pytest.mark.parametrize("context", ["", "the ", "And God s", "zzzz", "\n\n"])
def test_probabilities_of_all_letters_sum_to_one(context):
    model = NGram(TEXT, 4, alphabet=ALPHABET)
    total = sum(2 ** model.log2(context + letter)[-1] for letter in ALPHABET)
    assert math.isclose(total, 1, rel_tol=1e-12)


def test_longer_contexts_help_until_they_are_too_rare():
    verses = king_james()
    text, test = "\n".join(verses[:6000]), "\n".join(verses[6000:6100])
    alphabet = "".join(sorted(set(text + test)))
    bits = [NGram(text, n, alphabet=alphabet).bits(test) for n in range(1, 9)]
    assert bits[0] > bits[1] > bits[2] > bits[3]
    assert bits[7] > min(bits)


def test_counts_are_one_for_each_run_that_occurred():
    assert len(NGram("abab", 2)) == 2 + 2  # a, b; ab, ba
    assert len(NGram("aaaa", 3)) == 3


@pytest.mark.parametrize("order", [1, 2, 4, 5])
def test_a_shorter_model_is_the_one_that_was_counted_for_its_order(order):
    longest, alone = NGram(TEXT, 5, alphabet=ALPHABET), NGram(TEXT, order, alphabet=ALPHABET)
    model = longest.shorter(order)
    assert (model.order, len(model)) == (order, len(alone))
    assert np.array_equal(model.log2(NEW), alone.log2(NEW))
    assert np.array_equal(longest.log2(NEW), NGram(TEXT, 5, alphabet=ALPHABET).log2(NEW))  # it has lost nothing


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NGram("ab", 0), "order is at least 1"),
        (lambda: NGram("ab", 2).shorter(3), "whole number from 1 to 2, found 3"),
        (lambda: NGram("ab", 2).shorter(1.5), "whole number from 1 to 2, found 1.5"),
        (lambda: NGram("ab", 2).shorter(0), "whole number from 1 to 2, found 0"),
        (lambda: NGram("", 2), "found 2 and 0 characters"),
        (lambda: NGram("ab", 2).log2("abc"), "'c' is not in the alphabet"),
        (lambda: NGram("ab", 2).log2("a\U0001f600"), "is not in the alphabet"),
        (lambda: NGram("abc", 2, alphabet="ab"), "'c' is not in the alphabet"),
        (lambda: NGram("ab", 63), "2 characters to the power of order = 63"),
        (lambda: NGram("ab", 2).bits(""), "there is no character"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bits_are_the_mean_surprise():
    model = NGram(TEXT, 3, alphabet=ALPHABET)
    assert math.isclose(model.bits(NEW), -np.mean(model.log2(NEW)))
