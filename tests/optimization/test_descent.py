"""Gradient descent against closed forms, trust regions against random rivals, the Fisher information against autograd."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian
from torch.func import grad
from torch.nn.functional import cross_entropy, kl_div
from torch.testing import assert_close

from dlbook.optimization.descent import (
    gradient_descent,
    natural_gradient,
    natural_gradient_step,
    numerical_gradient,
    softmax_fisher,
    trust_region_step,
)

F64 = torch.float64


def noise(*shape, seed=0, dtype=F64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def quadratic(eigenvalues, seed=0):
    """Return a symmetric matrix with these eigenvalues, in random directions."""
    turn = torch.linalg.qr(noise(len(eigenvalues), len(eigenvalues), seed=seed)).Q
    return turn @ torch.diag(torch.tensor(eigenvalues, dtype=F64)) @ turn.T


# Gradient descent


def test_path_on_a_quadratic_is_that_of_the_closed_form():
    A, b, start = quadratic([0.5, 2.0, 3.0, 7.0, 11.0]), noise(5, seed=1), noise(5, seed=2)
    found = gradient_descent(lambda x: x @ A @ x / 2 - b @ x, start, lr=0.15, steps=13)
    low = torch.linalg.solve(A, b)
    shrink = torch.eye(5, dtype=F64) - 0.15 * A
    expected = torch.stack([low + torch.linalg.matrix_power(shrink, t) @ (start - low) for t in range(14)])
    assert_close(found.path, expected)
    assert_close(found.values, torch.stack([x @ A @ x / 2 - b @ x for x in expected]))


@pytest.mark.parametrize(("share", "grows"), [(0.99, False), (1.01, True)])
def test_converges_exactly_below_two_over_the_largest_eigenvalue(share, grows):
    A = quadratic([1.0, 3.0, 8.0])
    path = gradient_descent(lambda x: x @ A @ x / 2, noise(3), lr=share * 2 / 8, steps=1500).path
    assert (path[-1].norm() > path[0].norm()) == grows
    assert grows or path[-1].norm() < 1e-10


def test_steps_are_those_of_torch_sgd():
    def banana(x):
        return (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2

    x = torch.tensor([-1.0, 1.5], dtype=F64, requires_grad=True)
    optimizer, path = torch.optim.SGD([x], lr=0.01), [x.detach().clone()]
    for _ in range(50):
        optimizer.zero_grad()
        banana(x).backward()
        optimizer.step()
        path.append(x.detach().clone())
    assert_close(gradient_descent(banana, path[0], lr=0.01, steps=50).path, torch.stack(path), rtol=1e-13, atol=1e-13)


def test_rates_may_change_from_step_to_step():
    # x - rate * 1, along a line: 10 - 1 - 1/2 - 1/3
    found = gradient_descent(lambda x: x.sum(), torch.tensor([10.0], dtype=F64), lr=lambda t: 1 / (t + 1), steps=3)
    assert_close(found.path.flatten(), torch.tensor([10, 9, 8.5, 8.5 - 1 / 3], dtype=F64))


def test_sub_gradient_of_the_absolute_value_jumps_over_zero_and_back():
    path = gradient_descent(lambda x: x.abs().sum(), torch.tensor([0.25], dtype=F64), lr=0.5, steps=4).path
    assert path.flatten().tolist() == [0.25, -0.25, 0.25, -0.25, 0.25]


def test_neither_the_start_nor_its_gradient_is_changed():
    start = noise(3).requires_grad_()
    kept = start.detach().clone()
    found = gradient_descent(lambda x: (x**2).sum(), start, lr=0.1, steps=2)
    assert torch.equal(start, kept)
    assert start.grad is None
    assert not found.path.requires_grad
    assert not found.values.requires_grad


def test_one_step_is_a_descent():
    found = gradient_descent(lambda x: (x**2).sum(), torch.tensor([3.0], dtype=F64), lr=0.5, steps=1)
    assert found.path.tolist() == [[3.0], [0.0]]
    assert found.values.tolist() == [9.0, 0.0]


def test_any_shape_descends_also_without_gradients_around():
    with torch.no_grad():
        found = gradient_descent(lambda x: (x**2).sum(), torch.ones(2, 3), lr=0.25, steps=2)
    assert_close(found.path, torch.tensor([1, 0.5, 0.25])[:, None, None].expand(3, 2, 3))


# Numerical gradient


def wave(x: Tensor) -> Tensor:
    return (torch.sin(3 * x[0]) * torch.exp(x[1])).sum() + x[0] * x[2] ** 3


def test_differences_match_autograd():
    x = noise(3, seed=3)
    assert_close(numerical_gradient(wave, x), grad(wave)(x), rtol=1e-9, atol=1e-9)


def test_error_falls_with_the_square_of_the_step():
    # d³/dx³ sin(3x) = -27 cos(3x): the error is h²/6 · 27 cos(3x) to leading order
    x = torch.tensor([0.4], dtype=F64)
    for h in (1e-2, 1e-3):
        error = 3 * math.cos(1.2) - numerical_gradient(lambda x: torch.sin(3 * x[0]), x, step=h).item()
        assert error == pytest.approx(h**2 / 6 * 27 * math.cos(1.2), rel=1e-3)


def test_partials_keep_their_places():
    x = noise(2, 3)
    weights = torch.arange(6, dtype=F64).view(2, 3)
    assert_close(numerical_gradient(lambda x: (weights * x).sum(), x), weights)


@pytest.mark.parametrize("place", [1e-8, 1.0, 1e6])
def test_default_step_suits_small_and_large_numbers(place):
    x = torch.tensor([place], dtype=F64)
    assert_close(numerical_gradient(lambda x: (x**2 / 2).sum(), x), x, rtol=1e-9, atol=1e-9)


def test_default_step_is_the_cube_root_of_the_precision_relative_to_large_numbers():
    asked = []

    def line(x):
        asked.append(x.clone())
        return x.sum()

    numerical_gradient(line, torch.tensor([0.5, -64.0], dtype=F64))
    root = torch.finfo(F64).eps ** (1 / 3)
    assert_close(asked[0] - asked[1], torch.tensor([2 * root, 0], dtype=F64), rtol=1e-9, atol=0)
    assert_close(asked[2] - asked[3], torch.tensor([0, 128 * root], dtype=F64), rtol=1e-9, atol=0)


def test_float32_keeps_a_few_digits():
    x = torch.tensor([0.7])
    assert_close(numerical_gradient(lambda x: torch.sin(x[0]), x), torch.cos(x), rtol=1e-3, atol=0)


# Trust regions


def rivals(d, norm, count=100_000):
    """Draw points of the unit ball of a p-norm, most of them on its surface."""
    points = noise(count, d, seed=7)
    points[: count // 4] *= torch.rand(count // 4, d, generator=torch.Generator().manual_seed(8)) < 0.3  # few entries
    points[count // 4 : count // 2] = points[count // 4 : count // 2].sign()  # corners of the cube
    return points / torch.linalg.vector_norm(points, norm, dim=1, keepdim=True).clamp(min=1e-12)


@pytest.mark.parametrize("norm", [1, 1.5, 2, 3.7, math.inf])
def test_no_random_point_of_the_ball_goes_further_down(norm):
    gradient = noise(5, seed=4)
    step = trust_region_step(gradient, 0.3, norm=norm)
    assert torch.linalg.vector_norm(step, norm).item() == pytest.approx(0.3)
    best = (0.3 * rivals(5, norm) @ gradient).min().item()
    assert gradient @ step <= best + 1e-12
    assert best < 0.8 * (gradient @ step)  # and the rivals were no dwarfs


@pytest.mark.parametrize(("norm", "dual"), [(1, math.inf), (1.5, 3), (2, 2), (4, 4 / 3), (math.inf, 1)])
def test_the_gain_is_the_dual_norm(norm, dual):
    gradient = noise(3, 7, seed=5)
    gain = -(gradient * trust_region_step(gradient, 0.2, norm=norm)).sum()
    assert_close(gain, 0.2 * torch.linalg.vector_norm(gradient.flatten(), dual))


def test_three_norms_by_hand():
    gradient = torch.tensor([2.0, 0.0, -6.0, 3.0])
    assert_close(trust_region_step(gradient, 7.0), torch.tensor([-2.0, 0.0, 6.0, -3.0]))  # length √(4 + 36 + 9)
    assert_close(trust_region_step(gradient, 0.5, norm=math.inf), torch.tensor([-0.5, 0.0, 0.5, -0.5]))
    assert_close(trust_region_step(gradient, 0.5, norm=1), torch.tensor([0.0, 0.0, 0.5, 0.0]))


def test_of_equally_steep_entries_the_first_moves():
    assert trust_region_step(torch.tensor([1.0, -2.0, 2.0]), 1.0, norm=1).tolist() == [0, 1, 0]


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_what_stays_is_zero_and_not_minus_zero(norm):
    step = trust_region_step(torch.tensor([3.0, 0.0, -0.0, 1.0]), 1.0, norm=norm)
    assert not torch.signbit(step[step == 0]).any()


@pytest.mark.parametrize("norm", [1, 2, math.inf])
def test_a_flat_model_moves_nowhere(norm):
    assert not trust_region_step(torch.zeros(3), 1.0, norm=norm).any()


def test_tiny_gradients_do_not_underflow():
    step = trust_region_step(torch.tensor([3e-30, -4e-30]), 5.0)
    assert_close(step, torch.tensor([-3.0, 4.0]))


# Natural gradient


def examples(n=31, d=4, k=3, seed=0):
    x = noise(n, d, seed=seed)
    y = torch.randint(k, (n,), generator=torch.Generator().manual_seed(seed + 1))
    return noise(k, d, seed=seed + 2), x, y


def test_fisher_is_the_hessian_whatever_the_labels():
    weight, x, y = examples()
    for labels in (y, torch.zeros_like(y)):
        expected = hessian(lambda w, labels=labels: cross_entropy(x @ w.view(3, 4).T, labels), weight.flatten())
        assert_close(softmax_fisher(weight, x), expected)


def test_fisher_is_the_mean_of_squared_gradients_over_the_models_answers():
    weight, x, _ = examples(n=5)
    p, expected = (x @ weight.T).softmax(dim=1), torch.zeros(12, 12, dtype=F64)
    for i in range(5):
        for c in range(3):
            g = grad(lambda w, i=i, c=c: cross_entropy(w @ x[i], torch.tensor(c)))(weight).flatten()
            expected += p[i, c] * torch.outer(g, g) / 5
    assert_close(softmax_fisher(weight, x), expected)


def test_with_two_classes_the_natural_step_is_that_of_iteratively_reweighted_least_squares():
    weight, x, y = examples(k=2)
    beta = weight[1] - weight[0]
    p = torch.sigmoid(x @ beta)
    newton = torch.linalg.solve(x.T @ torch.diag(p * (1 - p)) @ x, x.T @ (p - y))
    found = natural_gradient(weight, x, y)
    assert_close(found[1] - found[0], newton)
    assert_close(found.sum(dim=0), torch.zeros(4, dtype=F64))  # the shortest solution leaves the sum alone


def test_solves_the_system_of_the_fisher_information():
    weight, x, y = examples()
    gradient = grad(lambda w: cross_entropy(x @ w.T, y))(weight)
    assert_close(softmax_fisher(weight, x) @ natural_gradient(weight, x, y).flatten(), gradient.flatten())


def test_other_coordinates_of_the_inputs_give_the_same_answers():
    weight, x, y = examples()
    A = noise(4, 4, seed=9)
    other, x_other = torch.linalg.solve(A, weight, left=False), x @ A.T  # the same scores: w A⁻¹ A x
    for _ in range(5):
        weight = weight - 0.5 * natural_gradient(weight, x, y)
        other = other - 0.5 * natural_gradient(other, x_other, y)
    assert_close(x_other @ other.T, x @ weight.T, rtol=1e-8, atol=1e-8)


def test_a_feature_that_says_nothing_new_changes_no_answer():
    weight, x, y = examples()
    more = torch.cat([x, x[:, :1] - 2 * x[:, 2:3], torch.zeros(31, 1, dtype=F64)], dim=1)
    wider = torch.cat([weight, torch.zeros(3, 2, dtype=F64)], dim=1)
    found = natural_gradient(wider, more, y)
    assert_close(more @ found.T, x @ natural_gradient(weight, x, y).T)
    assert found[:, 5].abs().max() < 1e-12  # the shortest solution leaves a feature that is never there alone


def test_the_unit_of_the_inputs_does_not_matter():
    weight, x, y = examples()
    for unit in (1e-4, 255.0):
        assert_close(natural_gradient(weight / unit, x * unit, y), natural_gradient(weight, x, y) / unit)


def test_a_step_in_function_space_by_hand():
    # p = 1/2, g = ∓1/4, F = 1/4 [[1, -1], [-1, 1]]; F⁺ g = ∓1/2, gᵀ F⁺ g = 1/4, √(2 · 0.02 / (1/4)) = 0.4
    x, y = torch.ones(4, 1, dtype=F64), torch.tensor([0, 0, 0, 1])
    found = natural_gradient_step(torch.zeros(2, 1, dtype=F64), x, y, 0.02)
    assert_close(found, torch.tensor([[0.2], [-0.2]], dtype=F64))


def test_a_step_changes_the_answers_by_the_divergence_asked_for():
    weight, x, y = examples()
    before = (x @ weight.T).log_softmax(dim=1)
    for epsilon in (1e-4, 1e-6):
        after = (x @ (weight + natural_gradient_step(weight, x, y, epsilon)).T).log_softmax(dim=1)
        divergence = kl_div(after, before, log_target=True, reduction="batchmean").item()
        assert divergence == pytest.approx(epsilon, rel=10 * math.sqrt(epsilon))


def test_no_random_step_of_that_divergence_goes_further_down():
    weight, x, y = examples()
    gradient = grad(lambda w: cross_entropy(x @ w.T, y))(weight).flatten()
    step, fisher = natural_gradient_step(weight, x, y, 0.02).flatten(), softmax_fisher(weight, x)
    assert_close(step @ fisher @ step / 2, torch.tensor(0.02, dtype=F64))
    points = noise(100_000, 12, seed=6)
    sizes = ((points @ fisher) * points).sum(dim=1) / 2
    assert gradient @ step <= (points * (0.02 / sizes).sqrt()[:, None] @ gradient).min()


def test_nothing_moves_at_the_minimum():
    # one input, three answers 0 and one 1: at scores (ln 3, 0) the probabilities are right
    x, y = torch.ones(4, 1, dtype=F64), torch.tensor([0, 0, 0, 1])
    weight = torch.tensor([[math.log(3)], [0.0]], dtype=F64)
    assert natural_gradient(weight, x, y).abs().max() < 1e-15
    x, y = torch.zeros(2, 1), torch.tensor([0, 1])
    assert not natural_gradient_step(torch.zeros(2, 1), x, y, 0.1).any()


# Bad input


def square(x):
    return (x**2).sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "at least 1, found 0"),
        ({"lr": 0.0}, "positive and finite, found 0.0 at step 0"),
        ({"lr": -1.0}, "found -1.0"),
        ({"lr": math.inf}, "found inf"),
        ({"lr": math.nan}, "found nan"),
        ({"lr": lambda t: 1.0 - t}, "found 0.0 at step 1"),
        ({"start": torch.zeros(2, dtype=torch.int64)}, "floats, found torch.int64"),
        ({"start": torch.zeros(0)}, r"start is empty: shape \(0,\)"),
        ({"start": torch.tensor([1.0, math.nan])}, "start is finite, found nan"),
        ({"function": lambda x: x**2}, r"a scalar tensor that depends on its argument, found shape \(2,\)"),
        ({"function": lambda x: torch.tensor(1.0)}, r"found shape \(\)"),
        ({"function": lambda x: 1.0}, "found float"),
    ],
)
def test_impossible_descents_are_refused(options, message):
    given = {"function": square, "start": torch.ones(2), "lr": 0.1, "steps": 3, **options}
    with pytest.raises(ValueError, match=message):
        gradient_descent(given.pop("function"), given.pop("start"), **given)


@pytest.mark.parametrize(
    ("x", "step", "message"),
    [
        (torch.ones(2), 0.0, "step is positive and finite, found 0.0"),
        (torch.ones(2), math.inf, "found inf"),
        (torch.ones(2, dtype=torch.int64), None, "x is a tensor of floats"),
        (torch.tensor([math.inf]), None, "x is finite, found inf"),
    ],
)
def test_impossible_differences_are_refused(x, step, message):
    with pytest.raises(ValueError, match=message):
        numerical_gradient(square, x, step=step)


def test_differences_of_a_vector_are_refused():
    with pytest.raises(ValueError, match=r"returns a scalar, found shape \(2,\)"):
        numerical_gradient(lambda x: x, torch.ones(2))


@pytest.mark.parametrize(
    ("gradient", "epsilon", "norm", "message"),
    [
        (torch.ones(2), 0.0, 2, "epsilon is a radius, positive and finite, found 0.0"),
        (torch.ones(2), math.inf, 2, "found inf"),
        (torch.ones(2), 1.0, 0.5, "from 1 to infinity, found 0.5"),
        (torch.ones(2), 1.0, math.nan, "found nan"),
        (torch.ones(2, dtype=torch.int32), 1.0, 2, "gradient is a tensor of floats"),
        (torch.tensor([math.nan]), 1.0, 2, "gradient is finite"),
    ],
)
def test_impossible_regions_are_refused(gradient, epsilon, norm, message):
    with pytest.raises(ValueError, match=message):
        trust_region_step(gradient, epsilon, norm=norm)


@pytest.mark.parametrize(
    ("weight", "x", "y", "message"),
    [
        (torch.zeros(1, 2), torch.ones(3, 2), torch.zeros(3).long(), "k at least 2"),
        (torch.zeros(2, 2), torch.ones(3, 5), torch.zeros(3).long(), r"found shapes \(2, 2\)"),
        (torch.zeros(2), torch.ones(3, 2), torch.zeros(3).long(), r"found shapes \(2,\)"),
        (torch.zeros(2, 2), torch.ones(3, 2, dtype=F64), torch.zeros(3).long(), "of one dtype"),
        (torch.zeros(2, 2), torch.ones(0, 2), torch.zeros(0).long(), "x is empty"),
        (torch.zeros(2, 2), torch.ones(3, 2).long(), torch.zeros(3).long(), "x is a tensor of floats"),
        (torch.full((2, 2), math.nan), torch.ones(3, 2), torch.zeros(3).long(), "weight is finite"),
        (torch.zeros(2, 2), torch.ones(3, 2), torch.zeros(4).long(), "each of the 3 rows of x"),
        (torch.zeros(2, 2), torch.ones(3, 2), torch.tensor([0, 1, 2]), "a class from 0 to 1 .* from 0 to 2"),
        (torch.zeros(2, 2), torch.ones(3, 2), torch.tensor([0, 1, -1]), "from -1 to 1"),
        (torch.zeros(2, 2), torch.ones(3, 2), torch.zeros(3), "int64, found .* of torch.float32"),
    ],
)
def test_impossible_examples_are_refused(weight, x, y, message):
    for call in (lambda: natural_gradient(weight, x, y), lambda: natural_gradient_step(weight, x, y, 0.1)):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_impossible_divergences_are_refused(epsilon):
    weight, x, y = examples()
    with pytest.raises(ValueError, match="positive and finite"):
        natural_gradient_step(weight, x, y, epsilon)
