"""Oracles: numpy.polyfit, scikit-learn's Ridge, the pseudo-inverse, the normal equations, and Bayes' rule on a grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from dlbook.foundations.regression import fit_polynomial, posterior, powers, ridge

# The ten points behind S4:54-62, identified by their fit (COVERAGE E04)
X = np.array([0.86, 0.09, -0.85, 0.87, -0.44, -0.43, -1.10, 0.40, -0.96, 0.17])
Y = np.array([2.49, 0.83, -0.25, 3.10, 0.87, 0.02, -0.12, 1.81, -0.83, 0.43])


@pytest.mark.parametrize("degree", range(8))
def test_polynomials_agree_with_numpy(degree):
    np.testing.assert_allclose(fit_polynomial(X, Y, degree), np.polyfit(X, Y, degree)[::-1], rtol=1e-6, atol=1e-9)


def test_the_lecture_s_fits():
    np.testing.assert_allclose(fit_polynomial(X, Y, 1), [1.0588, 1.6102], atol=5e-5)
    np.testing.assert_allclose(fit_polynomial(X, Y, 2), [0.7396, 1.7474, 0.6867], atol=5e-5)
    through_all = powers(X, 9) @ fit_polynomial(X, Y, 9)
    np.testing.assert_allclose(through_all, Y, atol=1e-8)


@given(st.integers(0, 5), st.integers(0, 10**6))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_a_polynomial_is_recovered_from_its_points(degree, seed):
    rng = np.random.default_rng(seed)
    true = rng.normal(size=degree + 1)
    x = rng.permutation(np.linspace(-1, 1, 11))
    np.testing.assert_allclose(fit_polynomial(x, powers(x, degree) @ true, degree), true, rtol=1e-7, atol=1e-9)


@given(st.integers(1, 13), st.integers(1, 13), st.floats(1e-3, 1e3), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_ridge_agrees_with_scikit_learn_and_has_no_slope(n, d, penalty, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, 2))
    w = ridge(x, y, penalty)
    np.testing.assert_allclose(w, Ridge(alpha=penalty, fit_intercept=False).fit(x, y).coef_.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(penalty * w + x.T @ (x @ w - y), 0, atol=1e-8 * (1 + penalty))
    np.testing.assert_allclose(ridge(x, y[:, 0], penalty), w[:, 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", [(17, 5), (5, 17), (7, 7)])
def test_without_penalty_it_is_the_pseudo_inverse(shape):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=shape), rng.normal(size=shape[0])
    x[:, 0] = x[:, -1]  # not of full rank
    np.testing.assert_allclose(ridge(x, y, 0), np.linalg.pinv(x) @ y, rtol=1e-8, atol=1e-10)


def test_the_posterior_is_bayes_rule_on_a_grid():
    x, y = np.column_stack([np.ones(10), X]), Y
    found = posterior(x, y, noise=0.5, prior=2.0)
    np.testing.assert_allclose(found.mean, ridge(x, y, 0.5**2 / 2.0**2), rtol=1e-12)
    side = [
        m + np.linspace(-6, 6, 301) * s for m, s in zip(found.mean, np.sqrt(np.diag(found.covariance)), strict=True)
    ]
    grid = np.stack(np.meshgrid(*side, indexing="ij"), axis=-1)
    log_p = -((grid @ x.T - y) ** 2).sum(axis=-1) / (2 * 0.5**2) - (grid**2).sum(axis=-1) / (2 * 2.0**2)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    mean = (p[..., None] * grid).sum(axis=(0, 1))
    centered = grid - mean
    covariance = np.einsum("ij,ijk,ijl->kl", p, centered, centered)
    np.testing.assert_allclose(found.mean, mean, atol=1e-6)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-6)


def test_more_data_tell_more():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=1000)
    few, many = (posterior(x[:n], y[:n], noise=0.1, prior=1.0) for n in (5, 1000))
    assert (np.diag(many.covariance) < np.diag(few.covariance) / 20).all()
    assert np.abs(many.mean - [1.0, -2.0, 0.5]).max() < 0.02


BAD = {
    r"degree is an integer of at least 0, found -1": lambda: powers(X, -1),
    r"found 1.5": lambda: fit_polynomial(X, Y, 1.5),
    r"x is a vector of finite numbers \(n,\), found shape \(2, 5\)": lambda: powers(X.reshape(2, 5), 1),
    r"y is a vector of finite numbers": lambda: fit_polynomial(X, [np.nan] * 10, 1),
    "one length, found 10 and 9": lambda: fit_polynomial(X, Y[:9], 1),
    "10 different x determine at most degree 9, found degree 10": lambda: fit_polynomial(X, Y, 10),
    "1 different x determine at most degree 0": lambda: fit_polynomial([2.0, 2.0], [1.0, 3.0], 1),
    r"y is finite, \(10,\) or \(10, k\), found shape \(9,\)": lambda: ridge(powers(X, 1), Y[:9], 1.0),
    "penalty is finite and at least 0, found -1": lambda: ridge(powers(X, 1), Y, -1),
    "noise is a positive standard deviation, found 0": lambda: posterior(powers(X, 1), Y, noise=0, prior=1),
    "prior is a positive": lambda: posterior(powers(X, 1), Y, noise=1, prior=np.inf),
    r"y is \(10,\), found shape \(10, 1\)": lambda: posterior(powers(X, 1), Y[:, None], noise=1, prior=1),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
