"""Batches against what an epoch must be: every example once, in an order of its own, resumable and shareable."""

import pytest
import torch
from torch import Generator

from dlbook.data import Batches

X, Y = torch.arange(23.0)[:, None], torch.arange(23)


def shuffled(seed: int = 0, size: int = 5) -> Batches:
    return Batches(X, Y, size, generator=Generator().manual_seed(seed))


def rows(batches) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


def test_an_epoch_holds_every_example_once_and_keeps_pairs_together():
    batches = shuffled()
    epoch = list(batches)
    assert len(epoch) == len(batches) == 5
    assert torch.equal(torch.cat([y for _, y in epoch]).sort().values, Y)
    assert all(torch.equal(x[:, 0].long(), y) for x, y in epoch)
    assert [len(x) for x, _ in epoch] == [5, 5, 5, 5, 3]


def test_epochs_differ_and_repeat_with_the_seed():
    batches, again = shuffled(), shuffled()
    first, second = rows(batches), rows(batches)
    assert first != second
    assert [first, second] == [rows(again), rows(again)]


def test_without_a_generator_the_order_is_that_of_the_data():
    assert sum(rows(Batches(X, Y, 4, generator=None)), []) == Y.tolist()


def test_looking_at_one_batch_does_not_shorten_the_next_epoch():
    batches = shuffled()
    next(iter(batches))
    assert len(rows(batches)) == 5


@pytest.mark.parametrize("stop", range(6))
def test_a_position_loaded_anywhere_goes_on_as_if_nothing_had_happened(stop):
    straight = shuffled()
    expected = rows(straight) + rows(straight)
    broken = shuffled()
    iterator = iter(broken)
    before = [next(iterator)[1].tolist() for _ in range(min(stop, 5))]
    if stop == 5:
        assert next(iterator, None) is None
    resumed = shuffled(seed=99)
    resumed.load_state_dict(broken.state_dict())
    after = rows(resumed) + (rows(resumed) if stop % 5 else [])
    assert before + after == expected[: len(before) + len(after)]
    assert len(before) + len(after) in (5, 10)


def test_a_position_of_unshuffled_batches_has_no_generator():
    batches = Batches(X, Y, 5, generator=None)
    next(iter(batches))
    resumed = Batches(X, Y, 5, generator=None)
    resumed.load_state_dict(batches.state_dict())
    assert sum(rows(resumed), []) == Y.tolist()[5:]


def test_the_longest_possible_sharing_gives_one_row_each():
    assert [rows(shuffled(size=3).shard(rank, 2))[-1] for rank in range(2)] == [[r] for r in rows(shuffled(size=3))[-1]]


def test_shards_partition_every_batch():
    whole = rows(shuffled())
    parts = [rows(shuffled().shard(rank, 3)) for rank in range(3)]
    for batch, *shares in zip(whole, *parts, strict=True):
        assert sorted(sum(shares, [])) == sorted(batch)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Batches(X, Y[:-1], 5, generator=None), "found 23 and 22 rows"),
        (lambda: Batches(X[:0], Y[:0], 5, generator=None), "nothing to batch"),
        (lambda: Batches(X, Y, 0, generator=None), "found 0"),
        (lambda: shuffled().shard(2, 2), "found 2"),
        (lambda: shuffled().shard(0, 4), "3 rows cannot be shared by 4"),
        (lambda: Batches(X, Y, 5, generator=None).load_state_dict(shuffled().state_dict()), "the other is not"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_position_of_other_data_is_refused():
    batches = shuffled()
    next(iter(batches))
    with pytest.raises(ValueError, match="23 examples, found 7"):
        Batches(X[:7], Y[:7], 5, generator=Generator()).load_state_dict(batches.state_dict())


def test_a_position_among_batches_of_another_size_is_refused_and_changes_nothing():
    batches, other = shuffled(), shuffled(seed=4, size=4)
    next(iter(batches))
    stream = other.generator.get_state()
    with pytest.raises(ValueError, match="batches of 5 examples, found 4 here"):
        other.load_state_dict(batches.state_dict())
    assert torch.equal(other.generator.get_state(), stream)
    assert rows(other) == rows(shuffled(seed=4, size=4))
