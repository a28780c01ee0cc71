"""Penalties against quadratic maps worked by hand, finite differences, and the mean over noise."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise
from dlbook.regularization.tikhonov import laplacian, noise_penalty, squared_jacobian

W, A = noise(3, 5), noise(3, 5, 5, seed=1)
X, Y = noise(2, 5, seed=2), noise(2, 3, seed=3)


def linear(x):
    return x @ W.T


def quadratic(x):
    return torch.einsum("...i,kij,...j->...k", x, A, x)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()


def test_linear_map_is_punished_by_its_squared_weights():
    assert_close(squared_jacobian(linear, X), W.square().sum().expand(2))
    assert_close(laplacian(linear, X), torch.zeros(2, 3, dtype=F64))
    assert_close(noise_penalty(linear, X, Y), W.square().sum().expand(2))


def test_quadratic_map_in_closed_form():
    both = A + A.mT
    jacobian = torch.einsum("kij,bj->bki", both, X)
    assert_close(squared_jacobian(quadratic, X), jacobian.square().sum(dim=(1, 2)))
    trace = 2 * A.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert_close(laplacian(quadratic, X), trace.expand(2, 3))
    wanted = jacobian.square().sum(dim=(1, 2)) + ((quadratic(X) - Y) * trace).sum(dim=1)
    assert_close(noise_penalty(quadratic, X, Y), wanted)


def test_network_against_finite_differences():
    f, h = network(), 1e-4
    steps = h * torch.eye(5, dtype=F64)
    with torch.no_grad():
        up = torch.stack([f(X + step) for step in steps])
        down = torch.stack([f(X - step) for step in steps])
        assert_close(squared_jacobian(f, X), ((up - down) / (2 * h)).square().sum(dim=(0, 2)), rtol=1e-6, atol=1e-8)
        assert_close(laplacian(f, X), ((up + down - 2 * f(X)) / h**2).sum(dim=0), rtol=1e-5, atol=1e-6)


def test_mean_over_noise_that_is_exact_to_third_order():
    # ± √d σ along each of the d axes has mean 0, covariance σ² I and no third moments
    f = network()
    with torch.no_grad():
        plain = (f(X) - Y).square().sum(dim=1)
        ratio = {}
        for sigma in (0.01, 0.02):
            steps = sigma * 5**0.5 * torch.cat([torch.eye(5, dtype=F64), -torch.eye(5, dtype=F64)])
            noisy = torch.stack([(f(X + step) - Y).square().sum(dim=1) for step in steps]).mean(dim=0)
            ratio[sigma] = (noisy - plain) / sigma**2 - noise_penalty(f, X, Y)
        assert ratio[0.01].abs().max() < 1e-2
        assert_close(
            ratio[0.02] / ratio[0.01], torch.full((2,), 4.0, dtype=F64), rtol=0.02, atol=0
        )  # the rest is O(σ⁴)


def test_gradients_reach_the_weights():
    f = network()
    squared_jacobian(f, X).mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in f.named_parameters() if n.endswith("weight"))


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="x is"):
        squared_jacobian(linear, X[0])
    with pytest.raises(ValueError, match="x is"):
        laplacian(linear, X[0])
    with pytest.raises(ValueError, match="y is"):
        noise_penalty(linear, X, Y[:1])
    with pytest.raises(ValueError, match="y is"):  # would broadcast
        noise_penalty(linear, X, Y[:, :1])
    with pytest.raises(ValueError, match=r"f\(x\) is"):
        noise_penalty(lambda x: x.sum(dim=-1), X, Y)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_dtype_follows_the_input(dtype):
    f = network().to(dtype)
    assert noise_penalty(f, X.to(dtype), Y.to(dtype)).dtype == dtype


def test_a_map_without_an_axis_of_outputs_is_refused():
    with pytest.raises(ValueError, match=r"the Jacobian of f is \(b, k, d\), found shape \(2, 3\)"):
        squared_jacobian(lambda x: (x**2).sum(dim=-1), torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"the second derivative of f is \(b, k, d, d\), found shape \(2, 3, 3\)"):
        laplacian(lambda x: (x**2).sum(dim=-1), torch.ones(2, 3))


def test_each_example_has_an_output_and_the_examples_an_axis():
    with pytest.raises(ValueError, match=r"f\(x\) is"):
        noise_penalty(lambda x: x.mean(dim=0, keepdim=True), X, Y[:1])
    with pytest.raises(ValueError, match="x is"):
        noise_penalty(lambda x: x, X[0], X[0])
