"""S- and C-cells against loops, closed forms, and the theorem about their responses."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, stream
from dlbook.convolution.cells import c_cells, falloff, s_cells, threshold, v_cells


def positive(*shape, seed=0):
    return torch.rand(*shape, generator=stream(seed), dtype=F64)


def s_by_loop(u, a, b, c, r, padding):
    """Return the paper's equations, a cell at a time."""
    u = F.pad(u, [padding] * 4)
    n, j, h, w = u.shape
    k, _, s, t = a.shape
    out = torch.zeros(n, k, h - s + 1, w - t + 1, dtype=F64)
    for i, p, y, x in np.ndindex(*out.shape):
        window = u[i, :, y : y + s, x : x + t]
        v = math.sqrt(sum((c[dy, dx] / j * window[m, dy, dx] ** 2).item() for m, dy, dx in np.ndindex(j, s, t)))
        e = (a[p] * window).sum().item()
        out[i, p, y, x] = r * max(0.0, (1 + e) / (1 + 2 * r / (1 + r) * b[p].item() * v) - 1)
    return out


def test_gradient_of_s_cells_by_finite_differences():
    # what is computed in place must not be what the gradient needs
    inputs = [positive(2, 3, 5, 4), positive(5, 3, 3, 3, seed=1), positive(5, seed=2)]
    blur = falloff(3, 0.7)
    for value in inputs:
        value.requires_grad_()
    assert (s_cells(*inputs, blur, selectivity=1.7) > 0).any()
    assert torch.autograd.gradcheck(lambda u, a, b: s_cells(u, a, b, blur, selectivity=1.7), inputs)


@pytest.mark.parametrize("padding", [0, 2])
def test_s_cells_are_the_papers_equations(padding):
    u, a, b, c = positive(2, 3, 7, 5), positive(5, 3, 3, 3, seed=1), 8 * positive(5, seed=2), falloff(3, 0.7)
    ours = s_cells(u, a, b, c, selectivity=1.7, padding=padding)
    assert (ours > 0).any()
    assert (ours == 0).any()
    assert_close(ours, s_by_loop(u, a, b, c, 1.7, padding), rtol=1e-10, atol=1e-12)


def test_v_cells_of_one_pixel_and_of_a_constant():
    u = torch.zeros(1, 2, 5, 5, dtype=F64)
    u[0, 1, 2, 2] = 3
    c = falloff(3, 0.6)
    assert_close(v_cells(u, c, padding=1)[0, 0, 1:4, 1:4], 3 * (c / 2).sqrt())
    assert_close(v_cells(torch.full_like(u, 4.0), c), torch.full((1, 1, 3, 3), 4.0, dtype=F64))


def test_c_cells_are_the_papers_equations():
    s, d, alpha = 4 * positive(2, 3, 7, 7), falloff(3, 0.8), 0.3
    ours = c_cells(s, d, saturation=alpha, stride=2, padding=1)
    padded = F.pad(s, [1] * 4)
    assert ours.shape == (2, 3, 4, 4)
    for n, y, x in np.ndindex(2, 4, 4):
        sums = [(d * padded[n, k, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]).sum().item() for k in range(3)]
        for k in range(3):
            value = (1 + sums[k]) / (1 + sum(sums) / 3) - 1
            expected = value / (alpha + value) if value > 0 else 0
            assert ours[n, k, y, x].item() == pytest.approx(expected, abs=1e-12)


def test_falloff_sums_to_one_and_falls():
    d = falloff(5, 0.7)
    assert d.sum().item() == pytest.approx(1)
    assert (d[2, 4] / d[2, 2]).item() == pytest.approx(0.7**2)
    assert (d[0, 0] / d[2, 2]).item() == pytest.approx(0.7 ** math.sqrt(8))


def learned(patterns, c, speed):
    """Return a and b of a cell that learned patterns (m, j, s, t)."""
    inputs = patterns.shape[1]
    a = speed * (c / inputs * patterns).sum(0, keepdim=True)
    b = speed / 2 * sum(v_cells(one[None], c).flatten() for one in patterns)
    return a, b


@pytest.mark.parametrize("speed", [0.01, 1.0, 1e6])
@pytest.mark.parametrize("r", [0.5, 1.5, 4.0])
def test_a_cell_fires_where_the_cosine_exceeds_its_threshold(r, speed):
    c = falloff(3, 0.8)
    x = positive(1, 2, 3, 3)
    u = x + torch.linspace(0, 30, 4000, dtype=F64)[:, None, None, None] * positive(4000, 2, 3, 3, seed=1) ** 8
    a, b = learned(x, c, speed)
    fires = s_cells(u, a, b, c, selectivity=r).flatten() > 0
    weight = c / 2
    cosine = (weight * x * u).sum((1, 2, 3)) / ((weight * x**2).sum().sqrt() * (weight * u**2).sum((1, 2, 3)).sqrt())
    assert fires.double().mean() > 0.02
    assert fires.double().mean() < 1 or r == 0.5
    assert torch.equal(fires, cosine > r / (1 + r))
    assert threshold(r) == pytest.approx(r / (1 + r))


@pytest.mark.parametrize("r", [1.5, 4.0])
def test_response_to_what_was_learned_and_the_limit_of_fast_learning(r):
    c, x = falloff(3, 0.8), positive(1, 2, 3, 3)
    energy = v_cells(x, c).item() ** 2
    a, b = learned(x, c, 5.0)
    g = 5.0 * energy
    assert s_cells(x, a, b, c, selectivity=r).item() == pytest.approx(r * g / (1 + r + r * g))
    a, b = learned(x, c, 1e9)
    u = positive(500, 2, 3, 3, seed=1)
    cosine = (c / 2 * x * u).sum((1, 2, 3)) / (v_cells(x, c).flatten() * v_cells(u, c).flatten())
    limit = ((1 + r) * cosine - r).clamp_min(0)
    assert_close(s_cells(u, a, b, c, selectivity=r).flatten(), limit, rtol=1e-5, atol=1e-6)


def test_a_cell_that_learned_several_patterns_has_a_higher_threshold():
    c, r = falloff(3, 0.8), 1.5
    patterns, u = positive(5, 2, 3, 3) ** 2, positive(3000, 2, 3, 3, seed=1)
    a, b = learned(patterns, c, 3.0)
    total = patterns.sum(0, keepdim=True)
    together = v_cells(total, c).item() / sum(v_cells(one[None], c).item() for one in patterns)
    cosine = (c / 2 * total * u).sum((1, 2, 3)) / (v_cells(total, c).item() * v_cells(u, c).flatten())
    assert together < 1
    fires = s_cells(u, a, b, c, selectivity=r).flatten() > 0
    assert torch.equal(fires, cosine > threshold(r) / together)
    assert 0.05 < fires.double().mean() < 0.95
