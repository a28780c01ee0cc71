"""Dropout, against torch.nn.Dropout, exact enumeration, closed forms, binomial bounds and finite differences."""

import copy
import io
import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, vmap
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.checkpoint import generators
from dlbook.regularization.dropout import (
    Dropout,
    all_masks,
    average_over_masks,
    dropout,
    mask_probabilities,
    quadratic_penalty,
)

EXACT = {"rtol": 1e-12, "atol": 1e-13}
PROBABILITIES = (0.1, 0.25, 0.5, 0.8)


# --- the function


@pytest.mark.parametrize("p", PROBABILITIES)
def test_share_dropped_is_p_within_five_binomial_deviations(p: float):
    n = 101 * 997
    dropped = (dropout(torch.ones(101, 997), p, generator=stream()) == 0).sum().item()
    assert abs(dropped - p * n) < 5 * math.sqrt(n * p * (1 - p))


@pytest.mark.parametrize("p", PROBABILITIES)
def test_what_is_kept_is_divided_by_the_share_that_is_kept(p: float):
    x = noise(7, 11)
    y = dropout(x, p, generator=stream())
    kept = y != 0
    assert kept.any()
    assert not kept.all()
    assert_close(y[kept], x[kept] / (1 - p), **EXACT)


def test_p_is_the_probability_of_dropping_as_in_torch_and_not_that_of_the_paper():
    for kept in (dropout(torch.ones(10_007), 0.8, generator=stream()), F.dropout(torch.ones(10_007), 0.8)):
        assert abs((kept != 0).float().mean().item() - 0.2) < 0.02
        assert_close(kept.max().item(), 5.0, rtol=1e-6, atol=0)


def test_units_are_dropped_independently_of_their_neighbors():
    mask = (dropout(torch.ones(20_011, 3), 0.3, generator=stream()) != 0).double()
    covariance = torch.cov(mask.T)
    assert_close(covariance, 0.21 * torch.eye(3, dtype=F64), rtol=0, atol=5 * 0.21 / math.sqrt(20_011))


def test_gradient_is_the_mask_with_its_scale():
    x = noise(7, 11).requires_grad_()
    y = dropout(x, 0.3, generator=stream(5))
    y.sum().backward()
    mask = dropout(torch.ones(7, 11, dtype=F64), 0.3, generator=stream(5))
    assert_close(x.grad, mask, **EXACT)
    assert_close(y.detach(), x.detach() * mask, **EXACT)


def test_gradient_agrees_with_finite_differences():
    assert torch.autograd.gradcheck(lambda x: dropout(x, 0.3, generator=stream(3)) ** 2, noise(3, 5).requires_grad_())


def test_same_seed_same_mask_and_the_stream_moves_on():
    generator = stream(2)
    first, second = (dropout(torch.ones(211), 0.5, generator=generator) for _ in range(2))
    assert torch.equal(first, dropout(torch.ones(211), 0.5, generator=stream(2)))
    assert not torch.equal(first, second)


def test_without_a_generator_the_numbers_are_those_of_torch():
    x = noise(7, 11)
    torch.manual_seed(3)
    ours = dropout(x, 0.3, generator=None)
    torch.manual_seed(3)
    assert torch.equal(ours, F.dropout(x, 0.3))


def test_a_generator_leaves_the_global_stream_alone():
    before = torch.get_rng_state()
    dropout(torch.ones(7), 0.5, generator=stream())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("generator", [None, stream()], ids=["global", "own"])
def test_evaluation_and_p_of_zero_are_the_identity_and_p_of_one_is_zero(generator: torch.Generator | None):
    x = noise(5, 3)
    assert torch.equal(dropout(x, 0.7, False, generator=generator), x)
    assert torch.equal(dropout(x, 0.0, generator=generator), x)
    assert torch.equal(dropout(x, 1.0, generator=generator), torch.zeros(5, 3, dtype=F64))


def test_in_place_writes_into_its_argument_and_else_leaves_it():
    x = noise(7, 11)
    kept = x.clone()
    y = dropout(x, 0.5, generator=stream(1))
    assert torch.equal(x, kept)
    z = dropout(x, 0.5, inplace=True, generator=stream(1))
    assert z.data_ptr() == x.data_ptr()
    assert torch.equal(x, y)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_rejects_what_is_no_probability(p: float):
    calls = (
        lambda: Dropout(p),
        lambda: dropout(torch.ones(3), p, generator=stream()),
        lambda: mask_probabilities(all_masks(3), p),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"p is a probability of dropping in \[0, 1\]"):
            call()


# --- the layer


def test_layer_gives_the_numbers_of_torch_nn_dropout_in_both_modes():
    ours, theirs, x = Dropout(0.3), nn.Dropout(0.3), noise(7, 11)
    torch.manual_seed(5)
    first = ours(x)
    torch.manual_seed(5)
    assert torch.equal(first, theirs(x))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert repr(ours) == repr(theirs)


def test_layer_draws_from_its_own_generator_anew_at_each_call():
    layer = Dropout(0.5, generator=stream(4))
    x = torch.ones(3, 101)
    assert torch.equal(layer(x), dropout(x, 0.5, generator=stream(4)))
    assert not torch.equal(layer(x), layer(x))


def test_deep_copy_and_checkpoint_carry_the_stream():
    layer = nn.Sequential(Dropout(0.5, generator=stream(4)))
    layer(torch.ones(7))
    twin = copy.deepcopy(layer)
    assert list(generators(layer)) == ["0.generator"]
    assert generators(twin)["0.generator"] is not generators(layer)["0.generator"]
    assert torch.equal(twin(torch.ones(211)), layer(torch.ones(211)))


def test_state_dict_is_empty_like_torch_s_and_saves():
    file = io.BytesIO()
    torch.save(Dropout(0.3, generator=stream()).state_dict(), file)
    file.seek(0)
    assert torch.load(file, weights_only=True) == nn.Dropout(0.3).state_dict() == {}


def test_layer_in_place():
    x = torch.ones(211)
    assert Dropout(0.5, inplace=True, generator=stream())(x).data_ptr() == x.data_ptr()


def test_compiles_and_works_under_functional_call_meta_and_bfloat16():
    layer = Dropout(0.25)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")(torch.ones(10_007))
    assert abs((compiled == 0).float().mean().item() - 0.25) < 0.03
    own = Dropout(0.25, generator=stream(1))
    assert torch.equal(functional_call(own, {}, torch.ones(31)), dropout(torch.ones(31), 0.25, generator=stream(1)))
    assert own(torch.ones(3, 5, device="meta")).shape == (3, 5)
    assert own(torch.ones(97, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("generator", [None, stream(6)], ids=["global", "own"])
def test_vmap_draws_a_mask_for_each_example(generator: torch.Generator | None):
    rows = vmap(Dropout(0.5, generator=generator), randomness="different")(torch.ones(5, 101))
    assert len({tuple(row.tolist()) for row in rows}) == 5


# --- all masks


def test_all_masks_are_the_subsets_of_the_units():
    masks = all_masks(5, dtype=F64)
    assert {tuple(map(int, row)) for row in masks.tolist()} == set(product((0, 1), repeat=5))
    assert masks.shape == (32, 5)
    assert masks.dtype == F64
    assert all_masks(2, device="meta").is_meta


@pytest.mark.parametrize("n", [0, 21])
def test_rejects_too_few_or_too_many_units(n: int):
    with pytest.raises(ValueError, match=f"between 1 and 20.*found {n}"):
        all_masks(n)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_probabilities_of_masks_are_binomial(p: float):
    masks = all_masks(7, dtype=F64)
    shares = mask_probabilities(masks, p)
    for kept in range(8):
        found = shares[masks.sum(dim=1) == kept].sum().item()
        assert math.isclose(found, math.comb(7, kept) * (1 - p) ** kept * p ** (7 - kept), rel_tol=1e-12)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_average_of_a_linear_layer_is_the_layer(p: float):
    layer, h = nn.Linear(11, 3, dtype=F64), noise(5, 11)
    assert_close(average_over_masks(layer, h, p, chunk=97), layer(h), **EXACT)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_average_of_squares_is_the_square_and_the_variance_of_the_noise(p: float):
    h, w = noise(3, 7), noise(7, seed=1)
    found = average_over_masks(lambda h: (h @ w).square()[..., None], h, p)[:, 0]
    assert_close(found, (h @ w) ** 2 + p / (1 - p) * (h**2 @ w**2), **EXACT)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_renormalized_geometric_mean_of_a_softmax_is_the_softmax(p: float):
    layer, h = nn.Linear(7, 5, dtype=F64), noise(3, 7)
    found = average_over_masks(lambda h: layer(h).log_softmax(dim=-1), h, p).softmax(dim=-1)
    assert_close(found, layer(h).softmax(dim=-1), **EXACT)


def test_average_of_a_rectifier_agrees_with_a_loop_over_thinned_networks():
    h, w, p = noise(2, 3), noise(3, seed=1), 0.25
    expected = torch.zeros(2, dtype=F64)
    for kept in product((0, 1), repeat=3):
        share = math.prod(1 - p if k else p for k in kept)
        score = sum(w[i] * h[:, i] / (1 - p) for i in range(3) if kept[i])
        expected += share * torch.as_tensor(score, dtype=F64).clamp(min=0)
    assert_close(average_over_masks(lambda h: (h @ w).relu()[..., None], h, p)[:, 0], expected, **EXACT)


def test_average_over_masks_has_gradients():
    w = noise(5, seed=1)
    h = noise(2, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: average_over_masks(lambda h: (h * w).tanh(), h, 0.3), h)


def test_average_and_penalty_reject_what_they_cannot_divide_by():
    for p in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"dropping in \[0, 1\), found"):
            average_over_masks(lambda h: h, noise(2, 3), p)
        with pytest.raises(ValueError, match=r"dropping in \[0, 1\), found"):
            quadratic_penalty(noise(2, 3), noise(3), noise(2), p)
    with pytest.raises(ValueError, match=r"h is \(b, n\)"):
        average_over_masks(lambda h: h, noise(3))


# --- the penalty


@pytest.mark.parametrize("p", PROBABILITIES)
def test_penalty_of_squared_errors_is_exact(p: float):
    x, w, y = noise(5, 7), noise(7, seed=1), noise(5, seed=2)
    noisy = average_over_masks(lambda x: (x @ w - y).square()[..., None], x, p).mean()
    penalty = quadratic_penalty(x, w, torch.full((5,), 2.0, dtype=F64), p)
    assert_close(noisy, (x @ w - y).square().mean() + penalty, **EXACT)


def test_penalty_of_the_logistic_loss_is_the_first_term_of_its_series():
    x, w, sign = noise(5, 7), noise(7, seed=1), noise(5, seed=2).sign()

    def gap(size: float) -> float:
        loss = average_over_masks(lambda x: F.softplus(-sign * (x @ (size * w)))[..., None], x, 0.25).mean()
        chance = (x @ (size * w)).sigmoid()
        penalty = quadratic_penalty(x, size * w, chance * (1 - chance), 0.25)
        return ((loss - F.softplus(-sign * (x @ (size * w))).mean() - penalty) / penalty).item()

    assert abs(gap(0.1)) < 0.05
    assert abs(gap(0.01)) < abs(gap(0.1)) / 3  # what is left out is of higher order


def test_penalty_checks_its_shapes():
    with pytest.raises(ValueError, match=r"weight is \(7,\)"):
        quadratic_penalty(noise(5, 7), noise(5), noise(5))
    with pytest.raises(ValueError, match=r"curvature is \(5,\)"):
        quadratic_penalty(noise(5, 7), noise(7), noise(7))


def test_masks_have_two_axes():
    with pytest.raises(ValueError, match=r"masks is \(m, n\)"):
        mask_probabilities(torch.ones(2, 3, 2))
