"""Gabor cells against scikit-image and closed forms, the Neocognitron against loops, its theorem and its symmetries."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, stream
from dlbook.convolution.cells import c_cells, falloff, s_cells, threshold, v_cells
from dlbook.convolution.gabor import complex_cells, gabor, gabor_bank, simple_cells
from dlbook.convolution.neocognitron import Neocognitron, Stage, name_planes, read, representatives
from dlbook.data import mnist


def positive(*shape, seed=0):
    return torch.rand(*shape, generator=stream(seed), dtype=F64)


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
