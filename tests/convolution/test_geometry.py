"""Places counted one by one, and receptive fields against the support of a gradient."""

import pytest
import torch
from torch import nn

from common import F64
from dlbook.convolution.geometry import Layer, pair, places, receptive_field


@pytest.mark.parametrize("kernel", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_places_are_those_that_one_counts(kernel, stride, dilation):
    for length in range(dilation * (kernel - 1) + 1, 17):
        last = [start for start in range(0, length, stride) if start + dilation * (kernel - 1) < length]
        assert places(length, kernel, stride, dilation) == len(last)


@pytest.mark.parametrize(("length", "kernel", "dilation"), [(4, 5, 1), (4, 3, 2), (4, 0, 1)])
def test_places_refuses_a_kernel_that_does_not_fit(length, kernel, dilation):
    with pytest.raises(ValueError, match="does not fit"):
        places(length, kernel, 1, dilation)


def test_pair_reads_one_number_and_two():
    assert pair(3, 1, "stride") == (3, 3)
    assert pair((2, 5), 1, "stride") == (2, 5)


@pytest.mark.parametrize("value", [0, (1, 0), (1, 2, 3), 1.5])
def test_pair_refuses(value):
    with pytest.raises(ValueError, match="stride is one or two whole numbers, at least 1"):
        pair(value, 1, "stride")


def seen(stack, length, unit):
    """Return the first and last input on which a unit of a 1-D stack depends."""
    x = torch.ones(1, 1, length, dtype=F64, requires_grad=True)
    (g,) = torch.autograd.grad(stack(x)[0, 0, unit], x)
    at = g[0, 0].nonzero()[:, 0]
    return int(at.min()), int(at.max())


@pytest.mark.parametrize(
    "layers",
    [
        [(3,), (3,), (3,)],
        [(5, 2), (3, 1, 2), (2, 2)],
        [(3, 2, 1, 1), (3, 2, 2, 2), (5, 1, 1, 1)],
    ],
    ids=str,
)
def test_receptive_field_is_the_support_of_the_gradient(layers):
    field = receptive_field(layers)
    given = [Layer(*layer) for layer in layers]
    stack = nn.Sequential(
        *(nn.Conv1d(1, 1, a.kernel, a.stride, a.padding, a.dilation, bias=False, dtype=F64) for a in given)
    )
    for layer in stack:
        nn.init.ones_(layer.weight)
    unit = 7
    first = field.start + unit * field.step
    assert seen(stack, 101, unit) == (first, first + field.size - 1)


def test_receptive_field_of_wavenet_and_of_its_twin_without_dilation():
    stack = nn.Sequential(*(nn.Conv1d(1, 1, 2, dilation=d, bias=False, dtype=F64) for d in (1, 2, 4, 8)))
    for layer in stack:
        nn.init.ones_(layer.weight)
    assert receptive_field([(2, 1, d) for d in (1, 2, 4, 8)]).size == 16
    assert seen(stack, 41, 25) == (25, 40)  # the last unit, on the last sixteen of 41 inputs
    assert receptive_field([(2,)] * 10).size == 11
    assert receptive_field([]) == (1, 1, 0)


@pytest.mark.parametrize("layer", [(0,), (3, 0), (3, 1, 0), (3, 1, 1, -1)])
def test_receptive_field_refuses(layer):
    with pytest.raises(ValueError, match="at least"):
        receptive_field([layer])
