"""Draws against torch's own from the same seed, variances in closed form, and what orthogonal means."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import integrate, stats
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.optimization.initialization import (
    fans,
    gain,
    glorot_normal_,
    glorot_uniform_,
    he_normal_,
    he_uniform_,
    orthogonal_,
)

SHAPES = [(31, 17), (17, 31), (5, 3, 7), (11, 3, 5, 2)]
PAIRS = {
    "glorot_normal": (lambda w, g: glorot_normal_(w, 1.7, generator=g), lambda w, g: nn.init.xavier_normal_(w, 1.7, g)),
    "glorot_uniform": (
        lambda w, g: glorot_uniform_(w, 1.7, generator=g),
        lambda w, g: nn.init.xavier_uniform_(w, 1.7, g),
    ),
    "he_normal": (
        lambda w, g: he_normal_(w, generator=g),
        lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g),
    ),
    "he_normal_out": (
        lambda w, g: he_normal_(w, 1.0, mode="fan_out", generator=g),
        lambda w, g: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="linear", generator=g),
    ),
    "he_uniform": (
        lambda w, g: he_uniform_(w, generator=g),
        lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g),
    ),
    "he_uniform_out": (
        lambda w, g: he_uniform_(w, 1.0, mode="fan_out", generator=g),
        lambda w, g: nn.init.kaiming_uniform_(w, mode="fan_out", nonlinearity="linear", generator=g),
    ),
    "orthogonal": (
        lambda w, g: orthogonal_(w, 1.7, generator=g),
        lambda w, g: nn.init.orthogonal_(w, 1.7, generator=g),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_seed_gives_torchs_numbers(name, shape):
    ours, theirs = PAIRS[name]
    weight = torch.empty(shape, dtype=F64)
    found = ours(weight, stream(3))
    assert found is weight
    assert_close(found, theirs(torch.empty(shape, dtype=F64), stream(3)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 3), (7, 5, 3, 2)])
def test_fans_are_torchs(shape):
    weight = torch.empty(shape)
    assert fans(weight) == nn.init._calculate_fan_in_and_fan_out(weight)


@pytest.mark.parametrize(
    ("draw", "variance"),
    [
        (glorot_normal_, 2 / 1000),
        (glorot_uniform_, 2 / 1000),
        (he_normal_, 2 / 700),
        (he_uniform_, 2 / 700),
    ],
)
def test_variances_are_the_closed_forms(draw, variance):
    weight = draw(torch.empty(300, 700, dtype=F64), generator=stream(1))
    assert weight.var().item() == pytest.approx(variance, rel=0.02)  # relative error at most √(2 / 210,000) = 0.003
    assert abs(weight.mean().item()) < 5 * math.sqrt(variance / weight.numel())


def test_gains_in_closed_form_and_torchs():
    assert gain(torch.relu) == pytest.approx(math.sqrt(2), rel=1e-9)
    assert gain(lambda z: z) == pytest.approx(1.0, rel=1e-9)
    leaky = nn.init.calculate_gain("leaky_relu", 0.3)
    assert gain(lambda z: F.leaky_relu(z, 0.3)) == pytest.approx(leaky, rel=1e-9)
    assert gain(torch.sin) == pytest.approx(math.sqrt(2 / (1 - math.exp(-2))), rel=1e-9)  # E sin² = (1 - e⁻²) / 2


@pytest.mark.parametrize("function", [torch.tanh, torch.sigmoid, F.gelu, F.silu])
def test_gains_by_scipys_quadrature(function):
    def density(z):
        return function(torch.tensor(z, dtype=F64)).item() ** 2 * stats.norm.pdf(z)

    assert gain(function) == pytest.approx(1 / math.sqrt(integrate.quad(density, -12, 12)[0]), rel=1e-7)


def test_with_its_gain_a_wide_layer_keeps_the_mean_square():
    x = noise(64, 1000)
    for function in (torch.relu, torch.tanh):
        sums = x
        for seed in range(5):
            weight = he_normal_(torch.empty(1000, 1000, dtype=F64), gain(function), generator=stream(seed + 1))
            sums = function(sums) @ weight.T
        assert sums.square().mean().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("shape", [(13, 7), (7, 13), (5, 3, 7), (13, 3, 2)])
def test_rows_or_columns_are_orthonormal(shape):
    weight = orthogonal_(torch.empty(shape, dtype=F64), 0.5, generator=stream(2)).flatten(1)
    product = weight @ weight.T if len(weight) <= weight.shape[1] else weight.T @ weight
    assert_close(product, 0.25 * torch.eye(len(product), dtype=F64), rtol=0, atol=1e-12)


def test_orthogonal_matrices_are_uniform_so_each_entry_has_mean_zero():
    # without the signs of R's diagonal, LAPACK's Q has a first entry that is never positive
    stream_ = stream(5)
    first = torch.stack([orthogonal_(torch.empty(3, 3), generator=stream_)[0, 0] for _ in range(400)])
    assert abs(first.mean().item()) < 0.15  # deviation 1 / √3 / 20 = 0.03
    assert first.square().mean().item() == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize("draw", [glorot_normal_, glorot_uniform_, he_normal_, he_uniform_, orthogonal_])
def test_dtype_device_and_parameters(draw):
    parameter = nn.Parameter(torch.empty(5, 3))
    draw(parameter, generator=stream())
    assert parameter.requires_grad
    assert parameter.grad_fn is None
    half = draw(torch.empty(5, 3, dtype=torch.bfloat16), generator=stream())
    assert half.dtype == torch.bfloat16
    assert half.isfinite().all()
    assert draw(torch.empty(5, 3, device="meta"), generator=stream()).is_meta
    torch.manual_seed(0)
    first = draw(torch.empty(5, 3))
    torch.manual_seed(0)
    assert torch.equal(first, draw(torch.empty(5, 3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fans(torch.empty(3)), r"weight is \(o, i, ...\) .*found shape \(3,\)"),
        (lambda: glorot_normal_(torch.empty(3, 0)), r"found shape \(3, 0\)"),
        (lambda: orthogonal_(torch.empty(3)), r"found shape \(3,\)"),
        (lambda: he_normal_(torch.empty(3, 5), mode="in"), "mode is one of fan_in, fan_out, found 'in'"),
        (lambda: gain(torch.zeros_like), "above 0 and finite, found 0"),
        (lambda: gain(torch.log), "above 0 and finite, found nan"),
        (lambda: gain(torch.sum), r"returns the shape it is given, .*, found \(\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_activation_in_place_has_the_gain_of_its_twin():
    assert gain(nn.ReLU(inplace=True)) == gain(nn.ReLU())
    assert gain(nn.ELU(inplace=True)) == gain(nn.ELU())


def test_orthogonal_whole_numbers_are_refused():
    with pytest.raises(ValueError, match="weight is of floats, found torch.int64"):
        orthogonal_(torch.zeros(3, 3, dtype=torch.long))


def test_an_activation_that_grows_without_bound_has_no_gain():
    with pytest.raises(ValueError, match="finite, found inf"):
        gain(lambda x: torch.exp(3 * x**2))
