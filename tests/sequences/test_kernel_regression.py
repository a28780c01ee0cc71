"""Kernel regression against sums of bells by hand and in SciPy's words, and laws of averages."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import norm
from torch.testing import assert_close

from common import F64, noise
from dlbook.sequences.attention import dot_product_attention
from dlbook.sequences.kernel_regression import kernel_regression


def test_three_points_worked_by_hand():
    # distances 1, 0, 2 of keys 0, 1, 3 from 1: bells e^(-1/2), 1, e^(-2) = 0.6065, 1, 0.1353, in all 1.7419
    key, value = torch.tensor([[0.0], [1], [3]], dtype=F64), torch.tensor([[2.0], [4], [0]], dtype=F64)
    output, weights = kernel_regression(torch.tensor([[1.0]], dtype=F64), key, value, 1.0)
    bells = [math.exp(-1 / 2), 1, math.exp(-2)]
    assert_close(weights[0], torch.tensor(bells, dtype=F64) / sum(bells))
    assert_close(output.item(), (2 * bells[0] + 4) / sum(bells))


def test_is_the_quotient_of_nadaraya_and_watson_with_normal_densities():
    query, key, value = noise(11, 2), noise(13, 2, seed=1), noise(13, 3, seed=2)
    output, _ = kernel_regression(query, key, value, 0.7)
    for i, x in enumerate(query.numpy()):
        bells = np.array([norm.pdf(x, loc=place, scale=0.7).prod() for place in key.numpy()])
        assert_close(output[i].numpy(), bells @ value.numpy() / bells.sum())


def test_wide_bells_average_all_and_narrow_ones_take_the_nearest():
    query, key, value = noise(2, 5, 3), noise(2, 7, 3, seed=1), noise(2, 7, 11, seed=2)
    output, _ = kernel_regression(query, key, value, 1e6)
    assert_close(output, value.mean(dim=-2, keepdim=True).expand_as(output))
    nearest = torch.cdist(query, key).argmin(dim=-1)
    output, weights = kernel_regression(query, key, value, 1e-3)
    assert torch.equal(weights.argmax(dim=-1), nearest)
    assert_close(output, torch.take_along_dim(value, nearest[..., None], dim=-2))


def test_a_place_far_away_from_all_keys_has_an_answer():
    key, value = torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [7.0]])
    output, weights = kernel_regression(torch.tensor([[1e4]]), key, value, 1.0)  # bells there are 0 in floats
    assert weights.tolist() == [[0, 1]]
    assert output.item() == 7


def test_with_keys_of_one_length_it_is_dot_product_attention():
    query, value = noise(11, 4), noise(13, 3, seed=2)
    key = torch.nn.functional.normalize(noise(13, 4, seed=1), dim=-1)
    ours, _ = kernel_regression(query, key, value, bandwidth=4**0.25)  # its square is the root of d
    assert_close(ours, dot_product_attention(query, key, value)[0], rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences_for_the_bandwidth_too():
    inputs = [noise(3, 2), noise(5, 2, seed=1), noise(5, 7, seed=2), torch.tensor(0.8, dtype=F64)]
    assert torch.autograd.gradcheck(kernel_regression, [x.requires_grad_() for x in inputs])


def test_composes_with_torch():
    query, key, value = noise(2, 5, 3), noise(2, 7, 3, seed=1), noise(2, 7, 11, seed=2)
    wanted = kernel_regression(query, key, value, 0.5)
    compiled = torch.compile(kernel_regression, fullgraph=True, backend="eager")(query, key, value, 0.5)
    each = torch.func.vmap(lambda q, k, v: kernel_regression(q, k, v, 0.5))(query, key, value)
    for found in (compiled, each, copy.deepcopy(wanted)):
        for a, b in zip(found, wanted, strict=True):
            assert_close(a, b)
    assert kernel_regression(query.bfloat16(), key.bfloat16(), value.bfloat16(), 0.5)[0].dtype == torch.bfloat16
    assert kernel_regression(*(x.to("meta") for x in (query, key, value)), 0.5)[0].shape == (2, 5, 11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bandwidth": 0.0}, "bandwidth is positive, found 0.0"),
        ({"bandwidth": math.nan}, "found nan"),
        ({"key": torch.zeros(7, 2)}, r"key is \(..., k, 3\) .*found shape \(7, 2\)"),
        ({"key": torch.zeros(0, 3), "value": torch.zeros(0, 11)}, r"at least 1, found shape \(0, 3\)"),
        ({"value": torch.zeros(5, 11)}, r"value is \(..., 7, v\), found shape \(5, 11\)"),
        ({"query": torch.zeros(3)}, r"query is \(..., q, d\), found shape \(3,\)"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"query": torch.zeros(5, 3), "key": torch.zeros(7, 3), "value": torch.zeros(7, 11), "bandwidth": 1.0}
    with pytest.raises(ValueError, match=message):
        kernel_regression(**(given | change))
