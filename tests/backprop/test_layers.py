"""Oracle: torch in float64, values and both modes; central differences."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from common import draw
from dlbook.backprop.autograd import Tensor, gradcheck, jvp
from dlbook.backprop.layers import conv2d, cross_entropy, max_pool2d, unfold

LAYERS = {
    "unfold": (lambda a: unfold(a, 3), lambda a: F.unfold(a, 3), (2, 3, 5, 7)),
    "unfold, all options": (
        lambda a: unfold(a, (2, 3), stride=2, padding=1),
        lambda a: F.unfold(a, (2, 3), stride=2, padding=1),
        (2, 3, 6, 8),
    ),
    "conv2d": (conv2d, F.conv2d, (2, 3, 7, 5), (11, 3, 3, 2), (11,)),
    "conv2d, all options": (
        lambda x, w: conv2d(x, w, stride=2, padding=1),
        lambda x, w: F.conv2d(x, w, stride=2, padding=1),
        (2, 3, 7, 6),
        (5, 3, 3, 3),
    ),
    "max_pool2d": (lambda a: max_pool2d(a, 2), lambda a: F.max_pool2d(a, 2), (2, 3, 5, 7)),
    "cross_entropy": (
        lambda a: cross_entropy(a, np.array([4, 0, 1])),
        lambda a: F.cross_entropy(a, torch.tensor([4, 0, 1])),
        (3, 5),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_torch_and_with_differences(name):
    ours, theirs, *shapes = LAYERS[name]
    arrays = [draw(*shape, seed=place) for place, shape in enumerate(shapes)]
    here, there = [Tensor(a, requires_grad=True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    value, expected = ours(*here), theirs(*there)
    np.testing.assert_allclose(value.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    weights, directions = draw(*value.shape, seed=7), [draw(*a.shape, seed=11) for a in arrays]
    value.backward(weights)
    expected.backward(torch.tensor(weights))
    for leaf, other in zip(here, there, strict=True):
        np.testing.assert_allclose(leaf.grad, other.grad.numpy(), rtol=1e-10, atol=1e-12)
    slopes = sum((leaf.grad * d).sum() for leaf, d in zip(here, directions, strict=True))
    np.testing.assert_allclose((jvp(ours, arrays, directions)[1] * weights).sum(), slopes, rtol=1e-10, atol=1e-12)
    assert gradcheck(ours, *arrays)


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_keeps_float32(name):
    ours, _, *shapes = LAYERS[name]
    leaves = [Tensor(draw(*shape, seed=k).astype(np.float32), requires_grad=True) for k, shape in enumerate(shapes)]
    value = ours(*leaves)
    value.backward(np.ones(value.shape))
    assert value.dtype == np.float32
    assert all(leaf.grad.dtype == np.float32 and leaf.grad.shape == leaf.shape for leaf in leaves)


def test_a_float64_image_gives_a_float32_kernel_a_float32_gradient():
    x, weight = draw(2, 3, 7, 5), Tensor(draw(11, 3, 3, 2, seed=1).astype(np.float32), requires_grad=True)
    value = conv2d(Tensor(x), weight)
    value.sum().backward()
    other = torch.tensor(weight.data.astype(np.float64), requires_grad=True)
    F.conv2d(torch.tensor(x), other).sum().backward()
    assert (value.dtype, weight.grad.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(weight.grad, other.grad.numpy(), rtol=1e-5)


def test_pixels_that_tie_share():
    image = Tensor([[[[1.0, 1.0, 5.0], [0.0, 1.0, 5.0], [9.0, 9.0, 9.0]]]], requires_grad=True)
    max_pool2d(image, 2).backward([[[[6.0]]]])
    np.testing.assert_allclose(image.grad[0, 0], [[2, 2, 0], [0, 2, 0], [0, 0, 0]])  # the last row fills no tile


def test_nothing_overflows():
    x = Tensor([[1000.0, -1000.0]], requires_grad=True)
    value = cross_entropy(x, [1]) + x.sigmoid().sum()
    assert value.item() == 2001
    value.backward()
    np.testing.assert_allclose(x.grad, [[1, -1]])


def test_a_score_of_minus_infinity_is_a_class_that_is_ruled_out():
    x = Tensor([[0.0, 0.0, -np.inf]], requires_grad=True)
    value = cross_entropy(x, [1])
    value.backward()
    np.testing.assert_allclose([value.item(), *x.grad[0]], [np.log(2), 0.5, -0.5, 0])


X, IMAGES = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((2, 3, 4, 5)))
BAD = {
    r"x is \(n, c, h, w\), found shape \(2, 3\)": lambda: unfold(X, 2),
    "at least 1, padding 0, found 0": lambda: unfold(IMAGES, 0),
    "6 x 2 does not fit into 4 x 5": lambda: unfold(IMAGES, (6, 2)),
    r"weight is \(k, 3, height, width\), found shape \(7, 2, 3, 3\)": lambda: conv2d(
        IMAGES, Tensor(np.ones((7, 2, 3, 3)))
    ),
    r"bias is \(7,\), found shape \(6,\)": lambda: conv2d(IMAGES, Tensor(np.ones((7, 3, 3, 3))), Tensor(np.ones(6))),
    "h, w >= kernel_size >= 1": lambda: max_pool2d(IMAGES, 5),
    r"target is \(2,\), found shape \(3,\)": lambda: cross_entropy(X, [0, 1, 2]),
    r"0 ... 2, found 0 ... 3": lambda: cross_entropy(X, [0, 3]),
    r"targets are integers, found float64": lambda: cross_entropy(X, [0.0, 1.0]),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
