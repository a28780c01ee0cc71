"""IBM model 1 against the same algorithm with dictionaries, a pass by hand, and what its likelihood must do."""

from collections import defaultdict

import pytest
import torch
from torch.testing import assert_close

from common import F64, stream
from dlbook.sequences.word_alignment import alignment_posterior, ibm_model1

# the house, the book, a book  |  la maison, le livre would hide the point, so: das Haus, das Buch, ein Buch
SOURCE = torch.tensor([[1, 2], [1, 3], [4, 3]])  # 1 the, 2 house, 3 book, 4 a
TARGET = torch.tensor([[1, 2], [1, 3], [4, 3]])  # 1 das, 2 Haus, 3 Buch, 4 ein


def random_pairs():
    lengths = torch.randint(1, 6, (29, 2), generator=stream())
    pairs = []
    for column, (width, words) in enumerate(((5, 7), (5, 11))):
        drawn = torch.randint(1, words, (29, width), generator=stream(1 + column))
        pairs.append(drawn * (torch.arange(width) < lengths[:, column : column + 1]))
    return pairs


def with_dictionaries(source, target, target_words, passes):
    """Follow the pseudocode of textbooks, word by word."""
    table = defaultdict(lambda: 1 / target_words)
    for _ in range(passes):
        counts, totals = defaultdict(float), defaultdict(float)
        for es, fs in zip(source.tolist(), target.tolist(), strict=True):
            for f in (f for f in fs if f):
                norm = sum(table[e, f] for e in es if e)
                for e in (e for e in es if e):
                    counts[e, f] += table[e, f] / norm
                    totals[e] += table[e, f] / norm
        table = defaultdict(float, {(e, f): count / totals[e] for (e, f), count in counts.items()})
    return table


def test_matches_the_algorithm_with_dictionaries():
    source, target = random_pairs()
    table = ibm_model1(source, target, source_words=7, target_words=11, passes=3)
    expected = with_dictionaries(source, target, 11, 3)
    for e in range(7):
        for f in range(11):
            assert_close(table[e, f].item(), expected[e, f] if e and f else 0.0)


def test_two_passes_by_hand():
    # First all are alike: half of each das goes to each of its two neighbors. "the" gets das 1/2 + 1/2, Haus 1/2,
    # Buch 1/2, in all 2, so t(das|the) = 1/2; "house" gets das 1/2 and Haus 1/2.
    table = ibm_model1(SOURCE, TARGET, source_words=5, target_words=5, passes=1)
    assert table[1].tolist() == [0, 0.5, 0.25, 0.25, 0]
    assert table[2].tolist() == [0, 0.5, 0.5, 0, 0]
    # Then Haus: the 1/4 against house 1/2, so 1/3 and 2/3; das of the first pair: 1/2 and 1/2; of the second, with
    # "book" (das 1/4): 2/3 and 1/3. "house" has Haus 2/3, das 1/2: t(Haus|house) = 4/7.
    table = ibm_model1(SOURCE, TARGET, source_words=5, target_words=5, passes=2)
    assert_close(table[2, 2].item(), 4 / 7)


def test_many_passes_find_the_dictionary():
    table = ibm_model1(SOURCE, TARGET, source_words=5, target_words=5, passes=100)
    assert table[1:].argmax(dim=1).tolist() == [1, 2, 3, 4]
    assert table[1:].max(dim=1).values.min() > 0.98


def test_rows_sum_to_one_and_the_likelihood_never_falls():
    source, target = random_pairs()
    before = -float("inf")
    for passes in (1, 2, 3, 5, 8):
        table = ibm_model1(source, target, source_words=7, target_words=11, passes=passes)
        assert_close(table[1:].sum(dim=1), torch.ones(6, dtype=F64))
        each = (table[source[:, None], target[:, :, None]] * (source != 0)[:, None]).sum(dim=-1)
        now = each[target != 0].log().sum().item()
        assert now > before
        before = now


def test_posterior_is_bayes_rule_and_filler_has_no_part():
    source, target = random_pairs()
    table = torch.rand(7, 11, generator=stream(5), dtype=F64)
    found = alignment_posterior(table, source, target)
    assert found.shape == (29, 5, 5)
    for b in range(29):
        words = [e for e in source[b].tolist() if e]
        for i, f in enumerate(target[b].tolist()):
            if f:
                joint = torch.stack([table[e, f] for e in words])
                assert_close(found[b, i, : len(words)], joint / joint.sum())
                assert (found[b, i, len(words) :] == 0).all()
            else:
                assert (found[b, i] == 0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source_words": 4}, r"words of source lie in 0 ... 3, found 1 ... 4"),
        ({"target_words": 3}, r"words of target lie in 0 ... 2, found 1 ... 4"),
        ({"target": TARGET - 2}, r"found -1 ... 2"),
        ({"passes": 0}, "passes is at least 1, found 0"),
        ({"target": TARGET[:2]}, r"target is \(3, t\) .*found shape \(2, 2\)"),
        ({"source": SOURCE[0]}, r"source is \(n, s\) .*found shape \(2,\)"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"source": SOURCE, "target": TARGET, "source_words": 5, "target_words": 5}
    with pytest.raises(ValueError, match=message):
        ibm_model1(**(given | change))
    with pytest.raises(ValueError, match=r"target is \(3, t\), found shape \(2, 2\)"):
        alignment_posterior(torch.ones(5, 5), SOURCE, TARGET[:2])
