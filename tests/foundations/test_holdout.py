"""Splits against the laws of a partition, copies against comparing every pair, and a test set opened twice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook.foundations.holdout import Sealed, shared_rows, split


@settings(deadline=None, max_examples=50, derandomize=True)
@given(st.lists(st.integers(0, 9), min_size=40, max_size=83), st.integers(0, 1000))
def test_parts_are_disjoint_complete_and_share_no_example(values, seed):
    x = np.column_stack([np.zeros(len(values), dtype=int), values])
    if len(set(values)) < 8:
        return
    parts = split(x, [0.4, 0.3, 0.3], rng=np.random.default_rng(seed))
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(x)))
    kinds = [set(x[part, 1].tolist()) for part in parts]
    assert sum(map(len, kinds)) == len(set.union(*kinds))


def test_sizes_are_those_asked_for_and_every_example_is_as_likely_in_each():
    x = np.arange(101)
    parts = split(x, [0.6, 0.2, 0.2], rng=np.random.default_rng(0))
    assert [len(part) for part in parts] == [61, 20, 20]
    assert all((np.diff(part) > 0).all() for part in parts)
    counts = np.zeros(101)
    for seed in range(400):
        counts[split(x, [0.6, 0.2, 0.2], rng=np.random.default_rng(seed))[1]] += 1
    assert abs(counts - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)


def test_same_generator_same_split_and_another_another():
    first, again, other = (split(np.arange(50), [0.5, 0.5], rng=np.random.default_rng(s))[0] for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_shared_rows_are_those_that_comparing_all_pairs_finds():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (37, 2, 2)), rng.integers(0, 3, (41, 2, 2))
    same = (a[:, None] == b[None]).all(axis=(2, 3))
    theirs = [[int(same[:, j].argmax()), j] for j in range(41) if same[:, j].any()]
    assert 0 < len(theirs) < 41
    assert shared_rows(a, b).tolist() == theirs


def test_nothing_shared_is_an_empty_table():
    assert shared_rows([[1]], [[2]]).shape == (0, 2)


def test_an_envelope_opens_once():
    envelope = Sealed("x")
    assert not envelope.opened
    assert envelope.open() == "x"
    assert envelope.opened
    with pytest.raises(ValueError, match="opened before"):
        envelope.open()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rng: split([], [1.0], rng=rng), "at least one example"),
        (lambda rng: split([1, 2], [0.5, 0.4], rng=rng), "add up to 1"),
        (lambda rng: split([1, 2], [1.5, -0.5], rng=rng), "positive"),
        (lambda rng: split([1, 1, 1], [0.5, 0.5], rng=rng), "empty"),
        (lambda rng: shared_rows([], [1]), "at least one example"),
        (lambda rng: shared_rows([[1, 2]], [[1]]), "alike"),
        (lambda rng: shared_rows([1], [1.0]), "alike"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.random.default_rng(0))
