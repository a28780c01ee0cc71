"""Interval bounds against the corners of the box, against samples, and against the closed form of a linear classifier."""

import itertools

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, shaken, stream
from dlbook.adversarial.interval import box, certified, margins, propagate


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def corners(lower, upper):
    """Return all 2^d corners of one box (d,)."""
    picks = torch.tensor(list(itertools.product([False, True], repeat=len(lower))))
    return torch.where(picks, upper, lower)


@pytest.mark.parametrize("bias", [True, False])
def test_bounds_of_a_linear_layer_are_reached_at_corners(bias):
    layer = shaken(nn.Linear(6, 3, bias=bias))
    lower, size = noise(6), noise(6, seed=1).abs()
    values = layer(corners(lower, lower + size))
    low, high = propagate(layer, lower[None], (lower + size)[None])
    assert_close(low[0], values.amin(dim=0))
    assert_close(high[0], values.amax(dim=0))


@pytest.mark.parametrize(
    "options",
    [
        {}, {"stride": 2, "padding": 1}, {"dilation": 2, "padding": 2}, {"groups": 2}, {"bias": False},
        {"padding": "same"}, {"stride": (1, 2), "padding": (0, 1)},
    ],
)  # fmt: skip
def test_bounds_of_a_convolution_are_those_of_its_matrix(options):
    layer = shaken(nn.Conv2d(2, 4, 3, **options))
    lower, size = noise(1, 2, 5, 7), noise(1, 2, 5, 7, seed=1).abs()
    unit = torch.eye(70, dtype=F64).view(70, 2, 5, 7)
    offset = layer(torch.zeros(1, 2, 5, 7, dtype=F64))
    matrix = (layer(unit) - offset).flatten(1).T  # outputs x inputs
    ends = lower.flatten(), (lower + size).flatten()
    wanted = [
        matrix.clamp(min=0) @ ends[i] + matrix.clamp(max=0) @ ends[1 - i] + offset.flatten() for i in (0, 1)
    ]  # each input at the end that serves
    for found, right in zip(propagate(layer, lower, lower + size), wanted, strict=True):
        assert_close(found.flatten(), right)


def network():
    return shaken(
        nn.Sequential(
            nn.ZeroPad2d(1), nn.Conv2d(1, 3, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2, 1), nn.Conv2d(3, 5, 2), nn.Tanh(),
            nn.AvgPool2d(2, 1), nn.Flatten(), nn.Linear(5, 7), nn.Sigmoid(), nn.Identity(), nn.Linear(7, 4),
        )
    )  # fmt: skip


def test_no_sample_of_the_box_leaves_the_bounds_of_a_network():
    model, x = network(), noise(1, 1, 7, 7)
    low, high = propagate(model, x - 0.1, x + 0.1)
    samples = model(x + 0.1 * (2 * torch.rand(5000, 1, 7, 7, generator=stream(), dtype=F64) - 1))
    assert (samples >= low).all()
    assert (samples <= high).all()
    assert (high - low).max() < 40 * (samples.amax(dim=0) - samples.amin(dim=0)).max()  # not infinite either
    assert_close(propagate(model, x, x), (model(x), model(x)))


def test_margins_of_a_linear_classifier_are_the_worst_case_exactly():
    # the worst change moves each pixel by ε against w_y - w_j: margin - ε ‖w_y - w_j‖₁
    model = shaken(nn.Sequential(nn.Linear(5, 3)))
    x, y = noise(4, 5).sigmoid() * 0.5 + 0.25, torch.tensor([0, 1, 2, 0])
    found = margins(model, x, y, epsilon=0.1)
    apart = model[0].weight[y][:, None] - model[0].weight
    scores = model(x)
    assert_close(found, scores.gather(1, y[:, None]) - scores - 0.1 * apart.abs().sum(dim=2))
    assert (found.gather(1, y[:, None]) == 0).all()


def test_margins_are_no_looser_than_the_difference_of_two_bounds_and_hold_for_samples():
    model = shaken(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)))
    x, y = noise(4, 5).sigmoid(), torch.tensor([0, 1, 2, 0])
    found = margins(model, x, y, epsilon=0.2)
    low, high = propagate(model, *box(x, epsilon=0.2))
    apart = low.gather(1, y[:, None]) - high
    others = torch.ones_like(found, dtype=torch.bool).scatter(1, y[:, None], False)
    assert (found > apart)[others].all()
    moved = (x + 0.2 * (2 * torch.rand(2000, 4, 5, generator=stream(), dtype=F64) - 1)).clamp(0, 1)
    scores = model(moved)
    sampled = (scores.gather(2, y.expand(2000, 4)[..., None]) - scores).amin(dim=0)
    assert (sampled >= found - 1e-12).all()
    no_bias = nn.Sequential(model[0], model[1], nn.Linear(7, 3, bias=False, dtype=F64))
    at_x = no_bias(x)
    assert_close(margins(no_bias, x, y, epsilon=0), at_x.gather(1, y[:, None]) - at_x)


def test_a_slope_of_the_margins_by_finite_differences():
    model, y, x = shaken(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))), torch.tensor([0, 1]), noise(2, 3)
    x, weight = x.sigmoid(), model[0].weight
    slopes = torch.autograd.grad(margins(model, x, y, epsilon=0.1).sum(), weight)[0]
    with torch.no_grad():
        weight[1, 2] += 1e-6
        up = margins(model, x, y, epsilon=0.1).sum()
        weight[1, 2] -= 2e-6
        down = margins(model, x, y, epsilon=0.1).sum()
    assert_close((up - down) / 2e-6, slopes[1, 2], rtol=1e-6, atol=1e-6)


def test_certified_means_safe_at_every_corner_and_no_image_depends_on_the_others():
    model = shaken(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)))
    x = noise(60, 6).sigmoid()
    y = model(x).argmax(dim=1)
    found = certified(model, x, y, epsilon=0.04)
    assert 0 < found.sum() < 60
    for image, label in zip(x[found], y[found], strict=True):
        low, high = box(image[None], epsilon=0.04)
        assert (model(corners(low[0], high[0])).argmax(dim=1) == label).all()
    assert not certified(model, x, (y + 1) % 3, epsilon=0.0).any()
    assert certified(model, x, y, epsilon=0.0).all()
    for one in range(5):
        assert certified(model, x[[one]], y[[one]], epsilon=0.04).item() == found[one]


def test_a_tie_certifies_nothing():
    model = nn.Sequential(nn.Linear(2, 2))
    nn.init.eye_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    assert not certified(model, torch.tensor([[0.75, 0.25]]), torch.tensor([0]), epsilon=0.25).item()


def test_box_stays_inside_the_bounds():
    low, high = box(torch.tensor([[0.0, 0.5, 1.0]]), epsilon=0.25)
    assert low.tolist() == [[0, 0.25, 0.75]]
    assert high.tolist() == [[0.25, 0.75, 1.0]]
    low, high = box(torch.tensor([[-1.0, 1.0]]), epsilon=3, bounds=(-1, 2))
    assert (low.tolist(), high.tolist()) == ([[-1, -1]], [[2, 2]])


def test_the_bounds_of_pixels_reach_the_margins():
    # a pixel at its wall moves inward only: margin (1 - 0.25) - 0.25, where without bounds both would lose 0.25
    model = nn.Sequential(nn.Linear(2, 2))
    nn.init.eye_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    x, y = torch.tensor([[1.0, 0.0]]), torch.tensor([1])
    assert_close(margins(model, x, y, epsilon=0.25).detach(), torch.tensor([[-1.0, 0.0]]))
    assert_close(margins(model, x, y, epsilon=0.25, bounds=(-1, 2)).detach(), torch.tensor([[-1.5, 0.0]]))
    model[0].bias.data[1] = 1.5  # now only outward moves could cost class 1 its lead
    assert certified(model, x, y, epsilon=0.45).item() is True
    assert certified(model, x, y, epsilon=0.45, bounds=(-1, 2)).item() is False


def test_no_image_no_margin():
    assert margins(nn.Sequential(nn.Linear(5, 3)), torch.zeros(0, 5), torch.zeros(0).long(), epsilon=0.1).shape == (
        0,
        3,
    )


MODEL, IMAGE, LABEL = nn.Sequential(nn.Linear(5, 3)), torch.zeros(1, 5), torch.tensor([0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: propagate(nn.Softmax(1), IMAGE, IMAGE), "no rule for bounds of Softmax"),
        (lambda: propagate(nn.BatchNorm1d(5), IMAGE, IMAGE), "no rule for bounds of BatchNorm1d"),
        (lambda: propagate(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), IMAGE, IMAGE), "no rule .* Conv2d"),
        (lambda: propagate(MODEL, IMAGE, IMAGE[:0]), r"ends of one box, found \(1, 5\) and \(0, 5\)"),
        (lambda: propagate(MODEL, IMAGE + 1, IMAGE), "lower is nowhere above upper"),
        (lambda: propagate(MODEL, IMAGE, IMAGE * torch.nan), "lower is nowhere above upper"),
        (lambda: box(IMAGE + 2, epsilon=0.1), "pixels of x lie in bounds"),
        (lambda: box(IMAGE, epsilon=-0.1), "epsilon is a finite size of at least 0"),
        (lambda: margins(MODEL, IMAGE, LABEL + 3, epsilon=0.1), r"class numbers lie in 0..2, found 3 to 3"),
        (lambda: margins(MODEL, IMAGE, LABEL - 1, epsilon=0.1), r"class numbers lie in 0..2, found -1 to -1"),
        (lambda: margins(MODEL, IMAGE, LABEL.float(), epsilon=0.1), "y holds class numbers"),
        (lambda: margins(nn.Sequential(nn.Linear(5, 3), nn.ReLU()), IMAGE, LABEL, epsilon=0.1), "ends in nn.Linear"),
        (lambda: margins(nn.Linear(5, 3), IMAGE, LABEL, epsilon=0.1), "ends in nn.Linear, found Linear"),
        (lambda: margins(nn.Sequential(), IMAGE, LABEL, epsilon=0.1), "ends in nn.Linear, found Sequential"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
