"""Decoding against all transcripts on small cases, and against what is to be read off by hand."""

import math
from itertools import product

import pytest
import torch
from torch.testing import assert_close

from common import noise
from dlbook.sequences.ctc import collapse, ctc_log_likelihood
from dlbook.sequences.ctc_decoding import ctc_decode, prefix_beam_search


def all_transcripts(log_p, blank=0):
    """Return the probability of every transcript, by a sum over all paths."""
    found = {}
    for path in product(range(log_p.shape[1]), repeat=log_p.shape[0]):
        key = tuple(collapse(path, blank=blank))
        found[key] = found.get(key, 0.0) + math.exp(sum(float(log_p[t, k]) for t, k in enumerate(path)))
    return found


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("blank", [0, 1])
def test_with_full_width_the_beam_is_exact(seed, blank):
    log_p = (2 * noise(5, 3, seed=seed)).log_softmax(-1)
    wanted = all_transcripts(log_p, blank)
    found = prefix_beam_search(log_p, width=1000, blank=blank)
    assert {tuple(k): math.exp(p) for k, p in found if p > -math.inf} == pytest.approx(wanted, rel=1e-10)
    probabilities = [p for _, p in found]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_narrow_beam_promises_no_more_than_there_is():
    log_p = (2 * noise(11, 5)).log_softmax(-1)
    for transcript, p in prefix_beam_search(log_p, width=3):
        exact = ctc_log_likelihood(log_p[None], torch.tensor([transcript], dtype=torch.int64)).item()
        assert p <= exact + 1e-9
    assert len(prefix_beam_search(log_p, width=3)) == 3
    assert len(prefix_beam_search(log_p, width=1)) == 1


def test_where_greedy_is_wrong_by_hand():
    # blank 0.6 twice: the best path is --, 0.36; but a has a-, -a and aa: 0.24 + 0.24 + 0.16 = 0.64
    p = torch.tensor([[0.6, 0.4], [0.6, 0.4]])
    assert ctc_decode(p[None]) == [[]]
    (best, log_p), (other, log_q) = prefix_beam_search(p.log())[:2]
    assert (best, other) == ([1], [])
    assert_close(torch.tensor([log_p, log_q]).exp(), torch.tensor([0.64, 0.36]))


def test_twins_need_a_blank_between():
    certain = torch.full((3, 2), -30.0)
    certain[0, 1] = certain[1, 0] = certain[2, 1] = 0.0
    assert prefix_beam_search(certain.log_softmax(-1))[0][0] == [1, 1]
    assert ctc_decode(certain[None]) == [[1, 1]]
    certain[1, 0], certain[1, 1] = -30.0, 0.0
    assert prefix_beam_search(certain.log_softmax(-1))[0][0] == [1]
    assert ctc_decode(certain[None]) == [[1]]


def test_greedy_is_the_best_path():
    scores = noise(3, 7, 5)
    wanted = [collapse([max(range(5), key=lambda k: row[k]) for row in one.tolist()]) for one in scores]
    assert ctc_decode(scores) == wanted
    cut = ctc_decode(scores, torch.tensor([7, 3, 0]))
    assert cut == [wanted[0], collapse(scores[1, :3].argmax(-1).tolist()), []]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ctc_decode(torch.zeros(7, 5)), r"logits is \(b, t, v\), found shape \(7, 5\)"),
        (lambda: prefix_beam_search(torch.zeros(1, 7, 5)), r"log_probabilities is \(t, v\)"),
        (lambda: prefix_beam_search(torch.zeros(7, 5), width=0), "width is at least 1, found 0"),
        (lambda: prefix_beam_search(torch.tensor([[0.5, 0.5]])), "at most 0, found 0.5"),
        (lambda: ctc_decode(torch.zeros(2, 7, 5), torch.tensor([8, 3])), r"0 to 7.*found \[8, 3\]"),
        (lambda: ctc_decode(torch.zeros(2, 7, 5), torch.tensor([7, -1])), r"0 to 7.*found \[7, -1\]"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("blank", [-1, 4])
def test_a_blank_that_is_no_label_is_refused(blank):
    with pytest.raises(ValueError, match=f"blank is one of the 4 labels, 0 to 3, found {blank}"):
        ctc_decode(torch.zeros(2, 5, 4), blank=blank)
    with pytest.raises(ValueError, match=f"blank is one of the 4 labels, 0 to 3, found {blank}"):
        prefix_beam_search(torch.zeros(5, 4).log_softmax(dim=-1), blank=blank)


def test_a_nan_anywhere_and_a_wrong_number_of_lengths_are_refused():
    with pytest.raises(ValueError, match="at most 0, found nan"):
        prefix_beam_search(torch.tensor([[0.4, math.nan], [0.4, 0.6]]).log())
    with pytest.raises(ValueError, match=r"lengths is \(2,\), found shape \(3,\)|lengths is \(b\)"):
        ctc_decode(torch.zeros(2, 5, 4), torch.tensor([5, 5, 5]))
