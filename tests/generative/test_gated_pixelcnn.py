"""The gated stacks against eq. (2) by hand, the paper's masked form, and the past that gradients see."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, composes, learns_an_image_and_its_negative, noise, shaken, size, stream
from dlbook.generative.gated_pixelcnn import GatedPixelCNN, gate


def test_gate_by_hand():
    # tanh(ln 2) = 3/5, σ(ln 3) = 3/4; tanh(-ln 2) = -3/5, σ(0) = 1/2
    a = torch.tensor([[math.log(2), -math.log(2), math.log(3), 0.0]])
    assert_close(gate(a), torch.tensor([[0.45, -0.3]]))
    assert_close(gate(a.T[None], dim=1), torch.tensor([[[0.45], [-0.3]]]))


def test_two_layers_are_the_papers_masked_convolutions():
    """The vertical stack masked to the rows above, the horizontal one to the left, as in Fig. 2 and Sec. 2.1."""
    model = shaken(GatedPixelCNN((5, 7), channels=3, layers=2, first=5, generator=stream()))
    x = (noise(2, 1, 5, 7) > 0).to(F64)

    def masked(x, weight, bias, rows, columns):
        """Convolve with a kernel that ends ``rows`` rows above and ``columns`` columns before the place, zero else."""
        k, m = weight.shape[2:]
        above, left = k - 1 + rows, m - 1 + columns
        padded = F.pad(x, (left, 20, above, 20))
        full = F.conv2d(padded, weight, bias)
        return full[:, :, : x.shape[2], : x.shape[3]]

    def eq2(a):
        return a[:, :3].tanh() * a[:, 3:].sigmoid()

    one, two = model.layers
    v1 = masked(x, one.vertical.weight, one.vertical.bias, 1, -2)  # 5 wide, so two columns to the right
    h1 = one.out(eq2(masked(x, one.horizontal.weight, one.horizontal.bias, 0, 1) + one.across(v1)))
    v2 = masked(eq2(v1), two.vertical.weight, two.vertical.bias, 0, -1)
    h2 = h1 + two.out(eq2(masked(h1, two.horizontal.weight, two.horizontal.bias, 0, 0) + two.across(v2)))
    assert_close(model(x), model.head(h2))


def test_no_pixel_sees_the_future_and_there_is_no_blind_spot():
    model = shaken(GatedPixelCNN((7, 11), channels=3, layers=9, first=5, generator=stream()))
    for i, j in ((0, 0), (0, 10), (3, 4), (6, 0), (6, 10)):
        x = (noise(3, 1, 7, 11) > 0).to(F64).requires_grad_()
        (gradient,) = torch.autograd.grad(model(x)[:, 0, i, j].sum(), x)
        before = torch.arange(77).view(7, 11) < 11 * i + j
        assert torch.equal(gradient.abs().sum(dim=(0, 1)) > 0, before)


def test_rows_is_how_far_up_a_pixel_sees():
    model = shaken(GatedPixelCNN((13, 5), channels=3, layers=3, first=5, generator=stream()))
    x = (noise(3, 1, 13, 5) > 0).to(F64).requires_grad_()
    (gradient,) = torch.autograd.grad(model(x)[:, 0, 12, 2].sum(), x)
    assert gradient.abs().sum(dim=(0, 1, 3)).nonzero().min() == 12 - model.rows
    assert model.rows == 5


def test_parameters_are_counted_by_hand():
    p = 5

    def layer(c, k):
        down, across = c * 2 * p * (k // 2 + 1) * k + 2 * p, 4 * p * p + 2 * p
        return down + across + c * 2 * p * (k // 2 + 1) + 2 * p + p * p + p

    head = (2 * p * p + 2 * p) + (2 * p + 1)
    assert size(GatedPixelCNN(7, channels=p, layers=3)) == layer(1, 7) + 2 * layer(p, 3) + head


def test_an_image_and_its_negative_are_learned_by_heart():
    learns_an_image_and_its_negative(GatedPixelCNN(5, channels=8, layers=2, generator=stream()))


def test_composes_with_torch():
    x = (noise(2, 1, 5, 7, dtype=torch.float32) > 0).float()
    model = GatedPixelCNN((5, 7), channels=3, layers=2, generator=stream())
    composes(model, x)
    assert_close(torch.compile(model.log_prob, fullgraph=True, backend="eager")(x), model.log_prob(x))
    half = GatedPixelCNN((5, 7), channels=3, layers=2, generator=stream()).to(torch.bfloat16)
    assert half(x.bfloat16()).dtype == torch.bfloat16
    assert half.sample(2).dtype == torch.bfloat16
    assert GatedPixelCNN(5, device="meta")(torch.zeros(2, 1, 5, 5, device="meta")).shape == (2, 1, 5, 5)
    assert_close(GatedPixelCNN((5, 7), channels=3, layers=2, generator=stream())(x), model(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GatedPixelCNN(5, layers=0), "at least one layer and odd kernels, found 0 layers"),
        (lambda: GatedPixelCNN(5, kernel=4), "kernels 4 and 7"),
        (lambda: GatedPixelCNN(5, first=6), "kernels 3 and 6"),
        (lambda: GatedPixelCNN(5, channels=0), r"at least 1, found size \(5, 5\) and 0 channels"),
        (lambda: GatedPixelCNN((0, 5)), r"at least 1, found size \(0, 5\) and 16 channels"),
        (lambda: GatedPixelCNN(5)(torch.zeros(2, 1, 5, 7)), r"x is \(b, 1, 5, 5\), found shape \(2, 1, 5, 7\)"),
        (lambda: GatedPixelCNN(5)(torch.zeros(2, 1, 5, 5).bool()), "floating numbers, found torch.bool"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
