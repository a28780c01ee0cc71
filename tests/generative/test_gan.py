"""The game's losses against closed forms, SciPy, torch and a search for the best discriminator."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import jensenshannon
from torch.testing import assert_close

from common import F64, noise
from dlbook.generative.gan import (
    discriminator_loss,
    jensen_shannon,
    minimax_loss,
    non_saturating_loss,
    optimal_discriminator,
    value,
)

LOSSES = [
    minimax_loss,
    non_saturating_loss,
    lambda fake: value(fake, fake),
    lambda fake: discriminator_loss(fake, fake),
]


def tables(*shape, seed=0):
    return noise(*shape, seed=seed).softmax(dim=-1), noise(*shape, seed=seed + 1).softmax(dim=-1)


def test_coins_by_hand():
    # gold and silver: 3/4, 1/4 among the real, 1/2, 1/2 among the forged
    p, q = torch.tensor([0.75, 0.25]), torch.tensor([0.5, 0.5])
    assert_close(optimal_discriminator(p, q), torch.tensor([3 / 5, 1 / 3]))


def test_a_numerical_search_finds_the_optimal_discriminator():
    p, q = tables(5)
    for one, other, best in zip(p, q, optimal_discriminator(p, q), strict=True):
        found = minimize_scalar(
            lambda d, a=one, b=other: -(a * math.log(d) + b * math.log(1 - d)).item(),
            bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-10},
        )  # fmt: skip
        assert math.isclose(found.x, best.item(), abs_tol=1e-6)


def test_the_optimal_discriminator_of_densities_far_from_one_and_of_impossible_outcomes():
    p, q = torch.tensor([30.0, 0.0, 2.0, 0.0]), torch.tensor([10.0, 5.0, 0.0, 0.0])
    assert_close(optimal_discriminator(p, q), torch.tensor([0.75, 0.0, 1.0, 0.5]))


def test_gradients_of_the_optimal_discriminator_are_finite_where_nothing_happens():
    p = torch.tensor([0.5, 0.0], requires_grad=True)
    optimal_discriminator(p, torch.tensor([0.5, 0.0])).sum().backward()
    assert p.grad.isfinite().all()


def test_matches_scipys_jensen_shannon_divergence():
    p, q = tables(3, 7)
    p = torch.cat([p, torch.eye(7, dtype=F64)[:2]])  # outcomes with probability zero, too
    q = torch.cat([q, torch.eye(7, dtype=F64)[1:3]])
    expected = np.array([jensenshannon(a, b) ** 2 for a, b in zip(p.numpy(), q.numpy(), strict=True)])
    assert_close(jensen_shannon(p, q), torch.from_numpy(expected), rtol=1e-10, atol=1e-12)


def test_theorem_1_the_best_value_is_minus_log_4_plus_twice_the_divergence():
    p, q = tables(11)
    best = optimal_discriminator(p, q)
    worth = (p * best.log()).sum() + (q * (1 - best).log()).sum()
    assert_close(worth, 2 * jensen_shannon(p, q) - math.log(4), rtol=1e-12, atol=1e-12)


def test_equation_1_by_hand():
    # D = 3/4 and 1/2 on real, 1/4 on the one generated example
    real, fake = torch.tensor([math.log(3), 0.0]), torch.tensor([-math.log(3)])
    expected = (math.log(3 / 4) + math.log(1 / 2)) / 2 + math.log(3 / 4)
    assert_close(value(real, fake), torch.tensor(expected))
    assert_close(discriminator_loss(real, fake), torch.tensor(-expected))
    assert_close(minimax_loss(fake), torch.tensor(math.log(3 / 4)))
    assert_close(non_saturating_loss(fake), torch.tensor(-math.log(1 / 4)))


def test_the_discriminators_loss_is_torchs_cross_entropy():
    real, fake = 3 * noise(7), 3 * noise(7, seed=1)
    logits, labels = torch.cat([real, fake]), torch.cat([torch.ones(7), torch.zeros(7)]).to(F64)
    assert_close(discriminator_loss(real, fake), 2 * F.binary_cross_entropy_with_logits(logits, labels))


def test_slopes_are_those_of_the_docstrings():
    fake = (2 * noise(5)).requires_grad_()
    d = fake.sigmoid().detach()
    assert_close(torch.autograd.grad(minimax_loss(fake), fake)[0], -d / 5)
    assert_close(torch.autograd.grad(non_saturating_loss(fake), fake)[0], -(1 - d) / 5)


def test_several_games_at_once_are_the_games_one_by_one():
    real, fake = noise(3, 5), noise(3, 7, seed=1)
    for loss in (value, discriminator_loss):
        assert_close(loss(real, fake), torch.stack([loss(a, b) for a, b in zip(real, fake, strict=True)]))
        assert_close(torch.func.vmap(loss)(real, fake), loss(real, fake))
    for loss in (minimax_loss, non_saturating_loss):
        assert_close(loss(fake), torch.stack([loss(b) for b in fake]))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_sure_answers_stay_finite_and_in_their_dtype(loss, size):
    for dtype in (torch.float32, torch.bfloat16, F64):
        fake = torch.full((3,), size, dtype=dtype, requires_grad=True)
        answer = loss(fake)
        answer.backward()
        assert answer.dtype == dtype
        assert answer.isfinite()
        assert fake.grad.isfinite().all()


@pytest.mark.parametrize("loss", [*LOSSES, lambda p: jensen_shannon(p, p), lambda p: optimal_discriminator(p, p)])
def test_compiles_whole_and_leaves_its_input(loss):
    x = noise(5).softmax(dim=-1)
    before = x.clone()
    assert_close(torch.compile(loss, fullgraph=True, backend="eager")(x), loss(x))
    assert torch.equal(x, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: value(torch.zeros(0), torch.zeros(2)), r"real is \(\.\.\., b\) .*found shape \(0,\)"),
        (lambda: value(torch.zeros(2), torch.zeros(0)), r"fake is \(\.\.\., b\) .*found shape \(0,\)"),
        (lambda: minimax_loss(torch.zeros(0)), r"fake is \(\.\.\., b\)"),
        (lambda: minimax_loss(torch.tensor(0.0)), r"fake is .*found shape \(\)"),
        (lambda: non_saturating_loss(torch.zeros(0)), r"fake is \(\.\.\., b\)"),
        (lambda: value(torch.ones(2, dtype=torch.uint8), torch.zeros(2)), "real holds logits.*uint8"),
        (lambda: non_saturating_loss(torch.ones(2, dtype=torch.int64)), "fake holds logits.*int64"),
        (
            lambda: optimal_discriminator(torch.zeros(2), torch.zeros(2, 1)),
            r"q has the shape of p, \(2,\), found \(2, 1\)",
        ),
        (lambda: optimal_discriminator(torch.ones(2), torch.ones(2, dtype=torch.int64)), "p and q are floats.*int64"),
        (lambda: optimal_discriminator(torch.ones(2, dtype=torch.int64), torch.ones(2)), "p and q are floats.*int64"),
        (lambda: jensen_shannon(torch.ones(2), torch.ones(1)), r"q has the shape of p, \(2,\), found \(1,\)"),
        (lambda: jensen_shannon(torch.ones(0), torch.ones(0)), r"p is \(\.\.\., k\) with all sizes at least 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
