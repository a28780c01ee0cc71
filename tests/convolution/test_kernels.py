"""Embedded and factored kernels against convolutions with the originals."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise
from dlbook.convolution.kernels import embed_kernels, factor_kernel


def test_embedded_branches_are_one_convolution():
    weights = [noise(o, 3, k, k, seed=k) for o, k in ((2, 1), (5, 3), (7, 5))]
    x = noise(2, 3, 11, 13)
    expected = torch.cat([F.conv2d(x, w, padding=w.shape[-1] // 2) for w in weights], dim=1)
    whole = embed_kernels(weights, 5)
    assert_close(F.conv2d(x, whole, padding=2), expected, rtol=1e-12, atol=1e-12)
    assert_close(F.conv2d(x, embed_kernels(weights, 7), padding=3), expected, rtol=1e-12, atol=1e-12)
    assert (whole == 0).sum() == 2 * 3 * 24 + 5 * 3 * 16


@pytest.mark.parametrize(
    ("shapes", "side"),
    [([], 5), ([(2, 3, 1, 1), (2, 4, 3, 3)], 5), ([(2, 3, 2, 2)], 5), ([(2, 3, 7, 7)], 5), ([(2, 3, 3, 3)], 4)],
)
def test_embed_kernels_rejects(shapes, side):
    with pytest.raises(ValueError, match="found"):
        embed_kernels([torch.zeros(shape) for shape in shapes], side)


def test_a_bottleneck_is_one_convolution_and_is_found_again():
    reduce, expand = noise(3, 7, 1, 1), noise(5, 3, 3, 3, seed=1)
    whole = torch.einsum("orij,rc->ocij", expand, reduce[:, :, 0, 0])
    x = noise(2, 7, 11, 13, seed=2)
    expected = F.conv2d(F.conv2d(x, reduce), expand, padding=1)
    assert_close(F.conv2d(x, whole, padding=1), expected, rtol=1e-12, atol=1e-12)
    found = factor_kernel(whole, 3)
    assert_close(F.conv2d(F.conv2d(x, found.reduce), found.expand, padding=1), expected, rtol=1e-10, atol=1e-10)
    assert_close(found.reduce[:, :, 0, 0] @ found.reduce[:, :, 0, 0].T, torch.eye(3, dtype=F64))


def test_the_error_is_that_of_eckart_and_young_and_least_among_random_bottlenecks():
    weight = noise(5, 7, 3, 3)
    values = torch.linalg.svdvals(torch.einsum("ocij->oijc", weight).reshape(45, 7))

    def miss(reduce, expand):
        return (weight - torch.einsum("orij,rc->ocij", expand, reduce[:, :, 0, 0])).norm()

    for rank in range(1, 8):
        ours = miss(*factor_kernel(weight, rank))
        assert_close(ours, values[rank:].norm(), rtol=1e-9, atol=1e-9)
        rows = torch.linalg.qr(noise(7, rank, seed=rank))[0].T  # a random reduction, with the best expansion for it
        other = torch.einsum("ocij,rc->orij", weight, rows)
        assert ours <= miss(rows[:, :, None, None], other) + 1e-9


def test_a_rank_above_the_number_of_rows_is_filled_with_zeros():
    weight = noise(2, 7, 1, 1)
    reduce, expand = factor_kernel(weight, 5)
    assert reduce.shape == (5, 7, 1, 1)
    assert_close(torch.einsum("orij,rc->ocij", expand, reduce[:, :, 0, 0]), weight)


@pytest.mark.parametrize("rank", [0, 8])
def test_factor_kernel_rejects(rank):
    with pytest.raises(ValueError, match="rank"):
        factor_kernel(noise(5, 7, 3, 3), rank)
