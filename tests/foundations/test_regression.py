"""Regression against numpy.polyfit, scikit-learn, SciPy, torch's Gaussian, finite differences and refitting by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.linear_model import Ridge

from dlbook.foundations.regression import (
    fit_polynomial,
    grid_posterior,
    leave_one_out,
    posterior,
    posterior_fields,
    powers,
    ridge,
    ten_points,
)

RNG = np.random.default_rng(0)
FEATURES, TARGET = RNG.normal(size=(11, 5)), RNG.normal(size=11)
WIDE, SHORT = RNG.normal(size=(5, 13)), RNG.normal(size=5)
EXACT = {"rtol": 1e-10, "atol": 1e-12}
seeds = st.integers(0, 10_000)


def test_powers_are_those_of_a_sum_written_out():
    assert powers([2, -3], 3).tolist() == [[1, 2, 4, 8], [1, -3, 9, -27]]
    assert powers([5.0], 0).tolist() == [[1]]


@pytest.mark.parametrize("degree", range(10))
def test_fits_to_the_ten_points_are_those_of_numpy_polyfit(degree):
    x, y = ten_points()
    np.testing.assert_allclose(fit_polynomial(x, y, degree)[::-1], np.polyfit(x, y, degree), rtol=1e-6, atol=1e-9)


def test_ten_points_have_the_published_fits():
    # COVERAGE of the lecture: order 1, 2 and 9 of the recovered data; two decimals of the data, four of the fit
    x, y = ten_points()
    assert len(x) == len(y) == 10
    np.testing.assert_allclose(fit_polynomial(x, y, 1), [1.0588, 1.6102], atol=5e-5)
    np.testing.assert_allclose(fit_polynomial(x, y, 2), [0.7396, 1.7474, 0.6867], atol=5e-5)
    errors = [np.sum((powers(x, k) @ fit_polynomial(x, y, k) - y) ** 2) for k in (1, 2, 9)]
    np.testing.assert_allclose(errors[:2], [2.2402, 1.5621], atol=5e-5)
    assert errors[2] < 1e-16


def test_ten_points_are_new_each_time():
    ten_points()[0][0] = 99
    assert ten_points()[0][0] == 0.86


def test_line_through_three_points_worked_by_hand():
    # means 1 and 2; slope ((-1)(-2) + 0 + (1)(2)) / (1 + 0 + 1) = 2; offset 2 - 2 * 1 = 0
    np.testing.assert_allclose(fit_polynomial([0, 1, 2], [0, 2, 4], 1), [0, 2], atol=1e-12)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seeds, st.integers(0, 6))
def test_residual_of_a_fit_is_orthogonal_to_every_power(seed, degree):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-2, 2, 13), rng.normal(size=13)
    features = powers(x, degree)
    residual = y - features @ fit_polynomial(x, y, degree)
    assert abs(features.T @ residual).max() < 1e-8 * np.linalg.norm(features)


@pytest.mark.parametrize("strength", [1e-3, 0.7, 29.0])
@pytest.mark.parametrize("target", [TARGET, RNG.normal(size=(11, 3))], ids=["one", "three"])
def test_ridge_is_scikit_learns(strength, target):
    theirs = Ridge(alpha=strength, fit_intercept=False, solver="cholesky").fit(FEATURES, target).coef_.T
    np.testing.assert_allclose(ridge(FEATURES, target, strength=strength), theirs, **EXACT)


def test_ridge_without_strength_is_the_pseudo_inverse_tall_and_wide():
    np.testing.assert_allclose(ridge(FEATURES, TARGET, strength=0), np.linalg.pinv(FEATURES) @ TARGET, **EXACT)
    weight = ridge(WIDE, SHORT, strength=0)
    np.testing.assert_allclose(weight, np.linalg.pinv(WIDE) @ SHORT, **EXACT)
    np.testing.assert_allclose(WIDE @ weight, SHORT, **EXACT)
    twice = np.column_stack([FEATURES, FEATURES[:, 0]])  # a feature that is there two times shares its weight
    np.testing.assert_allclose(ridge(twice, TARGET, strength=0), np.linalg.pinv(twice) @ TARGET, **EXACT)


def test_ridge_of_nothing_but_zeros_is_zero():
    assert ridge(np.zeros((3, 2)), [1, 2, 3], strength=0).tolist() == [0, 0]


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seeds, st.floats(1e-3, 1e3))
def test_ridge_is_least_squares_on_data_with_made_up_rows(seed, strength):
    rng = np.random.default_rng(seed)
    features, y = rng.normal(size=(7, 5)), rng.normal(size=7)
    rows = np.vstack([features, math.sqrt(strength) * np.eye(5)])
    theirs = np.linalg.lstsq(rows, np.append(y, np.zeros(5)), rcond=None)[0]
    np.testing.assert_allclose(ridge(features, y, strength=strength), theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("features", "strength"), [(FEATURES, 0.0), (FEATURES, 0.7), (WIDE.T[:, :3], 0.0), (WIDE, 2.0)]
)
def test_leave_one_out_is_fitting_n_times(features, strength):
    y = RNG.normal(size=len(features))
    refitted = []
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        refitted.append(y[i] - features[i] @ ridge(features[rest], y[rest], strength=strength))
    np.testing.assert_allclose(leave_one_out(features, y, strength=strength), refitted, rtol=1e-8, atol=1e-10)


def test_leave_one_out_says_when_the_others_do_not_decide():
    with pytest.raises(ValueError, match="leverage 1 in row"):
        leave_one_out(powers(ten_points()[0], 9), ten_points()[1])


@pytest.mark.parametrize(("noise", "prior"), [(1.0, 1.0), (0.5, 1.0), (0.5, 2.0)])
def test_posterior_mode_is_where_torchs_gaussians_are_most_likely(noise, prior):
    x, y = ten_points()
    features = torch.tensor(powers(x, 1))
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

    def loss():
        optimizer.zero_grad()
        likelihood = torch.distributions.Normal(features @ weight, noise).log_prob(torch.tensor(y)).sum()
        value = -likelihood - torch.distributions.Normal(0.0, prior).log_prob(weight).sum()
        value.backward()
        return value

    optimizer.step(loss)
    ours = posterior(features.numpy(), y, noise=noise, prior=prior)
    np.testing.assert_allclose(ours.mean, weight.detach().numpy(), rtol=1e-7)
    hessian = torch.autograd.functional.hessian(
        lambda w: (
            -torch.distributions.Normal(features @ w, noise).log_prob(torch.tensor(y)).sum()
            - torch.distributions.Normal(0.0, prior).log_prob(w).sum()
        ),
        weight.detach(),
    )
    np.testing.assert_allclose(ours.covariance, np.linalg.inv(hessian.numpy()), **EXACT)


def test_posterior_of_a_mean_worked_by_hand():
    # precision 1/0.25 = 4 for the prior, 3/1 for three examples of noise 1: mean 3 * 2 / 7, variance 1/7
    mean, covariance = posterior(np.ones((3, 1)), [1, 2, 3], noise=1, prior=0.5)
    np.testing.assert_allclose([mean[0], covariance[0, 0]], [6 / 7, 1 / 7])


def test_posterior_with_fewer_examples_than_weights_is_the_prior_across_the_data():
    _, covariance = posterior(WIDE, SHORT, noise=0.3, prior=2.0)
    across = np.linalg.svd(WIDE)[2][5:]  # directions that no example touches
    np.testing.assert_allclose(across @ covariance @ across.T, 4 * np.eye(8), atol=1e-10)


def test_fields_are_central_differences_of_the_log_densities():
    weight, step = RNG.normal(size=5), 1e-5
    fields = posterior_fields(weight, FEATURES, TARGET, noise=0.7, prior=1.9)

    def log_likelihood(w):
        return stats.norm.logpdf(TARGET, FEATURES @ w, 0.7).sum()

    def log_prior(w):
        return stats.norm.logpdf(w, 0, 1.9).sum()

    for ours, log in zip(fields, (log_likelihood, log_prior), strict=True):
        numeric = [-(log(weight + h) - log(weight - h)) / (2 * step) for h in step * np.eye(5)]
        np.testing.assert_allclose(ours, numeric, rtol=1e-6, atol=1e-7)


def test_fields_cancel_at_the_mode_and_come_for_many_weights_at_once():
    mean = posterior(FEATURES, TARGET, noise=0.7, prior=1.9).mean
    assert abs(sum(posterior_fields(mean, FEATURES, TARGET, noise=0.7, prior=1.9))).max() < 1e-12
    many = RNG.normal(size=(2, 3, 5))
    fields = posterior_fields(many, FEATURES, TARGET, noise=0.7, prior=1.9)
    one = posterior_fields(many[1, 2], FEATURES, TARGET, noise=0.7, prior=1.9)
    np.testing.assert_allclose([field[1, 2] for field in fields], one, **EXACT)


def test_grid_is_the_closed_form_for_a_line():
    x, y = ten_points()
    features = powers(x, 1)
    exact = posterior(features, y, noise=0.5, prior=1.0)
    offset, slope = np.linspace(0, 2, 101), np.linspace(0.4, 2.6, 103)

    def log_joint(w):
        likelihood = stats.norm.logpdf(y, w @ features.T, 0.5).sum(axis=-1)
        return likelihood + stats.norm.logpdf(w).sum(axis=-1)

    density = grid_posterior(log_joint, offset, slope)
    points = np.stack(np.meshgrid(offset, slope, indexing="ij"), axis=-1)
    truth = stats.multivariate_normal(exact.mean, exact.covariance).pdf(points)
    np.testing.assert_allclose(density, truth, atol=1e-4 * truth.max())


def test_grid_is_the_beta_distribution_for_a_coin_and_integrates_to_one():
    bias = np.linspace(0, 1, 10_001)
    with np.errstate(divide="ignore"):
        density = grid_posterior(lambda t: 7 * np.log(t[..., 0]) + 3 * np.log1p(-t[..., 0]), bias)
    assert trapezoid(density, bias) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(density, stats.beta(8, 4).pdf(bias), atol=1e-6)


def test_flat_prior_leaves_the_most_likely_value_and_a_thousand_examples_do_not_underflow():
    y = np.random.default_rng(3).normal(0.3, 1, 1000)
    mean = np.linspace(-1, 1, 2001)
    density = grid_posterior(lambda t: stats.norm.logpdf(y, t).sum(axis=-1), mean)
    assert mean[density.argmax()] == pytest.approx(y.mean(), abs=5e-4)


BAD = [
    (lambda: powers([[1.0]], 2), "list of finite"),
    (lambda: powers([1.0, math.nan], 2), "list of finite"),
    (lambda: powers([1.0], -1), "degree"),
    (lambda: powers([1.0], 1.5), "degree"),
    (lambda: fit_polynomial([1.0, 2.0], [1.0], 1), "one entry for each"),
    (lambda: fit_polynomial([1.0, 1.0], [1.0, 2.0], 1), "distinct"),
    (lambda: fit_polynomial(ten_points()[0], ten_points()[1], 10), "11 distinct"),
    (lambda: fit_polynomial([], [], 0), "list of finite"),
    (lambda: ridge(FEATURES, TARGET, strength=-1), "strength"),
    (lambda: ridge(FEATURES, TARGET, strength=math.nan), "strength"),
    (lambda: ridge(FEATURES[0], TARGET, strength=1), r"features is \(n, p\)"),
    (lambda: ridge(np.zeros((0, 3)), [], strength=1), r"least 1, found shape \(0, 3\)"),
    (lambda: ridge(FEATURES, TARGET[:7], strength=1), "one entry for each"),
    (lambda: ridge(FEATURES, np.full(11, math.inf), strength=1), "y is finite"),
    (lambda: leave_one_out(FEATURES, TARGET, strength=-1), "strength"),
    (lambda: posterior(FEATURES, TARGET, noise=0, prior=1), "noise"),
    (lambda: posterior(FEATURES, TARGET, noise=1, prior=-1), "prior"),
    (lambda: posterior(FEATURES, TARGET[:, None], noise=1, prior=1), "one entry for each"),
    (lambda: posterior_fields([1.0], FEATURES, TARGET, noise=1, prior=1), "weight"),
    (lambda: posterior_fields(np.full(5, math.nan), FEATURES, TARGET, noise=1, prior=1), "weight"),
    (lambda: posterior_fields(np.ones(5), FEATURES, TARGET, noise=math.inf, prior=1), "noise"),
    (lambda: grid_posterior(lambda t: t[..., 0]), "at least one axis"),
    (lambda: grid_posterior(lambda t: t[..., 0], [0, 1, 3]), "evenly"),
    (lambda: grid_posterior(lambda t: t[..., 0], [2, 1, 0]), "evenly"),
    (lambda: grid_posterior(lambda t: t, [0, 1, 2]), "shape"),
    (lambda: grid_posterior(lambda t: np.full(t.shape[:-1], -np.inf), [0, 1]), "finite"),
    (lambda: grid_posterior(lambda t: np.full(t.shape[:-1], np.nan), [0, 1]), "finite"),
]


@pytest.mark.parametrize(("call", "words"), BAD)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_powers_that_are_alike_up_to_rounding_are_warned_of():
    x = 1e6 + np.arange(6.0)
    with pytest.warns(UserWarning, match=r"not independent \(rank \d of 4\): fit in \(x - mean\) / deviation"):
        fit_polynomial(x, (x - 1e6) ** 3, 3)
    shifted = fit_polynomial(x - x.mean(), (x - 1e6) ** 3, 3)
    assert np.abs(powers(x - x.mean(), 3) @ shifted - (x - 1e6) ** 3).max() < 1e-9


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_ridge_of_numbers_whose_squares_leave_the_range(scale):
    features, y = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]]), np.array([1.0, 2.0, 3.0])
    expected = ridge(features, y, strength=0.0)
    np.testing.assert_allclose(scale * ridge(scale * features, y, strength=0.0), expected, rtol=1e-12)
    np.testing.assert_allclose(ridge([[1e200]], [1e200], strength=1e300), [1.0], rtol=1e-12)
