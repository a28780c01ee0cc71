"""Masked convolutions against masks and loops written by hand, the past that gradients see, and torch."""

import copy
import itertools

import pytest
import torch
from torch.testing import assert_close

from common import F64, composes, learns_an_image_and_its_negative, noise, shaken, size, stream
from dlbook.generative.pixelcnn import MaskedConv2d, PixelCNN, raster_mask


def test_masks_of_five_by_three_by_hand():
    a = [[1, 1, 1], [1, 1, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    b = [[1, 1, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert raster_mask((5, 3), "A").tolist() == a
    assert raster_mask((5, 3), "B").tolist() == b
    assert raster_mask((1, 1), "A").tolist() == [[0]]


@pytest.mark.parametrize(("kind", "itself"), [("A", False), ("B", True)])
def test_a_masked_convolution_is_a_loop_over_what_came_before(kind, itself):
    layer = MaskedConv2d(2, 3, (5, 3), mask=kind, generator=stream(), dtype=F64)
    x, weight = noise(2, 2, 7, 11), layer.conv.weight
    expected = layer.conv.bias.detach()[:, None, None].expand(2, 3, 7, 11).clone()
    for i, j, u, v in itertools.product(range(7), range(11), range(-2, 3), range(-1, 2)):
        before = (u, v) < (0, 0) or (itself and (u, v) == (0, 0))
        if before and 0 <= i + u < 7 and 0 <= j + v < 11:
            expected[:, :, i, j] += x[:, :, i + u, j + v] @ weight[:, :, u + 2, v + 1].detach().T
    assert_close(layer(x), expected)


def test_masked_weights_get_no_gradient_and_have_no_effect():
    layer = MaskedConv2d(2, 3, 3, mask="A", generator=stream(), dtype=F64)
    x = noise(2, 2, 5, 7)
    before = layer(x)
    before.square().sum().backward()
    hidden = (layer.mask == 0).expand_as(layer.conv.weight)
    assert (layer.conv.weight.grad[hidden] == 0).all()
    assert (layer.conv.weight.grad[~hidden] != 0).all()
    with torch.no_grad():
        layer.conv.weight[hidden] = 100
    assert torch.equal(layer(x), before)
    assert "mask='A'" in repr(layer)
    assert list(layer.state_dict()) == ["conv.weight", "conv.bias"]  # a mask is no weight to be saved


def seen(model, i, j):
    """Return which pixels (h, w) have a say in the logit of one."""
    x = (noise(3, 1, *model.size) > 0).to(F64).requires_grad_()
    (gradient,) = torch.autograd.grad(model(x)[:, 0, i, j].sum(), x)
    return gradient.abs().sum(dim=(0, 1)) > 0


def test_pixels_see_the_past_but_for_a_blind_spot():
    # A 3 x 3 then B 3 x 3: from the pixel, one row up one may go one column right, two rows up two, and no further
    model = shaken(PixelCNN((7, 13), channels=3, layers=4, first=3, generator=stream()))
    expected = torch.zeros(7, 13, dtype=torch.bool)
    i, j = 5, 6
    for u, v in itertools.product(range(7), range(13)):
        up = i - u
        expected[u, v] = (up == 0 and j - 5 <= v < j) or (0 < up <= 5 and j - 5 <= v <= j + up)
    assert torch.equal(seen(model, i, j), expected)


def test_parameters_are_counted_by_hand():
    h = 5
    block = (2 * h * h + h) + (9 * h * h + h) + (h * 2 * h + 2 * h)
    model = PixelCNN(7, channels=h, layers=3)
    assert size(model) == (49 * 2 * h + 2 * h) + 3 * block + (2 * h * h + h) + (h + 1)
    assert model.reach == 3 + 3


def test_an_image_and_its_negative_are_learned_by_heart():
    learns_an_image_and_its_negative(PixelCNN(5, channels=8, layers=2, generator=stream()))


def test_composes_with_torch():
    x = (noise(2, 1, 5, 7, dtype=torch.float32) > 0).float()
    model = PixelCNN((5, 7), channels=3, layers=2, generator=stream())
    composes(model, x)
    composes(MaskedConv2d(1, 2, 3, mask="B", generator=stream()), x)
    assert_close(torch.compile(model.log_prob, fullgraph=True, backend="eager")(x), model.log_prob(x))
    assert_close(torch.func.vmap(lambda one: model.log_prob(one[None])[0])(x), model.log_prob(x))
    half = PixelCNN((5, 7), channels=3, layers=2, generator=stream()).to(torch.bfloat16)
    assert half(x.bfloat16()).dtype == torch.bfloat16
    assert half.sample(2).dtype == torch.bfloat16
    assert PixelCNN(5, device="meta")(torch.zeros(2, 1, 5, 5, device="meta")).shape == (2, 1, 5, 5)
    assert_close(PixelCNN((5, 7), channels=3, layers=2, generator=stream())(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize("assign", [False, True])
def test_a_model_without_memory_gets_its_masks_with_its_weights(assign):
    model, x = PixelCNN(5, channels=2, layers=1, generator=stream()), torch.ones(2, 1, 5, 5)
    other = PixelCNN(5, channels=2, layers=1, device="meta")
    if not assign:
        other = other.to_empty(device="cpu")  # what was in memory before is what a mask holds
        for layer in other.modules():
            if isinstance(layer, MaskedConv2d):
                layer.mask.fill_(torch.nan)
    other.load_state_dict(model.state_dict(), assign=assign)
    assert torch.equal(copy.deepcopy(other)(x), model(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: raster_mask((3, 3), "C"), "of kind A or B, its sizes are odd, found 'C' and 3 x 3"),
        (lambda: raster_mask((3, 4), "A"), "found 'A' and 3 x 4"),
        (lambda: raster_mask((2, 3), "A"), "found 'A' and 2 x 3"),
        (lambda: PixelCNN(5)(torch.zeros(2, 1, 5, 7)), r"x is \(b, 1, 5, 5\), found shape \(2, 1, 5, 7\)"),
        (lambda: PixelCNN(5)(torch.zeros(2, 1, 5, 5).byte()), "floating numbers, found torch.uint8"),
        (lambda: PixelCNN(5, layers=-1), "layers at least 0, found .* -1 layers"),
        (lambda: PixelCNN((5, 0)), r"at least 1, .* found size \(5, 0\), 16 channels"),
        (lambda: PixelCNN(5, channels=0), r"at least 1, .* found size \(5, 5\), 0 channels"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
