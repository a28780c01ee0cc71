"""Codes of digits against the pictures in the paper, distances against a loop."""

import torch
from torch.testing import assert_close

from common import noise
from dlbook.convolution.rbf import RBF, digit_codes


def test_codes_are_signs_and_far_apart():
    codes = digit_codes()
    assert (codes.shape, set(codes.unique().tolist())) == ((10, 12, 7), {-1.0, 1.0})
    different = (codes.flatten(1)[:, None] != codes.flatten(1)).sum(dim=-1) + 84 * torch.eye(10, dtype=torch.int64)
    assert different.min() >= 15


def test_codes_of_0_and_1_are_a_ring_and_a_bar():
    zero, one = digit_codes()[0], digit_codes()[1]
    assert_close(zero, zero.flip(1))
    assert (zero[5] == torch.tensor([1.0, 1, -1, -1, -1, 1, 1])).all()
    assert (one[:, 3:5] == 1).all()


def test_rbf_is_minus_the_squared_distance_and_its_codes_are_no_parameters():
    codes, x = noise(5, 7), noise(2, 3, 7, seed=1)
    layer = RBF(codes)
    assert_close(layer(x), -(torch.cdist(x, codes.expand(2, 5, 7)) ** 2))
    assert not list(layer.parameters())
    codes[0] = 9.0
    assert layer.codes.max() < 9, "the caller's tensor is copied"
