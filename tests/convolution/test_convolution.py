"""Convolutions against torch and SciPy in float64, transposes against adjoints, fields against gradients, and by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage, signal
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.convolution import (
    Conv2d,
    GlobalMaxPool2d,
    Layer,
    as_matrix,
    conv2d,
    conv2d_fft,
    conv2d_unfold,
    conv_transpose2d,
    convolve1d,
    equivariance_error,
    max_pool2d,
    max_unpool2d,
    receptive_field,
    sobel,
    unfold2d,
)

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
    with pytest.raises(ValueError, match="two sequences"):
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
        ((X, W[0]), {}, "x is"),
        ((X, W[:, :3]), {}, "x is"),
        ((X, W), {"groups": 2}, "x is"),
        ((X, W[:5, :2]), {"groups": 2}, "a multiple of groups"),
        ((X, W), {"groups": 0}, "x is"),
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


# Transposed convolution


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
        ((X, W), {}, "x is"),  # six kernels, four maps
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


# Pooling


POOLINGS = [
    {"kernel_size": 2},
    {"kernel_size": (2, 3), "stride": (1, 2)},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "padding": (1, 1), "dilation": (2, 3)},
]


@pytest.mark.parametrize("options", POOLINGS, ids=str)
def test_max_pool2d_matches_torch_in_values_indices_and_gradients(options):
    x = noise(2, 3, 11, 13).requires_grad_()
    ours, theirs = (f(x, **options, return_indices=True) for f in (max_pool2d, F.max_pool2d))
    assert_close(ours.values, theirs[0])
    assert torch.equal(ours.indices, theirs[1])
    assert_close(max_pool2d(x, **options), theirs[0])
    upstream = noise(*theirs[0].shape, seed=3)
    assert_close(*(torch.autograd.grad(y[0], x, upstream)[0] for y in (ours, theirs)))


@pytest.mark.parametrize("options", POOLINGS, ids=str)
@pytest.mark.parametrize("number", [-math.inf, math.nan])
def test_max_pool2d_of_numbers_that_are_none_is_torchs_and_points_into_the_image(options, number):
    for x in (torch.full((1, 1, 11, 13), number), torch.where(noise(1, 1, 11, 13) > 1.2, noise(1, 1, 11, 13), number)):
        ours, theirs = (f(x, **options, return_indices=True) for f in (max_pool2d, F.max_pool2d))
        assert_close(ours.values, theirs[0], equal_nan=True)
        assert torch.equal(ours.indices, theirs[1])


def test_max_pool2d_gives_a_tie_to_the_first_as_torch_does():
    x = torch.ones(1, 1, 4, 6)
    assert torch.equal(max_pool2d(x, 2, return_indices=True).indices, F.max_pool2d(x, 2, return_indices=True)[1])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (X[0], {"kernel_size": 2}, "x is"),
        (X.long(), {"kernel_size": 2}, "floats"),
        (X, {"kernel_size": 2, "padding": 2}, "half"),
        (X, {"kernel_size": 8}, "does not fit"),
        (X, {"kernel_size": 0}, "kernel_size"),
        (X, {"kernel_size": 2, "stride": 0}, "stride"),
    ],
)
def test_max_pool2d_refuses(x, options, message):
    with pytest.raises(ValueError, match=message):
        max_pool2d(x, **options)


def test_max_unpool2d_takes_the_whole_shape_as_torch_does():
    x = noise(2, 3, 5, 7)
    pooled, indices = max_pool2d(x, 2, return_indices=True)
    ours = max_unpool2d(pooled, indices, 2, output_size=x.shape)
    assert torch.equal(ours, F.max_unpool2d(pooled, indices, 2, output_size=x.shape))
    with pytest.raises(ValueError, match=r"\(h, w\) or \(b, c, h, w\), found \(5,\)"):
        max_unpool2d(pooled, indices, 2, output_size=(5,))


@pytest.mark.parametrize("options", POOLINGS[:3], ids=str)
def test_max_unpool2d_matches_torch(options):
    x = noise(2, 3, 11, 13)
    values, indices = max_pool2d(x, **options, return_indices=True)
    theirs = F.max_unpool2d(values, indices, **options, output_size=(11, 13))
    assert_close(max_unpool2d(values, indices, **options, output_size=(11, 13)), theirs)


def test_max_unpool2d_finds_torchs_size_by_itself():
    x = noise(1, 2, 7, 9)
    values, indices = max_pool2d(x, 3, 2, 1, return_indices=True)
    assert max_unpool2d(values, indices, 3, 2, 1).shape == F.max_unpool2d(values, indices, 3, 2, 1).shape


def test_pooling_an_unpooled_map_gives_it_back_only_without_negative_numbers():
    y, indices = max_pool2d(noise(1, 2, 6, 8), 2, return_indices=True)
    back = max_pool2d(max_unpool2d(y, indices, 2), 2)
    assert_close(back, y.relu())  # the zeros beside a negative number are larger than it
    assert (y < 0).any()


@pytest.mark.parametrize(
    ("x", "indices", "message"),
    [
        (torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3, dtype=torch.int64), "same shape"),
        (torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), "int64"),
        (torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 16), "do not fit"),
        (torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), -1), "do not fit"),
    ],
)
def test_max_unpool2d_refuses(x, indices, message):
    with pytest.raises(ValueError, match=message):
        max_unpool2d(x, indices, 2)


def test_global_max_pool_keeps_the_largest_and_forgets_where():
    x = noise(2, 3, 5, 7)
    assert torch.equal(GlobalMaxPool2d()(x), x.flatten(2).max(dim=2).values)
    assert equivariance_error(GlobalMaxPool2d(), lambda z: z.roll((2, 3), (-2, -1)), x, lambda z: z) == 0


# Sobel


def test_sobel_matches_scipy():
    image = noise(2, 11, 13)
    found = sobel(image)
    for k in range(2):
        assert_close(found.right[k], torch.from_numpy(ndimage.sobel(image[k].numpy(), axis=1)))
        assert_close(found.down[k], torch.from_numpy(ndimage.sobel(image[k].numpy(), axis=0)))
    assert_close(found.magnitude**2, found.right**2 + found.down**2)


def test_sobel_is_eight_times_the_slope_of_a_plane():
    plane = 2 * torch.arange(5.0)[:, None] - 3 * torch.arange(7.0)
    found = sobel(plane)
    assert found.down[1:-1, 1:-1].unique().tolist() == [16]
    assert found.right[1:-1, 1:-1].unique().tolist() == [-24]


@pytest.mark.parametrize("image", [torch.zeros(5), torch.zeros(0, 5), torch.zeros(5, 5, dtype=torch.uint8)])
def test_sobel_refuses(image):
    with pytest.raises(ValueError, match="image is"):
        sobel(image)


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


# Receptive fields


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


# Matrices and symmetries


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
