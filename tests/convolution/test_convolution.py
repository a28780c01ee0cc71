"""Convolutions against torch and SciPy in float64, and by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import signal
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.convolution import Conv2d, conv2d, conv2d_fft, conv2d_unfold, convolve1d, unfold2d

FORMS = (conv2d, conv2d_unfold, conv2d_fft)
OPTIONS = [
    {},
    {"stride": 2},
    {"stride": (3, 2)},
    {"padding": 2},
    {"padding": (1, 3)},
    {"padding": "same"},
    {"padding": "valid"},
    {"padding": "same", "dilation": (2, 3)},
    {"dilation": (2, 1)},
    {"dilation": (1, 3), "stride": (2, 3), "padding": (3, 1)},
]


# One dimension


def test_convolve1d_matches_numpy_on_prime_lengths():
    x, f = noise(11), noise(5, seed=1)
    assert_close(convolve1d(x, f), torch.from_numpy(np.convolve(x.numpy(), f.numpy())))


def test_convolve1d_commutes_and_variances_add():
    x, f = noise(7).abs(), noise(3, seed=1).abs()
    assert_close(convolve1d(x, f), convolve1d(f, x))

    def variance(p):
        at = torch.arange(len(p), dtype=F64)
        p = p / p.sum()
        return (p * at**2).sum() - (p * at).sum() ** 2

    assert_close(variance(convolve1d(x, f)), variance(x) + variance(f))


@pytest.mark.parametrize("shapes", [((2, 3), (3,)), ((3,), (2, 3)), ((0,), (3,)), ((3,), (0,))])
def test_convolve1d_refuses_what_is_no_sequence(shapes):
    with pytest.raises(ValueError, match=r"^[xf] is \([nk],\) with all sizes at least 1, found shape \((2, 3|0,)\)"):
        convolve1d(*(torch.zeros(s) for s in shapes))


# Three forms of one convolution


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("maps", "groups"), [((3, 5), 1), ((6, 4), 2), ((5, 10), 5)])
def test_each_form_matches_torch_in_value_and_gradients(form, options, maps, groups):
    c, o = maps
    x, weight = noise(2, c, 13, 11), noise(o, c // groups, 3, 5, seed=1)
    if options.get("dilation") == (2, 3):
        x = noise(2, c, 13, 17)
    bias = noise(o, seed=2)
    leaves = [t.requires_grad_() for t in (x, weight, bias)]
    ours, theirs = (f(*leaves, **options, groups=groups) for f in (form, F.conv2d))
    assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
    upstream = noise(*theirs.shape, seed=3)
    for a, b in zip(*(torch.autograd.grad(y, leaves, upstream) for y in (ours, theirs)), strict=True):
        assert_close(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_correlates_as_scipy_does_and_does_not_convolve(form):
    x, f = noise(13, 11), noise(3, 5, seed=1)
    ours = form(x[None, None], f[None, None])[0, 0]
    assert_close(ours, torch.from_numpy(signal.correlate2d(x, f, mode="valid")))
    assert not torch.allclose(ours, torch.from_numpy(signal.convolve2d(x, f, mode="valid")))


@pytest.mark.parametrize("form", FORMS)
def test_each_form_takes_an_even_kernel_a_single_place_and_single_precision(form):
    x, weight = noise(1, 2, 4, 6, dtype=torch.float32), noise(3, 2, 4, 6, seed=1, dtype=torch.float32)
    assert form(x, weight).dtype == torch.float32
    assert_close(form(x, weight)[0, :, 0, 0], (x * weight).sum(dim=(1, 2, 3)))
    even = weight[..., :2, :2]
    assert_close(form(x, even, padding="same"), F.conv2d(F.pad(x, (0, 1, 0, 1)), even))  # the last side gets one more


X, W = torch.zeros(1, 4, 7, 7), torch.zeros(6, 4, 3, 3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[0], W), {}, "x is"),
        ((X, W[0]), {}, r"weight is \(o, c/groups, i, j\), found shape \(4, 3, 3\)"),
        ((X, W[:, :3]), {}, r"x is \(b, 3, h, w\), found"),
        ((X, W), {"groups": 2}, "x is"),
        ((X, W[:5, :2]), {"groups": 2}, "a multiple of groups"),
        ((X, W), {"groups": 0}, "a multiple of groups, found 6 and 0"),
        ((X, W, torch.zeros(5)), {}, "bias is"),
        ((X, W), {"stride": 0}, "stride is"),
        ((X, W), {"stride": (1, 2, 3)}, "stride is"),
        ((X, W), {"stride": 1.5}, "stride is"),
        ((X, W), {"dilation": 0}, "dilation is"),
        ((X, W), {"padding": -1}, "padding is"),
        ((X, W), {"padding": "full"}, "padding is"),
        ((X, W), {"padding": "same", "stride": 2}, "needs stride 1"),
        ((X, W), {"dilation": 4}, "does not fit"),
        ((X[..., :2], W), {}, "does not fit"),
    ],
)
def test_each_form_refuses(form, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        form(*arguments, **options)


@pytest.mark.parametrize("function", [conv2d, conv2d_unfold, conv2d_fft])
@pytest.mark.parametrize(("x", "weight"), [(torch.float32, torch.float64), (torch.int64, torch.int64)])
def test_kinds_of_numbers_do_not_mix(function, x, weight):
    with pytest.raises(ValueError, match=f"floats of one kind, found {x} and {weight}"):
        function(torch.ones(1, 1, 5, 5, dtype=x), torch.ones(1, 1, 3, 3, dtype=weight))


@pytest.mark.parametrize("options", [{}, {"stride": (2, 3)}, {"padding": (2, 1)}, {"dilation": (2, 1), "padding": 1}])
def test_unfold2d_matches_torch(options):
    x = noise(2, 3, 11, 13)
    assert_close(unfold2d(x, (3, 5), **options), F.unfold(x, (3, 5), **options))


def test_unfold2d_refuses_an_image_without_batch_and_a_large_window():
    with pytest.raises(ValueError, match=r"x is \(b, c, h, w\)"):
        unfold2d(X[0], 3)
    with pytest.raises(ValueError, match="does not fit"):
        unfold2d(X, 8)


# The layer


@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": (1, 2), "stride": (2, 3)},
        {"padding": 2, "dilation": (2, 1), "groups": 2, "bias": False},
        {"padding": "same", "dilation": (1, 2)},
        {"padding": "same", "kernel_size": (3, 4), "dilation": (1, 2)},
        {"padding": "valid", "groups": 2},
    ],
    ids=str,
)
def test_layer_loads_torchs_state_and_matches_it(mode, options):
    options = {"kernel_size": (3, 5), "padding_mode": mode} | options
    theirs = nn.Conv2d(4, 6, **options, dtype=F64)
    ours = Conv2d(4, 6, **options, dtype=F64)
    ours.load_state_dict(theirs.state_dict())
    x = noise(2, 4, 11, 13)
    assert_close(ours(x), theirs(x))
    gradients = []
    for layer in (ours, theirs):
        z = x.clone().requires_grad_()
        layer(z).square().sum().backward()
        gradients.append([z.grad, *(p.grad for p in layer.parameters())])
    for a, b in zip(*gradients, strict=True):
        assert_close(a, b)


def test_layer_and_the_three_forms_agree():
    layer = Conv2d(4, 6, 3, stride=2, padding=1, groups=2, dtype=F64)
    x = noise(2, 4, 11, 13)
    for form in FORMS:
        assert_close(form(x, layer.weight, layer.bias, 2, 1, groups=2), layer(x))


def test_layer_draws_from_its_generator_within_torchs_bound():
    layers = [Conv2d(3, 50, (3, 5), generator=stream(seed)) for seed in (0, 0, 1)]
    assert torch.equal(layers[0].weight, layers[1].weight)
    assert not torch.equal(layers[0].weight, layers[2].weight)
    bound = 1 / math.sqrt(45)
    for parameter in layers[0].parameters():
        assert 0.9 * bound < parameter.abs().max() <= bound
        assert abs(parameter.std() - bound / math.sqrt(3)) < 0.15 * bound
    state = torch.get_rng_state()
    Conv2d(3, 5, 3, generator=torch.Generator())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 3, "groups": 2}, "multiples of groups"),
        ({"out_channels": 0}, "multiples of groups"),
        ({"padding_mode": "mirror"}, "padding_mode is"),
        ({"kernel_size": 0}, "kernel_size is"),
        ({"padding": "same", "stride": 2}, "needs stride 1"),
    ],
)
def test_layer_refuses_options(options, message):
    with pytest.raises(ValueError, match=message):
        Conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3} | options)


def test_layer_refuses_images():
    with pytest.raises(ValueError, match="x is"):
        Conv2d(3, 6, 3)(X)
    with pytest.raises(ValueError, match="does not fit"):
        Conv2d(4, 6, 9)(X)
    for mode, widest in (("circular", 7), ("reflect", 6)):
        assert Conv2d(4, 6, 3, padding=widest, padding_mode=mode)(X).shape == (1, 6, 5 + 2 * widest, 5 + 2 * widest)
        with pytest.raises(ValueError, match="too wide"):
            Conv2d(4, 6, 3, padding=widest + 1, padding_mode=mode)(X)


def test_layer_prints_what_it_is_as_torch_does():
    for options in (
        {},
        {"kernel_size": (3, 5), "stride": 2, "padding": 1, "dilation": (1, 2), "groups": 2},
        {"bias": False, "padding": (1, 2), "padding_mode": "circular"},
    ):
        options = {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": (2, 3)} | options
        assert str(Conv2d(**options)) == str(nn.Conv2d(**options))
    assert str(Conv2d(3, 8, 5)) == "Conv2d(3, 8, kernel_size=(5, 5), stride=(1, 1))"
    assert "padding=(1, 1)" in str(Conv2d(3, 8, 3, padding="same"))  # torch prints the word
    assert "padding=(1, 2, 1, 2)" in str(Conv2d(3, 8, 4, padding="same"))
