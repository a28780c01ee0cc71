"""The exact distance against a fine grid, straight lines, and the areas of a cut box."""

import numpy as np
import pytest
import torch
from torch import nn

from common import F64, stream
from dlbook.adversarial.exact import Piece, class_pieces, nearest_other
from dlbook.backprop.mlp import MLP

BOX = ((-2.0, 1.0), (-1.0, 3.0))


def model(seed=0):
    made = MLP((2, 7, 5, 3), generator=stream(seed)).to(F64)
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(3)
        made[-1].bias -= made(4 * torch.rand(500, 2, generator=stream(9), dtype=F64) - 2).mean(
            0
        )  # a cell for each class
    return made


def area(corners):
    (u, v), (s, t) = corners.T, np.roll(corners, -1, axis=0).T
    return abs((u * t - s * v).sum()) / 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pieces_fill_the_box_and_have_the_networks_class(seed):
    net = model(seed)
    pieces = class_pieces(net, BOX)
    assert np.isclose(sum(area(corners) for _, corners in pieces), 12)
    for label, corners in pieces:
        if area(corners) > 1e-9:
            assert net(torch.from_numpy(corners.mean(axis=0))).argmax() == label


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_distance_is_that_of_a_fine_grid(seed):
    net = model(seed)
    u, v = np.meshgrid(np.linspace(*BOX[0], 301), np.linspace(*BOX[1], 401))
    grid = np.stack([u.ravel(), v.ravel()], axis=1)
    classes = net(torch.from_numpy(grid)).argmax(1).numpy()
    x = grid[:: len(grid) // 20]
    y = classes[:: len(grid) // 20]
    distance, point = nearest_other(class_pieces(net, BOX), x, y)
    nearest_grid = []
    for one, own, d, p in zip(x, y, distance, point, strict=True):
        nearest_grid.append(np.linalg.norm(grid[classes != own] - one, axis=1).min())
        assert d <= nearest_grid[-1] + 1e-9
        assert np.isclose(np.linalg.norm(p - one), d)
        scores = net(torch.from_numpy(p)).sort(descending=True).values
        assert scores[0] - scores[1] < 1e-9  # a tie
    assert np.median(nearest_grid - distance) < 0.015  # the grid's diagonal is 0.0141; it may miss a sliver


def test_straight_lines_have_the_closed_form():
    line = nn.Linear(2, 2, dtype=F64)
    line.weight.data, line.bias.data = torch.tensor([[0.0, 0], [3, 4]], dtype=F64), torch.tensor([0.0, -1], dtype=F64)
    x = np.array([[0.0, 0], [-1.0, 1.0]])
    distance, _ = nearest_other(class_pieces(nn.Sequential(line), BOX), x, [0, 0])
    assert np.allclose(distance, [1 / 5, 0], atol=1e-12)


def test_a_border_along_an_edge_of_the_box_and_a_corner_that_comes_twice():
    line = nn.Linear(2, 2, dtype=F64)
    line.weight.data, line.bias.data = torch.tensor([[0.0, 0], [1, 0]], dtype=F64), torch.tensor([0.0, 2], dtype=F64)
    with np.errstate(all="raise"):
        pieces = class_pieces(nn.Sequential(line), BOX)
        assert all(np.isfinite(corners).all() for _, corners in pieces)
        assert np.isclose(sum(area(corners) for label, corners in pieces if label == 1), 12)
        twice = Piece(1, np.array([[1.0, 0], [1, 0], [2, 0], [2, 1]]))
        distance, point = nearest_other([twice], [[0.0, 0.0]], [0])
    assert np.allclose(distance, 1)
    assert np.allclose(point, [1, 0])


def test_a_box_of_one_class_and_lists_that_do_not_fit():
    square = [Piece(0, np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]))]
    distance, point = nearest_other(square, [[0.5, 0.5]], [0])
    assert np.isinf(distance).all()
    assert np.isnan(point).all()
    with pytest.raises(ValueError, match="x is"):
        nearest_other(square, [[0.5, 0.5, 0.5]], [0])
    with pytest.raises(ValueError, match="y is"):
        nearest_other(square, [[0.5, 0.5]], [0, 1])
