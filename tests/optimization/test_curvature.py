"""Products, eigenvalues and critical points against full Hessians, closed forms and networks with units that are off."""

import math

import pytest
import torch
from torch.autograd import functional
from torch.func import grad, hessian, vmap
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.backprop.mlp import MLP
from dlbook.optimization.curvature import critical_point, hessian_eigenvalues, hessian_vector_product, index
from dlbook.optimization.landscape import flat_loss

X, Y = noise(13, 3), noise(13, 2, seed=1)
EIGENVALUES = torch.tensor([11.0, 7, 2, 0.5, 0, -3, -5], dtype=F64)


def small():
    """Return the loss of a network with 3 inputs, 5 tanh units and 2 outputs."""
    model = MLP((3, 5, 2), activation=torch.tanh, generator=stream(), dtype=F64)
    return flat_loss(model, lambda net: (net(X) - Y).square().mean())


def bowl(eigenvalues=EIGENVALUES):
    """Return a quadratic with these eigenvalues around a random point, that point, and its axes as rows."""
    turn = torch.linalg.qr(noise(len(eigenvalues), len(eigenvalues))).Q
    center = noise(len(eigenvalues), seed=1)
    return lambda t: ((t - center) @ turn).square() @ eigenvalues / 2, center, turn.T


def test_products_are_those_of_torchs_full_hessian():
    f, theta = small()
    full = functional.hessian(f, theta)
    for seed in range(3):
        v = noise(len(theta), seed=seed)
        assert_close(hessian_vector_product(f, theta, v), full @ v)
        assert_close(hessian_vector_product(f, theta, v), functional.hvp(f, theta, v)[1])


def test_products_are_central_differences_of_gradients():
    f, theta = small()
    v, h = noise(len(theta), seed=2), 1e-5
    difference = (grad(f)(theta + h * v) - grad(f)(theta - h * v)) / (2 * h)
    assert_close(hessian_vector_product(f, theta, v), difference, rtol=1e-6, atol=1e-8)


def test_eigenvalues_of_a_quadratic_and_its_axes():
    f, center, directions = bowl()
    top = hessian_eigenvalues(f, center, 3, generator=stream())
    assert_close(top.values, EIGENVALUES[:3])
    low = hessian_eigenvalues(f, noise(7, seed=5), 2, which="smallest", generator=stream())
    assert_close(low.values, EIGENVALUES[5:])
    for found, wanted in ((top.vectors, directions[:3]), (low.vectors, directions[5:])):
        assert_close((found @ wanted.T).abs(), torch.eye(len(found), dtype=F64), atol=1e-5, rtol=0)


def test_eigenvalues_of_a_network_are_those_of_its_full_hessian():
    f, theta = small()
    wanted = torch.linalg.eigvalsh(functional.hessian(f, theta)).flip(0)
    top = hessian_eigenvalues(f, theta, 5, generator=stream())
    assert_close(top.values, wanted[:5])
    assert_close(hessian_eigenvalues(f, theta, 3, which="smallest", generator=stream()).values, wanted[-3:])
    for value, vector in zip(*top, strict=True):
        assert_close(hessian_vector_product(f, theta, vector), value * vector, atol=1e-5, rtol=0)
        assert_close(vector.norm(), torch.tensor(1.0, dtype=F64))


def test_the_result_does_not_depend_on_the_first_vector_and_one_seed_repeats():
    f, theta = small()
    runs = [hessian_eigenvalues(f, theta, 2, generator=stream(seed)) for seed in (0, 0, 1)]
    assert torch.equal(runs[0].vectors, runs[1].vectors)
    assert not torch.equal(runs[0].vectors, runs[2].vectors)
    assert_close(runs[0].values, runs[2].values)


def test_a_loose_tolerance_takes_fewer_products():
    f, center, _ = bowl(torch.linspace(0, 1, 199, dtype=F64))
    calls = []

    def counted(t):
        calls.append(1)
        return f(t)

    counts = []
    for tolerance in (0.1, 1e-12):
        calls.clear()
        hessian_eigenvalues(counted, center, tolerance=tolerance, generator=stream())
        counts.append(len(calls))
    assert counts[0] < 0.7 * counts[1]


def test_the_index_counts_negative_eigenvalues_and_no_rounding():
    f, center, _ = bowl()
    assert index(f, center) == 2
    assert index(lambda t: -f(t), center) == 4
    assert index(f, center, tolerance=4) == 1
    assert index(lambda t: 1e-9 * -t.square().sum(), torch.zeros(3, dtype=F64)) == 0


def test_one_newton_step_finds_the_center_of_any_quadratic():
    f, center, _ = bowl(torch.tensor([11.0, 7, 2, 0.5, -3, -5], dtype=F64))
    found = critical_point(f, center + noise(6, seed=3))
    assert found.steps <= 2
    assert_close(found.theta, center, atol=1e-8, rtol=0)
    assert found.gradient_norm < 1e-10


@pytest.mark.parametrize(("start", "wanted"), [(0.4, 0.0), (2.9, math.pi), (-2.8, -math.pi)])
def test_a_search_goes_to_the_near_critical_point_be_it_top_or_bottom(start, wanted):
    found = critical_point(lambda t: torch.cos(t).sum(), torch.tensor([start], dtype=F64))
    assert_close(found.theta, torch.tensor([wanted], dtype=F64))


def test_a_search_says_how_long_the_gradient_still_is_where_there_is_no_critical_point():
    # f' = 1 + x^2 has no zero; its length is least, one, at zero, where the search must end
    found = critical_point(lambda t: (t + t**3 / 3).sum(), torch.tensor([0.7], dtype=F64), steps=200)
    assert abs(found.gradient_norm - 1) < 1e-3
    assert found.steps < 200


def test_a_search_stops_at_its_tolerance_and_after_its_steps():
    def f(t):
        return torch.cos(t).sum()

    start = torch.tensor([0.9], dtype=F64)
    assert critical_point(f, start, steps=0) == (start, abs(math.sin(0.9)), 0)
    one = critical_point(f, start, steps=1)
    loose = critical_point(f, start, tolerance=0.5)
    assert one.steps == loose.steps == 1
    assert loose.gradient_norm < 0.5 < math.sin(0.9)
    assert one.gradient_norm == pytest.approx(abs(math.sin(one.theta.item())))


def test_units_that_are_off_add_the_large_correlations_to_the_index():
    # tanh units whose weights are all zero, in and out: the Hessian's block of each is [[c, M], [M', c]], with M the
    # correlation of the residual with the input and c the weight decay, and so has eigenvalues c plus and minus
    # each singular value of M
    decay, units = 0.3, 3
    inputs = torch.cat([X, torch.ones(13, 1, dtype=F64)], dim=1)

    def f(theta):
        enter, leave = theta[: 4 * units].view(units, 4), theta[4 * units :].view(2, units)
        scores = torch.tanh(inputs @ enter.T) @ leave.T
        return (scores - Y).square().sum() / 2 + decay / 2 * theta.square().sum()

    zero = torch.zeros(6 * units, dtype=F64)
    strengths = torch.linalg.svdvals(Y.T @ inputs)
    assert_close(grad(f)(zero), zero)
    assert index(f, zero) == units * int((strengths > decay).sum()) > 0
    lowest = hessian_eigenvalues(f, zero, which="smallest", generator=stream()).values
    assert_close(lowest, decay - strengths[:1])


def test_composes_with_torch():
    f, theta = small()
    v = noise(2, len(theta), seed=3)
    assert_close(vmap(lambda one: hessian_vector_product(f, theta, one))(v), v @ hessian(f)(theta))
    single = hessian_vector_product(lambda t: t.square().sum(), torch.ones(3), torch.ones(3))
    assert single.dtype == torch.float32
    pairs = hessian_eigenvalues(lambda t: t.square().sum(), torch.ones(3), generator=stream())
    assert pairs.values.dtype == pairs.vectors.dtype == torch.float32
    assert not hessian_vector_product(f, theta.clone().requires_grad_(), v[0]).requires_grad


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hessian_vector_product(torch.sum, torch.zeros(3), torch.zeros(2)), r"v is \(3,\), found shape \(2,\)"),
        (
            lambda: hessian_eigenvalues(torch.sum, torch.zeros(3), 3, generator=stream()),
            "below the number .* 3, found 3",
        ),
        (lambda: hessian_eigenvalues(torch.sum, torch.zeros(3), 0, generator=stream()), "at least 1 .* found 0"),
        (
            lambda: hessian_eigenvalues(torch.sum, torch.zeros(3), which="LA", generator=stream()),
            "one of largest, smallest, found 'LA'",
        ),
        (lambda: index(torch.sum, torch.zeros(3, 1)), r"theta is \(d,\)"),
        (lambda: critical_point(torch.sum, torch.zeros(3, 1)), r"theta is \(d,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_hessian_of_zeros_or_without_numbers_is_named():
    with pytest.raises(ValueError, match="the Hessian at theta is zero"):
        hessian_eigenvalues(lambda theta: theta.sum() ** 1, torch.ones(5), generator=stream())
    with pytest.raises(ValueError, match="the Hessian at theta is not finite"):
        hessian_eigenvalues(lambda theta: (theta**3).sum(), torch.full((5,), math.nan), generator=stream())


def test_theta_has_one_axis():
    with pytest.raises(ValueError, match=r"theta is \(d,\)"):
        hessian_eigenvalues(torch.sum, torch.zeros(3, 1), generator=stream())
