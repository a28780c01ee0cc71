"""Oracles: all sign patterns of small nets decided by linear programs, dense sampling, and closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Generator, nn

from dlbook.backprop.approximation import (
    count_linear_regions,
    hyperplane_regions,
    linear_regions,
    montufar_bound,
    relu_interpolant,
    tent_network,
)
from dlbook.backprop.mlp import MLP


def net(*sizes, seed=0):
    made = MLP(sizes, generator=Generator().manual_seed(seed), dtype=torch.float64)
    draw = Generator().manual_seed(seed)
    with torch.no_grad():
        for p in made.parameters():
            p.normal_(generator=draw)
    return made


def patterns_by_programs(model, box=None):
    """Try every pattern of signs, and ask a linear program whether it has an inside."""
    linears = [layer for layer in model if isinstance(layer, nn.Linear)][:-1]
    inputs = linears[0].in_features
    bounds = [(None, None)] * inputs if box is None else (box if inputs == 2 else [box])
    count = 0
    for signs in itertools.product((True, False), repeat=sum(layer.out_features for layer in linears)):
        rows, limits, slope, offset, taken = [], [], np.eye(inputs), np.zeros(inputs), 0
        for layer in linears:
            W, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
            slope, offset = W @ slope, W @ offset + b
            side = np.array(signs[taken : taken + len(W)])
            taken += len(W)
            sign = np.where(side, -1.0, 1.0)[:, None]  # sign * (slope x + offset) <= -t
            rows.append(sign * slope)
            limits.append(-sign[:, 0] * offset)
            slope, offset = slope * side[:, None], offset * side
        A, limit = np.vstack(rows), np.concatenate(limits)
        length = np.maximum(np.linalg.norm(A, axis=1), 1e-300)
        table = np.column_stack([A, length])
        found = linprog([0] * inputs + [-1], table, limit, bounds=[*bounds, (0, 1)])
        count += found.status == 0 and found.x[-1] > 1e-7
    return count


@pytest.mark.parametrize("sizes", [(1, 3, 1), (1, 3, 3, 1), (2, 4, 1), (2, 3, 3, 1), (2, 2, 2, 2, 1), (2, 5, 3, 2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_counts_equal_all_sign_patterns_decided_by_linear_programs(sizes, seed):
    model = net(*sizes, seed=seed)
    assert count_linear_regions(model) == patterns_by_programs(model)
    box = (-0.7, 1.1) if sizes[0] == 1 else ((-0.7, 1.1), (-1.3, 0.4))
    assert count_linear_regions(model, box=box) == patterns_by_programs(model, box)


@pytest.mark.parametrize("width", [1, 2, 5, 10, 20])
def test_one_layer_reaches_zaslavsky_s_count(width):
    assert count_linear_regions(net(2, width, 1)) == hyperplane_regions(width, 2)
    assert count_linear_regions(net(1, width, 1)) == width + 1


def test_regions_carry_the_function_and_cover_the_box():
    model = net(2, 6, 5, 3, seed=4)
    box = ((-1.0, 2.0), (0.0, 1.5))
    area = 0.0
    for region in linear_regions(model, box=box):
        xy = region.corners[:, :2] / region.corners[:, 2:]
        x, y = xy.T
        area += 0.5 * abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
        center = xy.mean(axis=0)
        expected = model(torch.tensor(center)).detach().numpy()
        np.testing.assert_allclose(region.scores @ [*center, 1], expected, rtol=1e-9, atol=1e-9)
    assert area == pytest.approx(3.0 * 1.5, rel=1e-9)


def test_every_sampled_pattern_is_found():
    model = net(2, 8, 8, 1, seed=2)
    found = {region.pattern for region in linear_regions(model, box=((-2, 2), (-2, 2)))}
    points = torch.rand(20_000, 2, generator=Generator().manual_seed(0), dtype=torch.float64) * 4 - 2
    states = model.states(points)[1:-1]
    seen = {tuple(row) for row in (torch.cat(states, dim=1) > 0).tolist()}
    assert seen <= found
    assert len(found) >= len(seen)


def test_dead_and_doubled_units_add_no_regions():
    model = net(2, 3, 1)
    with torch.no_grad():
        model[0].weight[1] = 0
        model[0].bias[1] = -1
        model[0].weight[2] = 2 * model[0].weight[0]
        model[0].bias[2] = 2 * model[0].bias[0]
    assert count_linear_regions(model) == 2


def test_layers_of_torch_and_without_bias():
    torch.manual_seed(0)
    cone = nn.Sequential(nn.Linear(2, 5, bias=False), nn.ReLU(), nn.Linear(5, 1))
    assert count_linear_regions(cone) == 10  # lines through the origin
    assert count_linear_regions(nn.Sequential(nn.Linear(2, 1))) == 1


def test_montufar_s_bound_is_reached_by_tents_and_is_that_of_one_layer():
    assert montufar_bound(2, [10, 10]) == 1400
    assert montufar_bound(2, [20]) == hyperplane_regions(20, 2) == 211
    assert montufar_bound(1, [2, 2, 2]) == 2 * 2 * 3
    assert montufar_bound(3, [7, 8, 5]) == (2**3) * (2**3) * (1 + 5 + 10 + 10)


@pytest.mark.parametrize("depth", range(1, 9))
def test_tents_double_with_each_layer(depth):
    model = tent_network(depth)
    assert count_linear_regions(model, box=(0.0, 1.0)) == 2**depth
    x = np.linspace(0, 1, 1009)
    expected = x
    for _ in range(depth):
        expected = 1 - np.abs(1 - 2 * expected)
    np.testing.assert_allclose(model(torch.tensor(x[:, None])).detach().numpy()[:, 0], expected, atol=1e-9)


@pytest.mark.parametrize("width", [1, 4, 16, 64])
def test_interpolants_meet_the_function_at_their_knots_and_are_linear_between(width):
    model = relu_interpolant(np.sin, width, box=(-1.0, 2.0))
    knots = np.linspace(-1, 2, width + 1)
    x = np.linspace(-1, 2, 3001)
    found = model(torch.tensor(x[:, None])).detach().numpy()[:, 0]
    np.testing.assert_allclose(found, np.interp(x, knots, np.sin(knots)), atol=1e-10)
    assert np.abs(found - np.sin(x)).max() <= (3 / width) ** 2 / 8 + 1e-12  # h^2 / 8 times the largest curvature


def test_zaslavsky_in_other_dimensions():
    assert hyperplane_regions(0, 3) == 1
    assert hyperplane_regions(4, 10) == 2**4
    assert hyperplane_regions(7, 3) == 1 + 7 + 21 + math.comb(7, 3)


BAD = {
    "Sequential of Linear and ReLU, found Linear": lambda: count_linear_regions(nn.Linear(2, 1)),
    "one or two inputs, found 3": lambda: count_linear_regions(net(3, 2, 1)),
    r"stands a ReLU, and none after the last; found Tanh": lambda: count_linear_regions(
        nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    ),
    "none after the last; found ReLU": lambda: count_linear_regions(nn.Sequential(nn.Linear(2, 2), nn.ReLU())),
    "layer 0 is Linear, found ReLU": lambda: count_linear_regions(nn.Sequential(nn.ReLU())),
    r"each of 2 inputs, found \(0, 1\)": lambda: count_linear_regions(net(2, 2, 1), box=(0, 1)),
    r"each of 1 inputs, found \(1, 0\)": lambda: count_linear_regions(net(1, 2, 1), box=(1, 0)),
    "found -1 and 2": lambda: hyperplane_regions(-1, 2),
    r"found 3 inputs and \[2\]": lambda: montufar_bound(3, [2]),
    r"found 2 inputs and \[\]": lambda: montufar_bound(2, []),
    "width is at least 1": lambda: relu_interpolant(np.sin, 0),
    "finite number for each of 3 points": lambda: relu_interpolant(lambda x: 1 / (x - x[1]), 2),
    "depth is at least 1, found 0": lambda: tent_network(0),
}


@pytest.mark.parametrize("message", BAD)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
