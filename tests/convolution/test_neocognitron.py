"""Gabor cells against scikit-image and closed forms, the Neocognitron against loops, its theorem and its symmetries."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage.filters import gabor_kernel
from torch.testing import assert_close

from common import F64, stream
from dlbook.convolution.neocognitron import (
    Neocognitron,
    Stage,
    c_cells,
    complex_cells,
    falloff,
    gabor,
    gabor_bank,
    name_planes,
    read,
    representatives,
    s_cells,
    simple_cells,
    threshold,
    v_cells,
)
from dlbook.data import mnist


def positive(*shape, seed=0):
    return torch.rand(*shape, generator=stream(seed), dtype=F64)


def grating(size, orientation, wavelength, phase):
    place = np.arange(size) - size // 2
    y, x = np.meshgrid(place, place, indexing="ij")
    k = 2 * np.pi / wavelength
    return torch.tensor(np.cos(k * (x * np.cos(orientation) + y * np.sin(orientation)) + phase))


# Simple and complex cells


@pytest.mark.parametrize(("orientation", "phase", "aspect"), [(0.0, 0.0, 1.0), (0.7, 1.1, 0.6), (2.3, -0.4, 1.7)])
def test_gabor_is_scikit_images(orientation, phase, aspect):
    wavelength, width = 7.3, 2.9
    theirs = gabor_kernel(
        1 / wavelength, theta=orientation, sigma_x=width, sigma_y=width / aspect, n_stds=4, offset=phase
    ).real
    half = theirs.shape[0] // 2, theirs.shape[1] // 2
    size = 2 * max(half) + 1
    ours = gabor(size, orientation=orientation, wavelength=wavelength, width=width, phase=phase, aspect=aspect)
    inner = ours[size // 2 - half[0] : size // 2 + half[0] + 1, size // 2 - half[1] : size // 2 + half[1] + 1]
    assert_close(inner, torch.tensor(theirs, dtype=F64), rtol=1e-9, atol=1e-12)


def envelope(kx, ky, orientation, width, aspect):
    """Fourier transform of the Gaussian, at a wave vector."""
    along = kx * math.cos(orientation) + ky * math.sin(orientation)
    across = ky * math.cos(orientation) - kx * math.sin(orientation)
    return math.exp(-((along * width) ** 2 + (across * width / aspect) ** 2) / 2)


@pytest.mark.parametrize("turn", [0.0, 0.2, 0.9, math.pi / 2])
@pytest.mark.parametrize("phase", [0.0, 0.8, 4.0])  # at the last one the odd kernel answers below zero
def test_tuning_of_simple_and_complex_cells_is_the_closed_form(turn, phase):
    wavelength, width, aspect, size = 9.0, 3.1, 0.7, 61
    options = {"wavelength": wavelength, "width": width, "aspect": aspect}
    even, odd = gabor(size, orientation=0.4, **options), gabor(size, orientation=0.4, phase=math.pi / 2, **options)
    image = grating(size, 0.4 + turn, wavelength, phase)[None, None]
    k0 = 2 * math.pi / wavelength * np.array([math.cos(0.4), math.sin(0.4)])
    k = 2 * math.pi / wavelength * np.array([math.cos(0.4 + turn), math.sin(0.4 + turn)])
    near, far = envelope(*(k0 - k), 0.4, width, aspect), envelope(*(k0 + k), 0.4, width, aspect)
    expected = [(near * math.cos(f - phase) + far * math.cos(f + phase)) / 2 for f in (0, math.pi / 2)]
    responses = simple_cells(image, torch.stack([even, odd]))[0, :, 0, 0]
    assert_close(responses, torch.tensor(expected, dtype=F64).clamp_min(0), rtol=1e-6, atol=1e-9)
    cell = complex_cells(image, even[None], odd[None]).item()
    assert cell == pytest.approx(math.hypot(*expected), abs=1e-8)
    assert cell == pytest.approx(math.sqrt(near**2 + far**2 + 2 * near * far * math.cos(2 * phase)) / 2, abs=1e-8)


def test_a_bank_is_gabors_at_even_turns():
    bank = gabor_bank(11, 3, wavelength=5.0, width=2.0, aspect=0.5)
    assert bank.shape == (3, 2, 11, 11)
    for i in range(3):
        for j in range(2):
            one = gabor(11, orientation=i * math.pi / 3, wavelength=5.0, width=2.0, aspect=0.5, phase=j * math.pi / 2)
            assert torch.equal(bank[i, j], one)


def test_simple_cells_are_a_loop():
    images, kernels = positive(2, 1, 7, 5), positive(3, 2, 3, seed=1) - 0.5
    out = simple_cells(images, kernels)
    assert out.shape == (2, 3, 6, 3)
    for n, k, y, x in np.ndindex(*out.shape):
        sums = (images[n, 0, y : y + 2, x : x + 3] * kernels[k]).sum()
        assert out[n, k, y, x].item() == pytest.approx(max(0.0, sums.item()))


# Cells of the Neocognitron


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


# The theorem: an S-cell compares a cosine with r / (1 + r)


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


# Who learns


def winners_by_loop(s, column):
    """Return the representatives by the paper's words."""
    k, h, w = s.shape
    candidates = set()
    for y in range(h - column + 1):
        for x in range(w - column + 1):
            cells = [
                (s[p, y + i, x + j].item(), p, y + i, x + j)
                for p in range(k)
                for i in range(column)
                for j in range(column)
            ]
            best = max(cells)
            if best[0] > 0:
                candidates.add(best)
    chosen = {}
    for _, p, y, x in sorted(candidates, reverse=True):
        chosen.setdefault(p, (y, x))
    return chosen


@pytest.mark.parametrize("column", [1, 2, 3, 5])
def test_representatives_are_the_papers_words(column):
    s = (positive(5, 7, 6, seed=column) - 0.4).clamp_min(0)
    found = representatives(s, column)
    ours = {p: (y, x) for p, y, x in zip(*(part.tolist() for part in found), strict=True)}
    assert ours == winners_by_loop(s, column)
    strengths = s[found.plane, found.row, found.column]
    assert (strengths.diff() <= 0).all()


def test_nobody_learns_from_blank_paper():
    stage = Stage(1, 4, field=3, padding=1, column=2, generator=stream())
    before = copy.deepcopy(stage.state_dict())
    assert len(stage.reinforce(torch.zeros(1, 1, 6, 6)).plane) == 0
    assert all(torch.equal(value, before[key]) for key, value in stage.state_dict().items())


def test_reinforcement_adds_what_the_winner_saw():
    stage = Stage(2, 5, field=3, padding=1, selectivity=2.0, speed=3.0, column=2, generator=stream(), dtype=F64)
    u = positive(1, 2, 7, 7, seed=4)
    stage.reinforce(positive(1, 2, 7, 7, seed=3))
    a, b = stage.excite.clone(), stage.inhibit.clone()
    s = stage.s_layer(u)[0]
    found = winners_by_loop(s, 2)
    stage.reinforce(u)
    padded, c = F.pad(u, [1] * 4)[0], falloff(3, 0.9)
    for p in range(5):
        if p not in found:
            assert torch.equal(stage.excite[p], a[p])
            continue
        y, x = found[p]
        window = padded[:, y : y + 3, x : x + 3]
        assert_close(stage.excite[p] - a[p], 3 * c / 2 * window)
        assert stage.inhibit[p].item() - b[p].item() == pytest.approx(1.5 * (c / 2 * window**2).sum().sqrt().item())
    assert 1 < len(found) < 5 or len(found) == 5
    assert stage.wins.sum() >= len(found)


# The network


@pytest.fixture(scope="module")
def model():
    """Return a Neocognitron that saw two hundred digits, in float64."""
    images = mnist().x_train[:200].double() / 255
    return Neocognitron((7, 11, 13), generator=stream(), dtype=F64).learn(images, (50, 100, 200))


@pytest.fixture(scope="module")
def digits():
    return mnist().x_test[:20].double() / 255


def test_the_network_is_its_cells_in_a_row(model, digits):
    u = digits
    for stage in model.stages[:2]:
        settings = {"selectivity": stage.selectivity, "padding": 2}
        s = s_cells(u, stage.excite, stage.inhibit, falloff(5, 0.9), **settings)
        u = c_cells(s, falloff(5, 0.9), saturation=0.1, stride=2, padding=2)
    last = model.stages[2]
    s = s_cells(u, last.excite, last.inhibit, falloff(7, 0.9), selectivity=2.5)
    assert u.shape[2:] == (7, 7)
    assert [stage.selectivity for stage in model.stages] == [2.5, 1.5, 2.5]
    assert_close(model(digits), s.amax((2, 3)))


def test_planes_of_the_first_layer_move_with_the_image(model, digits):
    wide = F.pad(digits, [8] * 4)
    there, moved = (model.stages[0].s_layer(x) for x in (wide, torch.roll(wide, (3, -2), (2, 3))))
    assert there.amax() > 0.3
    assert_close(torch.roll(there, (3, -2), (2, 3)), moved)


def test_a_shift_by_the_product_of_the_strides_changes_nothing(model, digits):
    wide = F.pad(digits, [24] * 4)
    still = model(wide)
    assert still.amax() > 0.2
    for shift in ((4, 0), (0, -4), (-8, 8)):
        assert_close(model(torch.roll(wide, shift, (2, 3))), still)
    assert not torch.allclose(model(torch.roll(wide, (2, 0), (2, 3))), still)


def test_learning_is_each_stage_after_the_ones_before(digits):
    model, other = (Neocognitron((3, 5, 7), generator=stream(), dtype=F64) for _ in range(2))
    assert model.learn(digits, (5, 9, 13)) is model
    for one in digits[:5].split(1):
        other.stages[0].reinforce(one)
    for one in digits[:9].split(1):
        other.stages[1].reinforce(other.stages[0](one))
    for one in digits[:13].split(1):
        other.stages[2].reinforce(other.stages[1](other.stages[0](one)))
    for key, value in other.state_dict().items():
        assert_close(model.state_dict()[key], value)
    assert 5 < model.stages[2].wins.sum() <= 13  # at most one winner an image; some images are silent


def test_same_seed_same_network_and_no_other_stream_is_touched():
    state = torch.get_rng_state()
    one, two = (Neocognitron((3, 5, 7), generator=stream(5)).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert torch.equal(torch.get_rng_state(), state)


def test_names_are_majorities_and_reading_follows_them():
    generator = np.random.default_rng(0)
    responses = torch.tensor(np.where(generator.random((97, 11)) < 0.3, generator.random((97, 11)), 0))
    responses[:, 4] = 0
    responses[:3] = 0
    labels = torch.tensor(generator.integers(0, 10, 97))
    names = name_planes(responses, labels)
    for k in range(11):
        won = [labels[i].item() for i in range(97) if responses[i].max() > 0 and responses[i].argmax() == k]
        counts = np.bincount(won, minlength=10)
        assert names[k] == (counts.argmax() if len(won) else -1)
    answers = read(responses, names)
    assert names[4] == -1
    assert (answers[:3] == -1).all()
    named = [k for k in range(11) if names[k] >= 0]
    for i in range(97):
        best = max(named, key=lambda k: responses[i, k])
        assert answers[i] == (names[best] if responses[i, best] > 0 else -1)
    loud = responses.clone()
    loud[:, 4] = 5  # the plane without a name is not heard
    assert torch.equal(read(loud, names), answers)


def test_bad_input_is_refused():
    model = Neocognitron((2, 2, 2))
    u = torch.rand(1, 2, 5, 5)
    for call in (
        lambda: gabor(4, orientation=0, wavelength=3, width=1),
        lambda: gabor(5, orientation=0, wavelength=0, width=1),
        lambda: gabor_bank(5, 0, wavelength=3, width=1),
        lambda: simple_cells(u, torch.zeros(1, 3, 3)),
        lambda: complex_cells(u[:, :1], torch.zeros(1, 3, 3), torch.zeros(2, 3, 3)),
        lambda: falloff(3, 1.5),
        lambda: threshold(0),
        lambda: v_cells(u[0], torch.ones(3, 3)),
        lambda: s_cells(u, torch.zeros(3, 1, 3, 3), torch.zeros(3), torch.ones(3, 3), selectivity=1),
        lambda: s_cells(u, torch.zeros(3, 2, 3, 3), torch.zeros(2), torch.ones(3, 3), selectivity=1),
        lambda: s_cells(u, torch.zeros(3, 2, 3, 3), torch.zeros(3), torch.ones(3, 3), selectivity=-1),
        lambda: c_cells(u, torch.ones(3, 3), saturation=0),
        lambda: representatives(u[0], 6),
        lambda: Stage(1, 0),
        lambda: Stage(1, 3, selectivity=0),
        lambda: Stage(2, 3).reinforce(u.repeat(2, 1, 1, 1)),
        lambda: Neocognitron((2, 2)),
        lambda: model.learn(torch.zeros(3, 1, 28, 28), (1, 2, 4)),
        lambda: name_planes(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long)),
        lambda: name_planes(torch.zeros(1, 2), torch.tensor([10])),
        lambda: read(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long)),
    ):
        with pytest.raises(ValueError, match="found"):
            call()
