"""What networks of ReLUs can express: piecewise linear functions, their pieces counted, and constructions.

The lecture's S1:211-217 and S4:115-125.  A ReLU network is affine wherever no unit changes sides, and the set on which
all units keep theirs is convex; so regions are counted by cutting polygons, unit by unit, and no point is sampled.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dlbook.backprop.mlp import MLP, Pointwise

__all__ = [
    "Region",
    "count_linear_regions",
    "hyperplane_regions",
    "linear_regions",
    "montufar_bound",
    "relu_interpolant",
    "tent_network",
]

Floats = NDArray[np.float64]
Box = tuple[float, float] | tuple[tuple[float, float], tuple[float, float]]

_EPSILON = 1e-9  # corners nearer to a cut than this, relative to all lengths, lie on it


class Region(NamedTuple):
    """A convex set on which the network is affine."""

    corners: Floats  # (k, 3), homogeneous and in order: (x, y, 1), or (x, y, 0) for a direction to infinity
    scores: Floats  # (outputs, 3), the network there: scores @ (x, y, 1)
    pattern: tuple[bool, ...]  # which hidden units are positive


def linear_regions(model: nn.Sequential, *, box: Box | None = None) -> list[Region]:
    """Return the regions on which a ReLU network of one or two inputs is affine.

    Parameters
    ----------
    model : nn.Sequential
        ``Linear`` layers with a ReLU (``nn.ReLU`` or the function) between them; an :class:`~dlbook.backprop.mlp.MLP`
        for instance.
    box : (low, high) for one input, ((low, high), (low, high)) for two, optional
        Look at these inputs only; at all inputs by default.

    Returns
    -------
    list of Region
        One for each pattern of active units that occurs on a set with an inside.  With one input the second
        coordinate is 0.  Without a box, a region that lies in several quadrants is given by its part in one of them.

    Raises
    ------
    ValueError
        If the model is none of these, has more inputs, or the box is empty.

    Examples
    --------
    >>> len(linear_regions(MLP((1, 4, 1), generator=torch.Generator().manual_seed(0))))
    5
    """
    layers = _layers(model)
    inputs = layers[0][0].shape[1]
    cells: dict[tuple[bool, ...], Region] = {}
    for first in _start(inputs, box):
        regions = [first]
        for weight, bias in layers[:-1]:
            regions = [part for region in regions for part in _through(region, weight, bias)]
        weight, bias = layers[-1]
        for region in regions:
            cells.setdefault(region.pattern, region._replace(scores=_affine(weight, bias, region.scores)))
    return list(cells.values())


def count_linear_regions(model: nn.Sequential, *, box: Box | None = None) -> int:
    """Return the number of regions of :func:`linear_regions`, with its parameters and errors.

    Examples
    --------
    >>> network = MLP((2, 5, 1), generator=torch.Generator().manual_seed(0))
    >>> count_linear_regions(network), hyperplane_regions(5, 2)
    (16, 16)
    """
    return len(linear_regions(model, box=box))


def hyperplane_regions(count: int, dimension: int) -> int:
    """Return into how many regions hyperplanes in general position cut a space: Σ_j binomial(count, j), j ≤ dimension.

    Zaslavsky (1975).  So many regions has one hidden layer at most.

    Examples
    --------
    >>> [hyperplane_regions(n, 2) for n in (1, 2, 5, 10, 20)]
    [2, 4, 16, 56, 211]
    """
    if count < 0 or dimension < 1:
        raise ValueError(f"count is at least 0 and dimension at least 1, found {count} and {dimension}")
    return sum(math.comb(count, j) for j in range(dimension + 1))


def montufar_bound(inputs: int, widths: Sequence[int]) -> int:
    """Return how many linear regions some network of these hidden widths has at least.

    Montúfar, Pascanu, Cho and Bengio (2014): Π floor(n_i / n_0)^n_0 over all hidden layers but the last,
    times Σ_j binomial(n_L, j), j ≤ n_0; for widths of at least n_0.

    Examples
    --------
    >>> montufar_bound(2, [10, 10]), montufar_bound(2, [20])
    (1400, 211)
    """
    if inputs < 1 or not widths or min(widths) < inputs:
        raise ValueError(f"hidden layers are at least as wide as the input, found {inputs} inputs and {list(widths)}")
    return math.prod((width // inputs) ** inputs for width in widths[:-1]) * hyperplane_regions(widths[-1], inputs)


def relu_interpolant(function: Callable[[Floats], Floats], width: int, *, box: tuple[float, float] = (0.0, 1.0)) -> MLP:
    """Return the network with one hidden layer that interpolates a function of one variable at ``width + 1`` points.

    Each unit adds a bend: the slope of one piece minus that of the piece before.  float64.

    Parameters
    ----------
    function : callable
        (n,) → (n,), finite on the box.
    width : int
        Number of hidden units, and of linear pieces.
    box : (low, high)

    Examples
    --------
    >>> net = relu_interpolant(np.square, 2)
    >>> net(torch.tensor([[0.0], [0.5], [1.0]]).double())[:, 0].tolist()
    [0.0, 0.25, 1.0]
    """
    low, high = box
    if width < 1 or not low < high:
        raise ValueError(f"width is at least 1 and low < high, found {width} and {box}")
    knots = np.linspace(low, high, width + 1)
    values = np.asarray(function(knots), dtype=np.float64)
    if values.shape != knots.shape or not np.isfinite(values).all():
        raise ValueError(f"the function gives a finite number for each of {width + 1} points, found {values}")
    slopes = np.diff(values) / np.diff(knots)
    bends = np.diff(slopes, prepend=0.0)
    return _network(
        [np.ones((width, 1)), bends[None]],
        [-knots[:-1], values[:1]],
    )


def tent_network(depth: int) -> MLP:
    """Return ``depth`` hidden layers of two units whose function goes up and down 2^depth times on [0, 1]; float64.

    Each layer computes the tent 2x for x ≤ 1/2, 2 - 2x above, of the one before; after Telgarsky (2016).

    Examples
    --------
    >>> tent_network(1)(torch.tensor([[0.0], [0.25], [0.5], [1.0]]).double())[:, 0].tolist()
    [0.0, 0.5, 1.0, 0.0]
    """
    if depth < 1:
        raise ValueError(f"the depth is at least 1, found {depth}")
    tent, shifts = np.array([[2.0, -4.0]]), np.array([0.0, -0.5])
    weights = [np.ones((2, 1))] + [np.ones((2, 1)) @ tent] * (depth - 1) + [tent]
    return _network(weights, [shifts] * depth + [np.zeros(1)])


def _network(weights: list[Floats], biases: list[Floats]) -> MLP:
    sizes = [weights[0].shape[1], *(len(weight) for weight in weights)]
    net = MLP(sizes, dtype=torch.float64)
    state = {}
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        state[f"{2 * place}.weight"], state[f"{2 * place}.bias"] = torch.tensor(weight), torch.tensor(bias)
    net.load_state_dict(state)
    return net


def _layers(model: nn.Sequential) -> list[tuple[Floats, Floats]]:
    """Return weights and biases, once the model is seen to be what it must be."""
    if not isinstance(model, nn.Sequential) or not len(model):
        raise ValueError(f"the model is a Sequential of Linear and ReLU, found {type(model).__name__}")
    layers = []
    for place, layer in enumerate(model):
        if place % 2:
            relu = isinstance(layer, nn.ReLU) or (
                isinstance(layer, Pointwise) and getattr(layer.function, "__name__", "") == "relu"
            )
            if not relu or place == len(model) - 1:
                raise ValueError(f"between two Linear layers stands a ReLU, and none after the last; found {layer}")
        elif not isinstance(layer, nn.Linear):
            raise ValueError(f"layer {place} is Linear, found {layer}")
        else:
            weight = layer.weight.detach().double().cpu().numpy()
            bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().cpu().numpy()
            layers.append((weight, bias))
    if layers[0][0].shape[1] not in (1, 2):
        raise ValueError(f"regions are counted for one or two inputs, found {layers[0][0].shape[1]}")
    return layers


def _start(inputs: int, box: Box | None) -> list[Region]:
    """Return the input space: four quadrants, or the box.  One input is two of which the second has no effect."""
    identity = np.eye(3)[:inputs]
    if box is None:
        corners = [[[right, 0.0, 0.0], [0.0, up, 0.0], [0.0, 0.0, 1.0]] for right in (1.0, -1.0) for up in (1.0, -1.0)]
        return [Region(np.array(quadrant), identity, ()) for quadrant in corners]
    sides = np.array([box, (0.0, 1.0)] if inputs == 1 else box, dtype=np.float64)
    if sides.shape != (2, 2) or not (sides[:, 0] < sides[:, 1]).all() or not np.isfinite(sides).all():
        raise ValueError(f"a box has a low and a high end for each of {inputs} inputs, found {box}")
    (left, right), (low, high) = sides
    return [Region(np.array([[left, low, 1], [right, low, 1], [right, high, 1], [left, high, 1.0]]), identity, ())]


def _affine(weight: Floats, bias: Floats, before: Floats) -> Floats:
    """Return the affine map of a layer after another, both as rows that meet (x, y, 1)."""
    after = weight @ before
    after[:, 2] += bias
    return after


def _through(region: Region, weight: Floats, bias: Floats) -> list[Region]:
    """Cut a region by the units of a layer, and apply their ReLU on each part."""
    sums = _affine(weight, bias, region.scores)
    parts: list[tuple[Floats, tuple[bool, ...]]] = [(region.corners, ())]
    for line in sums:
        parts = [(half, (*signs, side)) for corners, signs in parts for half, side in _cut(corners, line)]
    return [Region(corners, sums * np.array(signs)[:, None], region.pattern + signs) for corners, signs in parts]


def _cut(corners: Floats, line: Floats) -> list[tuple[Floats, bool]]:
    """Cut a convex polygon by a line; return the parts that have an inside, and whether each is on the plus side."""
    heights = corners @ line
    heights[np.abs(heights) <= _EPSILON * np.linalg.norm(line) * np.linalg.norm(corners, axis=1)] = 0.0
    if (heights <= 0).all():
        return [(corners, False)]
    if (heights >= 0).all():
        return [(corners, True)]
    halves: dict[bool, list[Floats]] = {True: [], False: []}
    for here, there, h, k in zip(corners, np.roll(corners, -1, axis=0), heights, np.roll(heights, -1), strict=True):
        if h >= 0:
            halves[True].append(here)
        if h <= 0:
            halves[False].append(here)
        if h * k < 0:
            crossing = (h * there - k * here) / (h - k)
            halves[True].append(crossing)
            halves[False].append(crossing)
    return [(np.array(half), side) for side, half in halves.items() if len(half) >= 3]
