"""Matrices of layers, and how far they are from respecting a transformation."""

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise
from dlbook.convolution.convolution import Conv2d, conv2d
from dlbook.convolution.pooling import max_pool2d
from dlbook.convolution.probes import as_matrix, equivariance_error
from dlbook.convolution.transposed import conv_transpose2d


def test_matrix_of_a_convolution_has_its_weights_and_nothing_else():
    # two maps of 6 x 6 in, three of 4 x 4 out, kernels of 3 x 3: 48 x 72, each row 18 weights, 54 different ones
    layer = Conv2d(2, 3, 3, dtype=F64)
    matrix = as_matrix(layer, (2, 6, 6))
    assert matrix.shape == (48, 72)
    assert (matrix != 0).sum() == 864
    assert len(matrix[matrix != 0].round(decimals=12).unique()) == 54
    x = noise(1, 2, 6, 6)
    zero = layer(torch.zeros(1, 2, 6, 6, dtype=F64)).flatten()
    assert_close(matrix @ x.flatten() + zero, layer(x).flatten())


def test_matrix_of_the_transposed_convolution_is_the_transpose():
    weight = noise(3, 2, 3, 3)
    there = as_matrix(lambda x: conv2d(x, weight, stride=2), (2, 7, 7))
    back = as_matrix(lambda y: conv_transpose2d(y, weight, stride=2), (3, 3, 3))
    assert_close(back, there.T)


@pytest.mark.parametrize("f", [torch.relu, torch.square, lambda x: max_pool2d(x, 2)])
def test_as_matrix_refuses_what_is_not_linear(f):
    with pytest.raises(ValueError, match="not linear"):
        as_matrix(f, (1, 4, 4))


def test_as_matrix_takes_a_map_that_is_zero():
    assert not as_matrix(lambda x: 0 * x + 3, (1, 2, 2)).any()


def roll(x):
    return x.roll((2, 3), (-2, -1))


def test_circular_convolution_commutes_with_every_shift_and_zero_padding_does_not():
    x = noise(1, 2, 11, 13)
    circular = Conv2d(2, 3, 3, padding=1, padding_mode="circular", dtype=F64)
    zeros = Conv2d(2, 3, 3, padding=1, dtype=F64)
    zeros.load_state_dict(circular.state_dict())
    assert equivariance_error(circular, roll, x) < 1e-14
    assert equivariance_error(zeros, roll, x) > 0.1


def test_convolution_commutes_with_a_quarter_turn_only_if_its_kernel_does():
    x, weight = noise(1, 1, 9, 9), noise(1, 1, 3, 3, seed=1)

    def turn(z):
        return z.rot90(1, (-2, -1))

    assert equivariance_error(lambda z: conv2d(z, weight), turn, x) > 0.1
    even = sum(weight.rot90(k, (-2, -1)) for k in range(4))
    assert equivariance_error(lambda z: conv2d(z, even), turn, x) < 1e-13


def test_equivariance_error_is_the_largest_difference_and_leaves_the_input():
    # f squares, T doubles: (2x)^2 - 2 x^2 = 2 x^2, largest at -3; invariance: (2x)^2 - x^2 = 3 x^2
    x = torch.tensor([1.0, -3.0], requires_grad=True)
    assert equivariance_error(torch.square, lambda z: 2 * z, x) == 18
    assert equivariance_error(torch.square, lambda z: 2 * z, x, lambda y: y) == 27
    assert x.tolist() == [1, -3]


def test_equivariance_error_refuses_results_of_two_shapes():
    with pytest.raises(ValueError, match="has shape"):
        equivariance_error(lambda x: x[2:], lambda x: x[:3], torch.zeros(5))
