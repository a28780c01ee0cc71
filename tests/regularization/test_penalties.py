"""Norm penalties against torch's weight decay, gradient descent, ridge regression and rows worked by hand."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from torch import nn
from torch.testing import assert_close

from common import F64, noise
from dlbook.regularization.penalties import (
    decay_groups,
    l1,
    l2,
    shrinkage,
    soft_threshold,
    stopping_shrinkage,
    weights,
)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(21, 7), nn.LayerNorm(7)
    ).double()


def test_penalties_worked_by_hand():
    # (9 + 16 + 144) / 2 and 3 + 4 + 12
    numbers = torch.tensor([3.0, -4.0]), torch.tensor([[-12.0]])
    assert_close(l2(numbers), torch.tensor(84.5))
    assert_close(l1(numbers), torch.tensor(19.0))
    assert_close(l2(iter(numbers)), torch.tensor(84.5))
    assert_close(l1(numbers[0]), torch.tensor(7.0))
    assert_close(l2(numbers[0]), torch.tensor(12.5))


def test_of_a_module_only_weights_are_penalized():
    model = network()
    assert [tuple(w.shape) for w in weights(model)] == [(3, 2, 5), (7, 21)]
    kernel, matrix = model[0].weight, model[3].weight
    assert_close(l2(model), (kernel.norm() ** 2 + matrix.norm() ** 2) / 2)
    assert_close(l1(model), torch.linalg.vector_norm(kernel, 1) + torch.linalg.vector_norm(matrix, 1))


def test_a_shared_weight_counts_once():
    layer = nn.Linear(3, 3)
    assert_close(l2(nn.Sequential(layer, nn.Tanh(), layer)), layer.weight.square().sum() / 2)


@pytest.mark.parametrize("penalty", [l1, l2])
def test_gradients_by_finite_differences(penalty):
    a, b = noise(3, 5).requires_grad_(), noise(7, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda *w: penalty(w), (a, b))


def test_steps_with_l2_are_those_of_torchs_weight_decay():
    ours, theirs = network(), network()
    x, y = noise(11, 2, 11), noise(11, 7, seed=1)
    by_loss = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    by_decay = torch.optim.SGD(decay_groups(theirs, 0.3), lr=0.1, momentum=0.9)
    for _ in range(5):
        for model, optimizer, extra in ((ours, by_loss, 0.3), (theirs, by_decay, 0.0)):
            optimizer.zero_grad()
            (F.mse_loss(model(x), y) + extra * l2(model)).backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_groups_hold_every_parameter_once():
    model = network()
    decayed, rest = decay_groups(model, 0.3)
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    together = [id(p) for group in (decayed, rest) for p in group["params"]]
    assert sorted(together) == sorted(id(p) for p in model.parameters())
    assert len(decay_groups(nn.Linear(2, 3, bias=False), 0.3)) == len(decay_groups(nn.LayerNorm(3), 0.3)) == 1


def test_soft_threshold_worked_by_hand():
    x = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.5])
    expected = torch.tensor([-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5])
    assert torch.equal(soft_threshold(x, 1.0), expected)
    assert torch.equal(soft_threshold(x, torch.tensor(1.0)), expected)
    apart = torch.tensor([1.0, 0, 0, 0, 1, 0, 2])  # a threshold each
    assert torch.equal(soft_threshold(x, apart), torch.tensor([-2.0, -1, -0.5, 0, 0, 1, 0.5]))


@pytest.mark.parametrize("as_tensor", [False, True])
def test_soft_threshold_is_the_minimum_on_a_grid(as_tensor):
    grid = torch.linspace(-4, 4, 80_001, dtype=F64)
    for x in noise(7).tolist():
        best = grid[((grid - x) ** 2 / 2 + 0.7 * grid.abs()).argmin()]
        threshold = torch.tensor(0.7, dtype=F64) if as_tensor else 0.7
        assert_close(soft_threshold(torch.tensor(x, dtype=F64), threshold), best, rtol=0, atol=1e-4)


@pytest.mark.parametrize("threshold", [0.7, torch.tensor(0.7, dtype=F64)])
def test_gradient_of_soft_threshold_by_finite_differences(threshold):
    assert torch.autograd.gradcheck(lambda x: soft_threshold(x, threshold), noise(3, 5).requires_grad_())


def test_shrinkage_is_ridge_regression_of_scikit_learn_in_the_eigenbasis():
    x, y = noise(13, 5), noise(13, seed=1)
    curvature, basis = torch.linalg.eigh(x.T @ x / 13)
    least_squares = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    ours = basis @ (shrinkage(curvature, 0.3) * (basis.T @ least_squares))
    theirs = Ridge(alpha=13 * 0.3, fit_intercept=False, solver="cholesky").fit(x.numpy(), y.numpy()).coef_
    assert_close(ours, torch.from_numpy(theirs), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("steps", [0, 1, 17])
def test_stopping_shrinkage_is_gradient_descent_from_zero(steps):
    x, y = noise(13, 5), noise(13, seed=1)
    curvature, basis = torch.linalg.eigh(x.T @ x / 13)
    least_squares = torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    weight = torch.zeros(5, dtype=F64)
    for _ in range(steps):
        weight = weight - 0.1 * x.T @ (x @ weight - y) / 13
    ours = basis @ (stopping_shrinkage(curvature, 0.1, steps) * (basis.T @ least_squares))
    assert_close(ours, weight, rtol=1e-10, atol=1e-12)


def test_the_two_agree_to_first_order_and_never_differ_by_more_than_a_fifth():
    curvature, strength, rate = torch.logspace(-3, 3, 10_001, dtype=F64), 1.0, 1e-5
    gap = stopping_shrinkage(curvature, rate, 1 / (rate * strength)) - shrinkage(curvature, strength)
    assert 0.203 < gap.max() < 0.204  # 1/(1 + u) - exp(-u) is largest at u = 2.513
    assert gap.min() > 0
    assert (gap < curvature**2 / 2 + 1e-5).all()  # u - u²/2 against u - u²


@pytest.mark.parametrize("call", [l1, l2, lambda w: soft_threshold(w, 0.3), lambda w: soft_threshold(w, w.abs() / 2)])
def test_composes_with_torch(call):
    w = noise(3, 5, dtype=torch.float32)
    assert_close(torch.compile(call, fullgraph=True, backend="eager")(w), call(w))
    rows = torch.stack([call(row) for row in w])
    assert_close(torch.func.vmap(call)(w), rows)
    for dtype in (torch.bfloat16, F64):
        assert call(w.to(dtype)).dtype == dtype
    assert call(w.to("meta")).device.type == "meta"


def test_a_module_composes_with_torch():
    model = nn.Linear(3, 5)
    assert_close(torch.compile(lambda: l2(model), fullgraph=True, backend="eager")(), l2(model))
    assert_close(l1(copy.deepcopy(model)), l1(model))
    doubled = {name: 2 * p for name, p in model.named_parameters()}
    call = torch.func.functional_call
    holder = _Penalty(model)
    assert_close(call(holder, {f"model.{name}": p for name, p in doubled.items()}, ()), 4 * l2(model))


class _Penalty(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> torch.Tensor:
        return l2(self.model.weight)


def test_nothing_is_changed_by_looking():
    w = noise(3, 5)
    before = w.clone()
    l1([w]), l2([w]), soft_threshold(w, 0.5), soft_threshold(w, w.abs())
    assert torch.equal(w, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: l2([]), "at least one tensor of weights, found none"),
        (lambda: l1(nn.LayerNorm(3)), "at least one tensor of weights, found none"),
        (lambda: shrinkage(torch.ones(2), 0.0), "strength is more than 0, found 0.0"),
        (lambda: shrinkage(torch.ones(2), math.nan), "strength is more than 0, found nan"),
        (lambda: decay_groups(nn.Linear(2, 3), -0.1), "strength is at least 0, found -0.1"),
        (lambda: stopping_shrinkage(torch.ones(2), 0.0, 3), "rate is more than 0 .*, found 0.0 and 3"),
        (lambda: stopping_shrinkage(torch.ones(2), 0.1, -1), "steps are at least 0, found 0.1 and -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_threshold_of_another_precision_leaves_x_its_own():
    assert soft_threshold(torch.tensor([3.0]), torch.tensor(1.0, dtype=F64)).dtype == torch.float32


def test_a_rate_that_is_no_number_is_refused_and_no_decay_is_a_decay():
    with pytest.raises(ValueError, match="found nan and 3"):
        stopping_shrinkage(torch.ones(2), math.nan, 3)
    assert decay_groups(nn.Linear(2, 3), 0.0)[0]["weight_decay"] == 0
