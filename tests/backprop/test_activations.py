"""Oracles: SciPy's functions in float64, autograd for the slopes, identities, and values far out and at zero."""

import numpy as np
import pytest
import torch
from scipy import special
from scipy.stats import norm
from torch.nn import functional as F

from dlbook.backprop.activations import gelu, maxout, relu, sigmoid, slope, softplus, tanh

U = torch.linspace(-7, 7, 1009, dtype=torch.float64)
VALUES = {
    sigmoid: special.expit,
    tanh: np.tanh,
    relu: lambda u: np.maximum(u, 0),
    softplus: lambda u: np.logaddexp(0, u),
    gelu: lambda u: u * norm.cdf(u),
}
PAIRS = {
    sigmoid: torch.sigmoid,
    tanh: torch.tanh,
    relu: F.relu,
    softplus: F.softplus,
    gelu: F.gelu,
}


@pytest.mark.parametrize("ours", PAIRS, ids=lambda f: f.__name__)
def test_functions_and_slopes_agree_with_torch(ours):
    u = U.clone().requires_grad_()
    theirs = PAIRS[ours](u)
    torch.testing.assert_close(ours(U), theirs.detach(), rtol=1e-12, atol=1e-8 if ours is softplus else 1e-15)
    (expected,) = torch.autograd.grad(theirs.sum(), u)
    torch.testing.assert_close(slope(ours, U), expected, rtol=1e-10, atol=1e-8 if ours is softplus else 1e-14)


@pytest.mark.parametrize("ours", VALUES, ids=lambda f: f.__name__)
def test_functions_agree_with_scipy(ours):
    np.testing.assert_allclose(ours(U).numpy(), VALUES[ours](U.numpy()), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("ours", PAIRS, ids=lambda f: f.__name__)
def test_gradients_are_the_slopes_at_zero_too(ours):
    u = torch.cat([U, torch.tensor([0.0, -0.0], dtype=torch.float64)]).requires_grad_()
    (gradient,) = torch.autograd.grad(ours(u).sum(), u)
    torch.testing.assert_close(gradient, slope(ours, u.detach()), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("ours", PAIRS, ids=lambda f: f.__name__)
def test_nothing_overflows_and_gradients_flow(ours):
    far = torch.tensor([-1e30, -1000.0, -0.0, 0.0, 1000.0], requires_grad=True)
    value = ours(far)
    assert torch.isfinite(value).all()
    (gradient,) = torch.autograd.grad(value.sum(), far)
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(slope(ours, far)).all()
    torch.testing.assert_close(value.detach(), PAIRS[ours](far.detach()))


def test_tanh_and_softplus_keep_their_digits():
    tiny = torch.tensor([1e-20, -1e-12], dtype=torch.float64)
    torch.testing.assert_close(tanh(tiny), tiny, rtol=1e-15, atol=0)
    low = torch.tensor([-40.0], dtype=torch.float64)
    torch.testing.assert_close(softplus(low), torch.exp(low), rtol=1e-12, atol=0)


def test_known_slopes():
    assert slope(sigmoid, torch.zeros(1)) == 0.25
    assert slope(tanh, torch.zeros(1)) == 1
    assert slope(relu, torch.tensor([0.0])) == 0
    torch.testing.assert_close(tanh(U), 2 * sigmoid(2 * U) - 1)


def test_maxout_is_relu_and_absolute_value_and_takes_neighbors():
    zero = torch.zeros_like(U)
    torch.testing.assert_close(maxout(torch.stack([zero, U], dim=-1), 2)[:, 0], F.relu(U))
    torch.testing.assert_close(maxout(torch.stack([-U, U], dim=-1), 2)[:, 0], U.abs())
    u = torch.randn(5, 7, 6, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([u[..., 0:3].max(dim=-1).values, u[..., 3:6].max(dim=-1).values], dim=-1)
    assert torch.equal(maxout(u, 3), expected)


def test_activations_act_entry_by_entry():
    order = torch.randperm(len(U), generator=torch.Generator().manual_seed(0))
    for function in PAIRS:
        assert torch.equal(function(U[order]), function(U)[order])


BAD = {
    "floating dtype, found torch.int64": lambda: relu(torch.tensor([1])),
    "found float": lambda: sigmoid(0.5),
    r"groups of 3, found shape \(2, 4\)": lambda: maxout(torch.zeros(2, 4), 3),
    "groups of 0": lambda: maxout(torch.zeros(2, 4), 0),
    r"groups of 2, found shape \(2, 0\)": lambda: maxout(torch.zeros(2, 0), 2),
    "found sigmoid": lambda: slope(torch.sigmoid, U),
    "found maxout": lambda: slope(maxout, U),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
