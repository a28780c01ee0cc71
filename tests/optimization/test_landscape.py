"""Slices against closed forms and loops, filter normalization against rescaled ReLU layers, curves against de Casteljau."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.backprop.mlp import MLP
from dlbook.optimization.landscape import bezier, filter_normalized, flat_loss, slice_1d, slice_2d, unflatten

X, Y = noise(11, 3), noise(11, 2, seed=1)


def squares(net):
    return ((net(X) - Y) ** 2).sum()


def network(*sizes):
    return MLP(sizes or (3, 5, 7, 2), generator=stream(), dtype=F64)


def rescaled(model, factor):
    """Multiply what enters the first hidden layer by ``factor`` and divide what leaves it."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight *= factor
        other[0].bias *= factor
        other[2].weight /= factor
    return other


def test_a_vector_is_cut_into_the_parameters_that_torch_made_it_of():
    model = network()
    theta = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    cut = unflatten(theta, model)
    assert list(cut) == [name for name, _ in model.named_parameters()]
    for name, p in model.named_parameters():
        assert torch.equal(cut[name], p)


def test_the_loss_of_a_vector_is_that_of_a_model_that_holds_it():
    model, other = network(), network()
    f, theta = flat_loss(model, squares)
    before = theta.clone()
    assert_close(f(theta), squares(model))
    moved = theta + 0.1 * noise(len(theta), seed=2)
    torch.nn.utils.vector_to_parameters(moved, other.parameters())
    assert_close(f(moved), squares(other))
    assert torch.equal(torch.nn.utils.parameters_to_vector(model.parameters()).detach(), before)
    assert not theta.requires_grad


def test_the_gradient_of_the_flat_loss_is_that_of_backward():
    model = network()
    f, theta = flat_loss(model, squares)
    squares(model).backward()
    assert_close(torch.func.grad(f)(theta), torch.cat([p.grad.flatten() for p in model.parameters()]))


@pytest.mark.parametrize("chunk_size", [1, 4, 100])
def test_slices_of_a_quadratic_are_the_polynomials_of_the_closed_form(chunk_size):
    theta, d, e = noise(5), noise(5, seed=1), noise(5, seed=2)
    A = noise(5, 5, seed=3)
    A = A + A.T

    def f(t):
        return t @ A @ t / 2

    a, b = torch.linspace(-1, 1, 7, dtype=F64), torch.linspace(-2, 3, 11, dtype=F64)
    line = f(theta) + a * (d @ A @ theta) + a**2 / 2 * (d @ A @ d)
    assert_close(slice_1d(f, theta, d, a, chunk_size=chunk_size), line)
    table = line + b[:, None] * (e @ A @ theta) + b[:, None] ** 2 / 2 * (e @ A @ e) + a * b[:, None] * (d @ A @ e)
    found = slice_2d(f, theta, d, e, a, b, chunk_size=chunk_size)
    assert found.shape == (11, 7)
    assert_close(found, table)


def test_a_plane_of_a_network_passes_through_it_and_is_a_loop_over_networks():
    model = network()
    f, theta = flat_loss(model, squares)
    first, second = noise(len(theta), seed=2), noise(len(theta), seed=3)
    a, b = torch.tensor([-0.3, 0, 0.7], dtype=F64), torch.tensor([0.0, 0.5], dtype=F64)
    found = slice_2d(f, theta, first, second, a, b)
    assert_close(found[0, 1], squares(model))
    assert_close(slice_1d(f, theta, first, a), found[0])
    for i, along in enumerate(b):
        for j, across in enumerate(a):
            place = unflatten(theta + across * first + along * second, model)
            assert_close(found[i, j], squares(lambda x, place=place: functional_call(model, place, (x,))))


def test_filter_norms_equal_those_of_the_network_and_biases_stay():
    model = nn.Sequential(nn.Conv2d(2, 3, 5), nn.Flatten(), nn.Linear(7, 11)).to(F64)
    theta = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    raw = noise(len(theta), seed=2)
    parts, before = unflatten(filter_normalized(raw, theta, model), model), unflatten(raw, model)
    for name, p in model.named_parameters():
        if p.ndim < 2:
            assert not parts[name].any()
            continue
        for own, d, r in zip(p, parts[name], before[name], strict=True):
            assert_close(d.norm(), own.norm())
            assert_close(d / d.norm(), r / r.norm())  # only the length has changed


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("scale", [1, 1000])  # 1000 / tiny is infinite
def test_a_filter_of_zeros_has_no_direction_and_no_nan(scale, dtype):
    model = nn.Linear(3, 2, bias=False).to(dtype)
    raw, theta = noise(6, dtype=dtype), scale * noise(6, seed=1, dtype=dtype)
    theta[:3] = 0
    raw[3:] = 0
    found = filter_normalized(raw, theta, model)
    assert torch.equal(found, torch.zeros(6, dtype=dtype))


def test_rescaling_a_relu_layer_leaves_the_normalized_surface_and_changes_the_plain_one():
    model = network()
    other = rescaled(model, 7.0)
    (f, theta), (_, moved) = flat_loss(model, squares), flat_loss(other, squares)
    assert_close(f(theta), f(moved))
    first, second = noise(len(theta), seed=2), noise(len(theta), seed=3)
    steps = torch.linspace(-1, 1, 5, dtype=F64)
    surfaces = [
        slice_2d(f, t, filter_normalized(first, t, model), filter_normalized(second, t, model), steps, steps)
        for t in (theta, moved)
    ]
    assert_close(surfaces[0], surfaces[1])
    plain = [slice_2d(f, t, first, second, steps, steps) for t in (theta, moved)]
    assert (plain[0] - plain[1]).abs().max() > 0.1 * plain[0].max()


def test_renumbered_hidden_units_have_the_same_loss():
    model = network()
    f, theta = flat_loss(model, squares)
    order = torch.randperm(5, generator=stream(1))
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight.copy_(model[0].weight[order])
        other[0].bias.copy_(model[0].bias[order])
        other[2].weight.copy_(model[2].weight[:, order])
    moved = flat_loss(other, squares)[1]
    assert (moved - theta).norm() > 0.1
    assert_close(f(moved), f(theta))


def test_a_bezier_curve_is_de_casteljaus():
    start, bend, end = noise(5), noise(5, seed=1), noise(5, seed=2)
    t = torch.linspace(0, 1, 7, dtype=F64)
    for place, point in zip(t, bezier(start, bend, end, t), strict=True):
        first, second = torch.lerp(start, bend, place), torch.lerp(bend, end, place)
        assert_close(point, torch.lerp(first, second, place))
    assert_close(bezier(start, bend, end, 0.0), start)
    assert_close(bezier(start, bend, end, 1.0), end)
    assert_close(bezier(start, (start + end) / 2, end, 0.3), torch.lerp(start, end, 0.3))  # no bend: the straight line


def test_gradients_by_finite_differences():
    model = network(3, 5, 2)
    f, theta = flat_loss(model, squares)
    bend = noise(len(theta), seed=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda b: f(bezier(theta, b, 2 * theta, 0.3)), bend)


def test_composes_with_torch():
    model = MLP((3, 5, 2), generator=stream(), activation=torch.tanh)
    x = noise(7, 3, dtype=torch.float32)
    f, theta = flat_loss(model, lambda net: net(x).square().mean())
    d = noise(len(theta), seed=1, dtype=torch.float32)
    compiled = torch.compile(lambda t: filter_normalized(d, t, model), fullgraph=True, backend="eager")
    assert_close(compiled(theta), filter_normalized(d, theta, model))
    both = torch.stack([theta, 2 * theta])
    assert_close(vmap(f)(both), torch.stack([f(t) for t in both]))
    curve = torch.compile(lambda b: bezier(theta, b, theta, 0.5), fullgraph=True, backend="eager")
    assert_close(curve(d), bezier(theta, d, theta, 0.5))
    assert bezier(d.bfloat16(), d.bfloat16(), d.bfloat16(), 0.5).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unflatten(torch.zeros(4), nn.Linear(2, 1)), r"theta is \(3,\), found shape \(4,\)"),
        (lambda: slice_1d(torch.sum, torch.zeros(3), torch.zeros(2), torch.zeros(1)), r"direction is \(3,\)"),
        (lambda: slice_1d(torch.sum, torch.zeros(3), torch.zeros(3), torch.tensor(1.0)), r"steps is \(a,\)"),
        (
            lambda: slice_2d(torch.sum, torch.zeros(3), torch.zeros(3), torch.zeros(5), torch.zeros(1), torch.zeros(1)),
            r"second is \(3,\), found shape \(5,\)",
        ),
        (lambda: bezier(torch.zeros(3), torch.zeros(2), torch.zeros(3), 0.5), r"bend is \(3,\)"),
        (
            lambda: filter_normalized(torch.zeros(2), torch.zeros(3), nn.Linear(2, 1)),
            r"direction is \(3,\), found shape",
        ),
        (lambda: filter_normalized(torch.zeros(3), torch.zeros(2), nn.Linear(2, 1)), r"theta is \(3,\), found shape"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_curve_between_whole_numbers_is_refused():
    with pytest.raises(ValueError, match="start is of floats"):
        bezier(torch.tensor([0]), torch.tensor([10]), torch.tensor([0]), 0.5)


def test_parameters_may_lie_in_memory_in_any_order():
    kernels = nn.Conv2d(2, 3, 5).to(memory_format=torch.channels_last)
    f, theta = flat_loss(kernels, lambda net: net(torch.ones(1, 2, 5, 5)).sum())
    assert_close(f(theta), kernels(torch.ones(1, 2, 5, 5)).sum())


def test_short_filters_keep_their_direction():
    tiny, weight = torch.tensor([3e-18, 4e-18], dtype=F64), torch.tensor([5.0, 0], dtype=F64)
    assert_close(filter_normalized(tiny, weight, nn.Linear(2, 1, bias=False)), torch.tensor([3.0, 4], dtype=F64))


def test_directions_steps_and_ends_of_a_wrong_size_are_named():
    z = torch.zeros
    with pytest.raises(ValueError, match="first is"):
        slice_2d(torch.sum, z(3), z(1), z(3), z(1), z(1))
    with pytest.raises(ValueError, match="steps_first is"):
        slice_2d(torch.sum, z(3), z(3), z(3), z(1, 1), z(1))
    with pytest.raises(ValueError, match="end is"):
        bezier(z(3), z(3), z(1), 0.5)
