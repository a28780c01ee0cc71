"""The closed forms against SciPy's densities, automatic gradients, and Vincent's identity."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch.testing import assert_close

from common import noise
from dlbook.generative.score_matching import best_guess, best_noise, denoising_loss, log_density, score_from_noise

POINTS, X, ALPHA = noise(7, 3), noise(5, 3, seed=1), 0.4


def test_density_is_scipys_mixture():
    each = [multivariate_normal(np.sqrt(ALPHA) * p, (1 - ALPHA) * np.eye(3)).pdf(X.numpy()) for p in POINTS.numpy()]
    assert_close(log_density(X, POINTS, ALPHA), torch.tensor(np.log(np.mean(each, axis=0))))


def test_score_is_the_gradient_of_the_density():
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(x, POINTS, ALPHA).sum(), x)
    assert_close(score_from_noise(best_noise(X, POINTS, ALPHA), ALPHA), gradient)


def test_guess_and_noise_make_up_x():
    guess, eps = best_guess(X, POINTS, ALPHA), best_noise(X, POINTS, ALPHA)
    assert_close(ALPHA**0.5 * guess + (1 - ALPHA) ** 0.5 * eps, X)


def test_guess_of_two_points_is_a_tanh():
    two = torch.tensor([[-1.0], [1.0]]).double()
    x = noise(9, 1)
    assert_close(best_guess(x, two, ALPHA), torch.tanh(ALPHA**0.5 * x / (1 - ALPHA)))


def test_denoising_and_explicit_score_matching_have_one_gradient_in_the_score():
    # Vincent: E|s(x̃) - ∇log q(x̃)|² / 2 and E|s(x̃) + ε/σ|² / 2 differ by a constant, whatever s is (two points, one number,
    # by quadrature over ε)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    eps = torch.tensor(nodes)[:, None].repeat(2, 1)
    mass = torch.tensor(np.tile(weights / weights.sum(), 2) / 2)
    data = torch.tensor([[-1.0], [1.0]]).double()
    std = 0.8
    x = data.repeat_interleave(80, 0) + std * eps
    scaled = 1 / (1 + std**2)  # ᾱ with (1 - ᾱ) / ᾱ = σ²
    truth = score_from_noise(best_noise(x * scaled**0.5, data, scaled), scaled) * scaled**0.5
    gaps = []
    for a in (0.0, -0.7, 1.3):
        s = a * x + x.sin()
        explicit = ((s - truth).square().sum(1) * mass).sum() / 2
        denoising = sum(denoising_loss(s[i : i + 1], eps[i : i + 1], std) * mass[i] for i in range(len(x)))
        gaps.append((denoising - explicit).item())
    assert np.ptp(gaps) < 1e-6
    assert gaps[0] > 0.05


def test_denoising_loss_by_hand():
    # (1 + 2/0.5)² + (0 - 1/0.5)² = 29, half of it; the second row is 0
    score, eps = torch.tensor([[1.0, 0], [4, -2]]), torch.tensor([[2.0, -1], [-2, 1]])
    assert_close(denoising_loss(score, eps, 0.5), torch.tensor(29 / 4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_guess(X, noise(7, 2), ALPHA), r"x is \(b, 2\)"),
        (lambda: best_guess(X, noise(0, 3), ALPHA), "at least 1"),
        (lambda: best_guess(X[0], POINTS, ALPHA), r"x is \(b, 3\)"),
        (lambda: denoising_loss(X, X[:, :1], 0.5), r"noise is \(5, 3\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
