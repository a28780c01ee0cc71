"""Ways of drawing against rows worked by hand, a brute-force search for the nucleus, and laws."""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise
from dlbook.sequences.sampling import distribution, nucleus, temper, top_k

SCORES = noise(3, 5, 7)
P = SCORES.softmax(dim=-1)


def test_temperature_by_hand():
    # p = (8/10, 2/10); at 1/2 proportional to (64, 4); at 2 to (√8, √2) = (2, 1) √2
    scores = torch.tensor([0.8, 0.2], dtype=F64).log()
    assert_close(temper(scores, 0.5), torch.tensor([16 / 17, 1 / 17], dtype=F64))
    assert_close(temper(scores, 2.0), torch.tensor([2 / 3, 1 / 3], dtype=F64))
    assert_close(temper(scores + 5, 1.0), scores.exp())


def test_a_low_temperature_is_greedy_and_a_high_one_uniform():
    assert_close(temper(SCORES, 1e-4).max(dim=-1).values, torch.ones(3, 5, dtype=F64))
    assert torch.equal(temper(SCORES, 1e-4).argmax(-1), SCORES.argmax(-1))
    assert_close(temper(SCORES, 1e6), torch.full((3, 5, 7), 1 / 7, dtype=F64), atol=1e-5, rtol=0)


@pytest.mark.parametrize("k", [1, 3, 7, 11])
def test_top_k_keeps_the_k_largest_in_proportion(k):
    kept = top_k(P, k)
    assert ((kept > 0).sum(dim=-1) == min(k, 7)).all()
    assert_close(kept.sum(dim=-1), torch.ones(3, 5, dtype=F64))
    lowest = P.masked_fill(kept == 0, math.inf).amin(-1)
    assert (lowest >= P.masked_fill(kept > 0, 0).amax(-1)).all()
    ratio = (kept / P).masked_fill(kept == 0, math.nan)
    assert_close(ratio.nanmean(-1, keepdim=True).expand_as(ratio)[kept > 0], ratio[kept > 0])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
def test_the_nucleus_is_the_smallest_set_found_by_trying_all(share):
    for p, kept in zip(P.flatten(0, 1), nucleus(P, share).flatten(0, 1), strict=True):
        sets = [s for n in range(1, 8) for s in itertools.combinations(range(7), n)]
        enough = [s for s in sets if p[list(s)].sum() >= share - 1e-12]
        fewest = min(map(len, enough))
        best = max((s for s in enough if len(s) == fewest), key=lambda s: p[list(s)].sum().item())
        assert kept.nonzero().flatten().tolist() == sorted(best)
        assert_close(kept[list(best)], p[list(best)] / p[list(best)].sum())


def test_equal_words_are_not_all_kept():
    assert (nucleus(torch.full((4,), 0.25), 0.5) > 0).sum() == 2
    assert (top_k(torch.full((4,), 0.25), 3) > 0).sum() == 3


def test_the_three_one_after_the_other():
    assert_close(distribution(SCORES), P)
    wanted = nucleus(top_k(temper(SCORES, 0.7), 4), 0.8)
    assert_close(distribution(SCORES, temperature=0.7, k=4, share=0.8), wanted)
    assert_close(distribution(SCORES, k=1).argmax(-1), SCORES.argmax(-1))


def test_composes_with_torch():
    def draw(scores):
        return distribution(scores, temperature=0.7, k=4, share=0.8)

    assert_close(torch.compile(draw, fullgraph=True, backend="eager")(SCORES), draw(SCORES))
    assert_close(torch.func.vmap(draw)(SCORES), draw(SCORES))
    assert draw(SCORES.bfloat16()).dtype == torch.bfloat16
    assert draw(SCORES.to("meta")).shape == (3, 5, 7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: temper(SCORES, 0), "temperature is above 0, found 0"),
        (lambda: temper(SCORES, math.nan), "found nan"),
        (lambda: top_k(P, 0), "at least one word is kept, found k = 0"),
        (lambda: nucleus(P, 0), "above 0 and at most 1, found 0"),
        (lambda: nucleus(P, 1.5), "found 1.5"),
        (lambda: distribution(torch.tensor(1.0)), r"scores is \(..., v\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
