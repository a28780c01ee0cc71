"""The lasso against scikit-learn in float64, the conditions of its minimum, orthogonal columns and the bound on ISTA."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from sklearn.linear_model import lasso_path as sklearn_path
from torch.testing import assert_close

from common import F64, noise
from dlbook.regularization.lasso import ista, kkt_violation, largest_strength, lasso, lasso_objective, lasso_path
from dlbook.regularization.penalties import soft_threshold

X, Y, WEIGHT = noise(17, 5), noise(17, seed=1), noise(5, seed=5)
WIDE, MANY = noise(11, 23, seed=2), noise(11, 3, seed=3)
PATH = [f * largest_strength(X, Y).item() for f in (1.0, 0.5, 0.1, 0.01)]


def sklearn(x, y, strength):
    model = Lasso(alpha=strength, fit_intercept=False, tol=1e-14, max_iter=1_000_000)
    return torch.from_numpy(np.atleast_1d(model.fit(x.numpy(), y.numpy()).coef_))


@pytest.mark.parametrize("strength", PATH[1:])
@pytest.mark.parametrize("accelerate", [False, True])
def test_ista_ends_where_scikit_learn_ends(strength, accelerate):
    ours = ista(X, Y, strength=strength, steps=2000, accelerate=accelerate)
    theirs = sklearn(X, Y, strength)
    assert_close(ours, theirs, rtol=1e-7, atol=1e-9)
    assert torch.equal(ours == 0, theirs == 0)


def test_each_of_several_targets_has_the_weights_of_scikit_learn():
    ours = lasso(WIDE, MANY, strength=0.05, tolerance=1e-10)
    for k in range(3):
        assert_close(ours[:, k], sklearn(WIDE, MANY[:, k], 0.05), rtol=1e-5, atol=1e-7)


def test_the_path_is_that_of_scikit_learn():
    ours = lasso_path(X, Y, strengths=PATH, tolerance=1e-10)
    _, theirs, _ = sklearn_path(X.numpy(), Y.numpy(), alphas=PATH, tol=1e-14, max_iter=1_000_000)
    assert_close(ours, torch.from_numpy(theirs.T.copy()), rtol=1e-6, atol=1e-8)
    assert (ours[0] == 0).all()
    assert_close(lasso_path(WIDE, MANY, strengths=(0.05,), tolerance=1e-10)[0], lasso(WIDE, MANY, strength=0.05, tolerance=1e-10))  # fmt: skip


def test_orthogonal_columns_need_one_step_and_give_the_soft_threshold():
    q, _ = torch.linalg.qr(noise(13, 5))
    columns = 13**0.5 * q  # XᵀX / n = I
    y = noise(13, seed=1)
    expected = soft_threshold(columns.T @ y / 13, 0.1)
    assert_close(ista(columns, y, strength=0.1, steps=1), expected)
    assert_close(ista(columns, y, strength=0.1, steps=7), expected)


def test_one_step_worked_by_hand():
    # X = (2, 0; 0, 1), y = (2, 3), n = 2: curvatures 2 and 1/2, rate 1/2; gradient at 0 -(2, 3/2)
    # w = soft((1, 3/4), 1/4) = (3/4, 1/2); again: gradient (-1/2, -5/4), soft((1, 9/8), 1/4) = (3/4, 7/8)
    x, y = torch.tensor([[2.0, 0], [0, 1]]), torch.tensor([2.0, 3])
    assert_close(ista(x, y, strength=0.5, steps=0), torch.zeros(2))
    assert_close(ista(x, y, strength=0.5, steps=1), torch.tensor([0.75, 0.5]))
    assert_close(ista(x, y, strength=0.5, steps=2), torch.tensor([0.75, 0.875]))
    start = torch.tensor([0.75, 0.5])
    assert_close(ista(x, y, strength=0.5, steps=1, start=start), torch.tensor([0.75, 0.875]))


def test_three_accelerated_steps_are_algorithm_fista_of_the_paper():
    rate = 17 / torch.linalg.eigvalsh(X.T @ X).max()
    w = y = torch.zeros(5, dtype=F64)
    t = 1.0
    for _ in range(3):
        new = soft_threshold(y - rate * X.T @ (X @ y - Y) / 17, rate * 0.02)
        t_new = (1 + (1 + 4 * t**2) ** 0.5) / 2
        y = new + (t - 1) / t_new * (new - w)
        w, t = new, t_new
    assert_close(ista(X, Y, strength=0.02, steps=3, accelerate=True), w, rtol=1e-12, atol=1e-14)


def test_acceleration_restarts_where_a_step_goes_back():
    # on one column the first step arrives; momentum would carry it past, so nothing may move any more
    x, y = torch.ones(3, 1, dtype=F64), torch.ones(3, dtype=F64)
    assert_close(ista(x, y, strength=0.25, steps=50, accelerate=True), torch.tensor([0.75], dtype=F64))
    steep = noise(29, 7) * torch.logspace(0, -2, 7, dtype=F64)
    target = noise(29, seed=1)
    values = [
        lasso_objective(steep, target, ista(steep, target, strength=1e-5, steps=k, accelerate=True), 1e-5).item()
        for k in (500, 1000)
    ]
    plain = lasso_objective(steep, target, ista(steep, target, strength=1e-5, steps=1000), 1e-5).item()
    best = lasso_objective(steep, target, lasso(steep, target, strength=1e-5, tolerance=1e-9), 1e-5).item()
    assert values[1] - best < 1e-13 < plain - best


def test_ista_keeps_the_bound_of_beck_and_teboulle():
    best = lasso(X, Y, strength=0.02, tolerance=1e-11)
    least = lasso_objective(X, Y, best, 0.02)
    curvature = torch.linalg.eigvalsh(X.T @ X).max() / 17
    values = [lasso_objective(X, Y, ista(X, Y, strength=0.02, steps=k), 0.02) for k in range(1, 30)]
    assert all(later <= earlier for earlier, later in pairwise(values))
    assert all(v - least <= curvature * best.square().sum() / (2 * k) for k, v in enumerate(values, 1))


def test_objective_is_its_formula():
    weight = noise(23, 3, seed=4)
    expected = sum(
        ((WIDE @ weight[:, k] - MANY[:, k]) ** 2).sum() / 22 + 0.3 * weight[:, k].abs().sum() for k in range(3)
    )
    assert_close(lasso_objective(WIDE, MANY, weight, 0.3), expected)


def test_violation_is_zero_at_the_minimum_and_nowhere_else_nearby():
    best = sklearn(X, Y, PATH[1])
    assert (best == 0).any()
    assert (best != 0).any()
    assert kkt_violation(X, Y, best, PATH[1]) < 1e-10
    for j in range(5):
        moved = best.clone()
        moved[j] += 0.01
        assert kkt_violation(X, Y, moved, PATH[1]) > 1e-4


def test_violation_worked_by_hand():
    # gradient (Xw - y) / 2 of X = I, y = (3, 1): at (1, 0) it is (-1, -1/2)
    y, w = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 0.0])
    assert_close(kkt_violation(torch.eye(2), y, w, 0.25), torch.tensor(0.75))  # |-1 + 1/4|, and 1/2 - 1/4
    assert_close(kkt_violation(torch.eye(2), y, torch.tensor([2.5, 0.0]), 0.25), torch.tensor(0.25))  # 0, and 1/4
    assert_close(kkt_violation(torch.eye(2), -y, -w, 0.25), torch.tensor(0.75))


def test_just_below_the_largest_strength_one_weight_wakes():
    top = largest_strength(WIDE, MANY[:, 0]).item()
    assert (lasso(WIDE, MANY[:, 0], strength=top * 1.0001) == 0).all()
    assert (lasso(WIDE, MANY[:, 0], strength=top * 0.999, tolerance=1e-8) != 0).sum() == 1
    for y in (Y, -Y):
        assert_close(largest_strength(X, y), (X.T @ y / 17).abs().max())


@pytest.mark.parametrize("tolerance", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_the_conditions_hold_as_closely_as_was_asked(tolerance):
    allowed = tolerance * largest_strength(WIDE, MANY)
    found = lasso(WIDE, MANY, strength=0.01, tolerance=tolerance)
    assert kkt_violation(WIDE, MANY, found, 0.01) <= allowed


def test_a_path_goes_on_from_where_it_is():
    first, second = lasso_path(X, Y, strengths=(PATH[1], PATH[3]), tolerance=1e-8)
    again = lasso_path(X, Y, strengths=(PATH[3], PATH[3]), tolerance=1e-8, start=second, max_steps=0)
    assert torch.equal(again, torch.stack([second, second]))
    assert not torch.equal(first, second)
    with pytest.raises(ValueError, match="no minimum"):
        lasso_path(X, Y, strengths=(PATH[1], PATH[3]), tolerance=1e-8, start=first, max_steps=0)
    path = [PATH[0] * 0.8**k for k in range(25)]
    few = 150  # enough from each strength to the next, where 80 are needed, and not from zero, where 300 are
    with pytest.raises(ValueError, match="no minimum"):
        lasso_path(WIDE, MANY, strengths=path[-1:], tolerance=1e-4, max_steps=few)
    lasso_path(WIDE, MANY, strengths=path, tolerance=1e-4, max_steps=few)


def test_a_start_at_the_minimum_is_kept():
    best = lasso(X, Y, strength=0.02, tolerance=1e-8)
    assert torch.equal(lasso(X, Y, strength=0.02, tolerance=1e-8, start=best, max_steps=0), best)


@pytest.mark.parametrize("accelerate", [False, True])
def test_features_that_say_nothing_get_no_weight(accelerate):
    for n, p in ((7, 3), (3, 7)):
        x, y, nothing = torch.zeros(n, p, dtype=F64), noise(n), torch.zeros(p, dtype=F64)
        assert_close(ista(x, y, strength=0.1, steps=3, accelerate=accelerate), nothing, rtol=0, atol=0)
        assert_close(lasso(x, y, strength=0.1), nothing, rtol=0, atol=0)


def test_the_penalty_of_n_times_the_strength_goes_with_half_the_squares_unscaled():
    # 17 times the objective is ‖X w - y‖² / 2 + 17 α ‖w‖₁: the factor that the chapter warns of
    expected = torch.linalg.vector_norm(X @ WEIGHT - Y) ** 2 / 2 + 17 * 0.3 * torch.linalg.vector_norm(WEIGHT, 1)
    assert_close(17 * lasso_objective(X, Y, WEIGHT, 0.3), expected)


def test_gradients_by_finite_differences_through_the_steps():
    x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: ista(x, y, strength=0.02, steps=3), (x, y), fast_mode=True)


def test_composes_with_torch():
    def three(y):
        return ista(WIDE, y, strength=0.05, steps=3)

    assert_close(torch.func.vmap(three, in_dims=1, out_dims=1)(MANY), three(MANY))
    assert ista(X.float(), Y.float(), strength=0.02, steps=3).dtype == torch.float32
    assert ista(X.to("meta"), Y.to("meta"), strength=0.02, steps=3).shape == (5,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ista(X[0], Y, strength=0.1, steps=1), r"features is \(n, p\).*found shape \(5,\)"),
        (lambda: ista(X, Y[:5], strength=0.1, steps=1), r"target is \(17,\) or \(17, k\), found shape \(5,\)"),
        (lambda: ista(X, Y, strength=-0.1, steps=1), "strength is at least 0, found -0.1"),
        (lambda: ista(X, Y, strength=0.1, steps=-1), "steps are at least 0, found -1"),
        (lambda: ista(X, Y, strength=0.1, steps=1, start=Y), r"start is \(5,\), found shape \(17,\)"),
        (lambda: lasso(X, Y, strength=0.0), "strength is more than 0, found 0.0"),
        (lambda: lasso(X, Y, strength=0.02, max_steps=2), "no minimum within 1e-06 after 2 steps, in torch.float64"),
        (lambda: lasso_path(X, Y, strengths=()), "strengths has at least one number, found none"),
        (
            lambda: lasso(X, Y * math.nan, strength=0.1),
            "features and target are finite, found a largest strength of nan",
        ),
        (lambda: lasso_objective(X, Y, WEIGHT[:, None], 0.1), r"weight is \(5,\), found shape \(5, 1\)"),
        (lambda: lasso_objective(X, Y[:, None], WEIGHT, 0.1), r"weight is \(5, 1\), found shape \(5,\)"),
        (lambda: kkt_violation(X, Y, WEIGHT[:, None], 0.1), r"weight is \(5,\), found shape \(5, 1\)"),
        (lambda: largest_strength(X, Y[:5]), r"target is \(17,\) or \(17, k\), found shape \(5,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("tolerance", [math.nan, math.inf, -1.0])
def test_a_tolerance_that_is_none_is_named(tolerance):
    with pytest.raises(ValueError, match=f"tolerance is at least 0 and finite, found {tolerance}"):
        lasso(torch.eye(2), torch.tensor([3.0, 1.0]), strength=0.5, tolerance=tolerance)


def test_beyond_the_largest_strength_nothing_is_violated():
    assert kkt_violation(X, Y, torch.zeros(5, dtype=F64), 2 * PATH[0]) == 0


def test_without_a_penalty_ista_ends_at_least_squares():
    found = ista(X, Y, strength=0.0, steps=3000)
    assert_close(found, torch.linalg.lstsq(X, Y[:, None]).solution[:, 0])


def test_there_is_no_strength_for_no_examples():
    with pytest.raises(ValueError, match="sizes at least 1"):
        largest_strength(torch.zeros(0, 5), torch.zeros(0))
