"""Transposed convolution against torch in float64, and as the adjoint of the convolution."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import noise
from dlbook.convolution.convolution import conv2d
from dlbook.convolution.transposed import conv_transpose2d

X, W = torch.zeros(1, 4, 7, 7), torch.zeros(6, 4, 3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": (2, 3)},
        {"stride": 3, "padding": (1, 2), "output_padding": (2, 1)},
        {"dilation": (2, 3), "padding": 2},
        {"dilation": 3, "output_padding": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize(("maps", "groups"), [((3, 5), 1), ((4, 6), 2)])
def test_conv_transpose2d_matches_torch_in_value_and_gradients(options, maps, groups):
    c, o = maps
    leaves = [noise(2, c, 5, 7), noise(c, o // groups, 3, 5, seed=1), noise(o, seed=2)]
    leaves = [t.requires_grad_() for t in leaves]
    ours, theirs = (f(*leaves, **options, groups=groups) for f in (conv_transpose2d, F.conv_transpose2d))
    assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    upstream = noise(*theirs.shape, seed=3)
    for a, b in zip(*(torch.autograd.grad(y, leaves, upstream) for y in (ours, theirs)), strict=True):
        assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_conv_transpose2d_is_the_adjoint_of_conv2d():
    options = {"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1)}
    x, weight = noise(2, 3, 13, 12), noise(5, 3, 3, 5, seed=1)
    cx = conv2d(x, weight, **options)
    y = noise(*cx.shape, seed=2)
    back = conv_transpose2d(y, weight, **options, output_padding=(0, 2))  # columns that the stride did not reach
    assert back.shape == x.shape
    assert_close((cx * y).sum(), (x * back).sum())


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[0], W), {}, "x is"),
        ((X, W), {}, r"weight is \(4, o/groups, i, j\), found"),  # six kernels, four maps
        ((X, W[:4]), {"groups": 3}, "multiple of groups"),
        ((X, W[:4], torch.zeros(5)), {}, "bias is"),
        ((X, W[:4]), {"output_padding": 1}, "output_padding"),
        ((X, W[:4]), {"padding": 5}, "nothing is left"),
        ((X, W[:4]), {"stride": 0}, "stride is"),
    ],
)
def test_conv_transpose2d_refuses(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        conv_transpose2d(*arguments, **options)
