"""Gaussians against torch.distributions in float64, moments, and gradients in closed form."""

import math

import pytest
import torch
from torch import distributions as laws
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.gaussians import (
    kl_normal,
    kl_standard_normal,
    log_normal,
    pathwise_gradients,
    reparameterize,
    score_function_gradients,
)

MEAN, LOG_VAR, OTHER_MEAN, OTHER_LOG_VAR, Z = (noise(2, 3, 5, seed=i) for i in range(5))


def law(mean, log_var):
    return laws.Normal(mean, (log_var / 2).exp())


def test_log_density_is_that_of_torch_distributions():
    assert_close(log_normal(Z, MEAN, LOG_VAR), law(MEAN, LOG_VAR).log_prob(Z).sum(dim=-1))
    assert_close(log_normal(Z, MEAN[0, 0], LOG_VAR[:, :1]), law(MEAN[0, 0], LOG_VAR[:, :1]).log_prob(Z).sum(dim=-1))


def test_divergences_are_those_of_torch_distributions():
    q, p = law(MEAN, LOG_VAR), law(OTHER_MEAN, OTHER_LOG_VAR)
    unit = laws.Normal(torch.zeros(5, dtype=F64), 1.0)
    assert_close(kl_standard_normal(MEAN, LOG_VAR), laws.kl_divergence(q, unit))
    assert_close(kl_normal(MEAN, LOG_VAR, OTHER_MEAN, OTHER_LOG_VAR), laws.kl_divergence(q, p))


def test_divergence_by_hand_and_of_equal_laws():
    # mean 1, variance 4: (1 + 4 - 1 - ln 4) / 2
    found = kl_standard_normal(torch.ones(1), torch.full((1,), math.log(4)))
    assert_close(found, torch.tensor([2 - math.log(2)]))
    assert_close(kl_normal(MEAN, LOG_VAR, MEAN, LOG_VAR), torch.zeros(2, 3, 5, dtype=F64))


def test_draws_have_the_moments_and_the_derivatives_of_the_law():
    mean, log_var = noise(3).requires_grad_(), noise(3, seed=1).requires_grad_()
    z = reparameterize(mean.expand(400_000, 3), log_var.expand(400_000, 3), generator=stream())
    deviation = (log_var / 2).exp()
    assert ((z.mean(dim=0) - mean).abs() < 5 * deviation / 400_000**0.5).all()
    assert_close(z.std(dim=0), deviation, rtol=0.01, atol=0)
    # dz/dμ = 1, dz/d log σ² = (z - μ) / 2
    d_mean, d_log_var = torch.autograd.grad(z.sum(), (mean, log_var))
    assert_close(d_mean, torch.full((3,), 400_000.0, dtype=F64))
    assert_close(d_log_var, ((z - mean) / 2).sum(dim=0))


def test_a_seed_gives_the_same_draws_and_another_seed_others():
    first, again, other = (reparameterize(MEAN, LOG_VAR, generator=stream(s)) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first != other).all()


def test_one_mean_for_many_variances_draws_noise_of_the_full_shape():
    z = reparameterize(torch.zeros(5), torch.zeros(7, 5), generator=stream())
    assert z.shape == (7, 5)
    assert z.unique().numel() == 35


@pytest.mark.parametrize("estimate", [pathwise_gradients, score_function_gradients])
def test_both_estimators_have_the_mean_of_the_closed_form(estimate):
    # E z'Az + b'z = μ'Aμ + Σ A_jj σ_j² + b'μ, so ∇μ = (A + A')μ + b and ∇ log σ² = A_jj σ_j²
    a, b, mean, log_var = noise(3, 3), noise(3, seed=1), noise(3, seed=2), noise(3, seed=3) / 2
    n = 200_000
    found = estimate(lambda z: ((z @ a) * z).sum(dim=1) + z @ b, mean, log_var, n, generator=stream())
    for values, expected in ((found.mean, (a + a.T) @ mean + b), (found.log_var, a.diagonal() * log_var.exp())):
        error = values.std(dim=0) / n**0.5
        assert ((values.mean(dim=0) - expected).abs() < 5 * error + 1e-12).all()
        assert (error < 0.05).all()


def test_variances_of_both_estimators_for_a_line_in_closed_form():
    # f(z) = c z, σ = 1: pathwise is c itself; (cμ + cε) ε has variance c²(μ² + 2)
    c, mean, n = 3.0, torch.tensor([2.0], dtype=F64), 400_000
    arguments = (lambda z: c * z[:, 0], mean, torch.zeros(1, dtype=F64), n)
    path = pathwise_gradients(*arguments, generator=stream())
    score = score_function_gradients(*arguments, generator=stream())
    assert_close(path.mean, torch.full((n, 1), c, dtype=F64))
    assert_close(score.mean.var(), torch.tensor(c**2 * (2.0**2 + 2), dtype=F64), rtol=0.03, atol=0)
    less = score_function_gradients(*arguments, baseline=c * 2.0, generator=stream())
    assert_close(less.mean.var(), torch.tensor(c**2 * 2, dtype=F64), rtol=0.03, atol=0)


def test_gradients_leave_the_arguments_alone_and_work_without_grad_mode():
    mean = noise(3)
    with torch.no_grad():
        found = pathwise_gradients(lambda z: z.sum(dim=1), mean, 0 * mean, 7, generator=stream())
    assert_close(found.mean, torch.ones(7, 3, dtype=F64))
    assert not mean.requires_grad
    tracked = noise(3).requires_grad_()
    score_function_gradients(lambda z: z.sum(dim=1), tracked, tracked, 7, generator=stream())
    assert tracked.grad is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    mean, log_var = noise(700).to(dtype), (0.1 * noise(700, seed=1)).to(dtype)
    for found, expected in (
        (log_normal(mean + 1, mean, log_var), log_normal((mean + 1).double(), mean.double(), log_var.double())),
        (kl_standard_normal(mean, log_var), kl_standard_normal(mean.double(), log_var.double())),
        (kl_normal(mean, log_var, 0 * mean, 0 * mean), kl_standard_normal(mean.double(), log_var.double())),
    ):
        assert found.dtype == torch.float32
        assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert reparameterize(mean, log_var, generator=stream()).dtype == dtype


def test_composes_with_torch():
    def bound(mean, log_var):
        z = reparameterize(mean, log_var, generator=None)
        return log_normal(z, 0 * mean, 0 * mean) - kl_standard_normal(mean, log_var).sum(dim=-1)

    compiled = torch.compile(bound, fullgraph=True, backend="eager")
    torch.manual_seed(0)
    found = compiled(MEAN, LOG_VAR)
    torch.manual_seed(0)
    assert_close(found, bound(MEAN, LOG_VAR))
    assert_close(torch.func.vmap(log_normal)(Z, MEAN, LOG_VAR), log_normal(Z, MEAN, LOG_VAR))
    assert bound(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0,)
    assert reparameterize(MEAN.to("meta"), LOG_VAR.to("meta"), generator=None).shape == (2, 3, 5)


def line(z):
    return z.sum(dim=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reparameterize(Z, Z[..., :2], generator=None), r"log_var is \(..., 5\), found shape \(2, 3, 2\)"),
        (lambda: reparameterize(torch.tensor(1.0), Z, generator=None), "found shape"),
        (lambda: log_normal(Z, Z[..., :2], Z), r"mean is \(..., 5\)"),
        (lambda: log_normal(Z, Z, Z[..., :2]), r"log_var is \(..., 5\)"),
        (lambda: kl_standard_normal(Z, Z[..., :1]), r"log_var is \(..., 5\)"),
        (lambda: kl_normal(Z, Z[..., :1], Z, Z), r"log_var is \(..., 5\)"),
        (lambda: kl_normal(Z, Z, Z[..., :1], Z), r"mean_p is \(..., 5\)"),
        (lambda: kl_normal(Z, Z, Z, Z[..., :1]), r"log_var_p is \(..., 5\)"),
        (lambda: pathwise_gradients(line, Z, Z, 2, generator=None), r"mean is \(d,\)"),
        (lambda: score_function_gradients(line, noise(3), noise(1), 2, generator=None), r"log_var is \(3,\)"),
        (lambda: pathwise_gradients(line, noise(3), noise(3), 0, generator=None), "draws is at least 1, found 0"),
        (lambda: pathwise_gradients(lambda z: z, noise(3), noise(3), 2, generator=None), r"f\(z\) is \(2,\)"),
        (lambda: score_function_gradients(lambda z: z, noise(3), noise(3), 2, generator=None), r"f\(z\) is \(2,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
