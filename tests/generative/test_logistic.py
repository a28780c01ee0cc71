"""Logistic densities over levels against SciPy and sums to one, their tails included."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.logistic import bin_log_prob, draw_logistic
from dlbook.generative.mu_law import code_edges, encode

CODES = torch.arange(256)
MEAN, SCALE = torch.tensor([0.03, -0.4, 0.9]).double()[:, None], torch.tensor([0.02, 0.3, 0.1]).double()[:, None]


def test_matches_scipys_logistic_distribution():
    edges = np.concatenate([[-np.inf], code_edges(dtype=F64).numpy(), [np.inf]])
    expected = np.diff(stats.logistic.cdf(edges, loc=MEAN.numpy(), scale=SCALE.numpy()))
    assert_close(bin_log_prob(CODES, MEAN, SCALE).exp(), torch.from_numpy(expected), rtol=1e-9, atol=1e-15)


def test_all_codes_together_have_probability_one():
    assert_close(bin_log_prob(CODES, MEAN, SCALE).exp().sum(dim=1), torch.ones(3, dtype=F64))


def test_far_tails_keep_their_logarithm_where_scipys_difference_is_zero():
    # F(u) - F(l) ≈ e^u - e^l far below the mean, u - l the width of the level over the scale
    mean, scale = torch.tensor(0.5), torch.tensor(1e-3)
    edges = code_edges(dtype=F64)
    upper, lower = (edges[10] - 0.5) / 1e-3, (edges[9] - 0.5) / 1e-3
    expected = upper + torch.log1p(-torch.exp(lower - upper))
    assert_close(bin_log_prob(torch.tensor(10), mean, scale).double(), expected, rtol=1e-5, atol=0)


def test_gradients_by_finite_differences_and_finite_at_the_ends():
    codes = torch.tensor([0, 3, 127, 200, 255])
    inputs = (0.3 * noise(5)).requires_grad_(), (0.1 + noise(5, seed=1).abs()).requires_grad_()
    assert torch.autograd.gradcheck(lambda m, s: bin_log_prob(codes, m, s), inputs)


def test_codes_of_bytes_are_refused():
    with pytest.raises(ValueError, match="codes are int64, found torch.uint8"):
        bin_log_prob(CODES.to(torch.uint8), MEAN, SCALE)


def test_draws_have_the_probabilities_of_the_levels():
    mean, scale = torch.tensor(0.1, dtype=F64), torch.tensor(0.05, dtype=F64)
    uniform = torch.rand(100_000, generator=stream(), dtype=F64)
    codes = encode(draw_logistic(mean, scale, uniform))
    counts = torch.bincount(codes, minlength=256).double()
    expected = bin_log_prob(CODES, mean, scale).exp() * len(codes)
    likely = expected > 20
    squared = ((counts - expected) ** 2 / expected)[likely].sum()
    assert stats.chi2.sf(squared.item(), int(likely.sum()) - 1) > 0.01


def test_a_draw_is_scipys_quantile_and_finite_at_zero_and_one():
    uniform = torch.tensor([0.1, 0.5, 0.9], dtype=F64)
    expected = torch.from_numpy(stats.logistic.ppf(uniform.numpy(), loc=2, scale=3))
    assert_close(draw_logistic(torch.tensor(2.0), torch.tensor(3.0), uniform), expected)
    assert draw_logistic(torch.tensor(0.0), torch.tensor(1.0), torch.tensor([0.0, 1.0])).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    mean, scale = MEAN.to(dtype), SCALE.to(dtype)
    assert_close(bin_log_prob(CODES, mean, scale), bin_log_prob(CODES, mean.float(), scale.float()), rtol=0, atol=0)
