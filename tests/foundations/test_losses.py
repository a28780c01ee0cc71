"""Losses against torch's where it has them, against closed forms and laws where it does not."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss
from torch import Generator
from torch.nn import functional as F
from torch.testing import assert_close

from dlbook.foundations import losses

G = Generator().manual_seed(0)
SCORE = 3 * torch.randn(11, generator=G, dtype=torch.float64)
SIGN = torch.randint(0, 2, (11,), generator=G) * 2 - 1
SCORES = 3 * torch.randn(11, 5, generator=G, dtype=torch.float64)
CLASS = torch.randint(0, 5, (11,), generator=G)
EXACT = {"rtol": 1e-13, "atol": 1e-13}
REDUCTIONS = ["mean", "sum", "none"]

numbers = st.lists(st.floats(-50, 50), min_size=1, max_size=9)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_binary_nll_is_torchs_in_both_codings(reduction):
    ours = losses.binary_nll(SCORE, SIGN, reduction=reduction)
    assert_close(ours, F.soft_margin_loss(SCORE, SIGN.double(), reduction=reduction), **EXACT)
    zero_one = (SIGN + 1) // 2
    theirs = F.binary_cross_entropy_with_logits(SCORE, zero_one.double(), reduction=reduction)
    assert_close(losses.binary_nll(SCORE, zero_one, coding="01", reduction=reduction), theirs, **EXACT)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_is_torchs_and_the_formula(reduction):
    ours = losses.cross_entropy(SCORES, CLASS, reduction=reduction)
    assert_close(ours, F.cross_entropy(SCORES, CLASS, reduction=reduction), **EXACT)
    formula = -SCORES[torch.arange(11), CLASS] + SCORES.exp().sum(dim=1).log()
    assert_close(losses.cross_entropy(SCORES, CLASS, reduction="none"), formula, **EXACT)


def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot():
    score = SCORES.clone().requires_grad_()
    losses.cross_entropy(score, CLASS, reduction="sum").backward()
    assert_close(score.grad, SCORES.softmax(dim=1) - F.one_hot(CLASS, 5), **EXACT)


def test_hinge_by_hand_and_its_codings_agree():
    # 1 - 2 < 0; 1 - 0.5; 1 + 1; target -1: 1 + 2; 1 - 3 < 0
    score, target = torch.tensor([2.0, 0.5, -1.0, 2.0, -3.0]), torch.tensor([1, 1, 1, -1, -1])
    assert_close(losses.hinge(score, target, reduction="none"), torch.tensor([0, 0.5, 2, 3, 0]))
    assert_close(losses.hinge(score, (target + 1) // 2, coding="01"), losses.hinge(score, target))


def test_multiclass_hinge_is_crammer_and_singers_and_not_torchs():
    # right class 0: 1 - 0 + 2 = 3. Weston and Watkins: (max(0, 1+2) + max(0, 1+1.5) + max(0, 1-5)) / 4 = 1.375
    score, target = torch.tensor([[0.0, 2.0, 1.5, -5.0]]), torch.tensor([0])
    assert losses.multiclass_hinge(score, target).item() == 3
    assert F.multi_margin_loss(score, target).item() == 1.375


def test_hinges_are_scikit_learns():
    every = torch.cat([CLASS, torch.arange(5)])  # scikit-learn reads the classes off the targets
    scores = torch.cat([SCORES, SCORES[:5]])
    ours = losses.multiclass_hinge(scores, every)
    assert ours.item() == pytest.approx(hinge_loss(every.numpy(), scores.numpy()), rel=1e-12)
    assert losses.hinge(SCORE, SIGN).item() == pytest.approx(hinge_loss(SIGN.numpy(), SCORE.numpy()), rel=1e-12)


def test_multiclass_hinge_equals_the_definition_written_out():
    for margin in (0.0, 1.0, 2.5):
        expected = [
            max(0.0, margin - row[t].item() + max(v.item() for j, v in enumerate(row) if j != t))
            for row, t in zip(SCORES, CLASS.tolist(), strict=True)
        ]
        ours = losses.multiclass_hinge(SCORES, CLASS, margin=margin, reduction="none")
        assert_close(ours, torch.tensor(expected, dtype=torch.float64), **EXACT)


def test_with_two_classes_the_multiclass_forms_are_the_binary_ones():
    two = SCORES[:, :2]
    difference, sign = two[:, 1] - two[:, 0], 2 * (CLASS % 2) - 1
    assert_close(losses.multiclass_hinge(two, CLASS % 2), losses.hinge(difference, sign), **EXACT)
    assert_close(losses.cross_entropy(two, CLASS % 2), losses.binary_nll(difference, sign), **EXACT)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_regression_losses_are_torchs(reduction):
    target = SCORES.roll(1, 0)
    assert_close(
        losses.squared_error(SCORES, target, reduction=reduction), F.mse_loss(SCORES, target, reduction=reduction)
    )
    assert_close(
        losses.absolute_error(SCORES, target, reduction=reduction), F.l1_loss(SCORES, target, reduction=reduction)
    )


@settings(deadline=None, max_examples=50, derandomize=True)
@given(numbers)
def test_the_best_constant_is_the_mean_for_squares_and_a_median_for_absolutes(values):
    data = torch.tensor(values, dtype=torch.float64)
    for loss, best in ((losses.squared_error, data.mean()), (losses.absolute_error, data.median())):
        least = loss(best.expand_as(data), data)
        for step in (-1.0, -1e-3, 1e-3, 1.0):
            assert loss((best + step).expand_as(data), data) >= least - 1e-12


@settings(deadline=None, max_examples=50, derandomize=True)
@given(numbers, st.floats(-30, 30))
def test_surrogates_bound_the_error_and_scores_may_be_shifted(values, shift):
    score = torch.tensor(values, dtype=torch.float64)
    sign = torch.where(torch.arange(len(values)) % 2 == 0, 1, -1)
    wrong = (losses.predict_binary(score) != sign).double()
    assert (losses.hinge(score, sign, reduction="none") >= wrong).all()
    assert (losses.binary_nll(score, sign, reduction="none") / math.log(2) >= wrong - 1e-12).all()
    if len(values) >= 2:
        row, target = score[None], torch.tensor([0])
        for loss in (losses.cross_entropy, losses.multiclass_hinge):
            assert_close(loss(row + shift, target), loss(row, target), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nothing_overflows_at_a_thousand(dtype):
    big = torch.tensor([1000.0, -1000.0], dtype=dtype)
    assert losses.binary_nll(big, torch.tensor([-1, 1]), reduction="none").tolist() == [1000, 1000]
    assert losses.predict_probability(big).tolist() == [1, 0]
    assert losses.cross_entropy(big[None], torch.tensor([1])).item() == 2000
    assert losses.binary_nll(big, torch.tensor([1, 1])).dtype == dtype


def test_predictions():
    assert losses.predict_binary(torch.tensor([-0.1, 0.0, 0.1])).tolist() == [-1, 1, 1]
    assert_close(losses.predict_probability(SCORE), SCORE.exp() / (1 + SCORE.exp()), **EXACT)


@pytest.mark.parametrize("loss", [losses.hinge, losses.binary_nll])
def test_hand_written_gradients_pass_central_differences(loss):
    score = (SCORE + 0.013).requires_grad_()  # off the kink
    assert torch.autograd.gradcheck(lambda s: loss(s, SIGN), (score,))


BINARY = [losses.hinge, losses.binary_nll]
REGRESSION = [losses.squared_error, losses.absolute_error]
OF_CLASSES = [losses.cross_entropy, losses.multiclass_hinge]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int64, torch.bool, torch.float32])
@pytest.mark.parametrize("loss", BINARY)
def test_targets_of_any_dtype_mean_the_same_and_do_not_wrap(loss, dtype):
    bits = (SIGN + 1) // 2
    assert_close(loss(SCORE, bits.to(dtype), coding="01"), loss(SCORE, SIGN), **EXACT)
    # 1 - (-1) * 2 = 3; in bytes 2 * 0 - 1 is 255
    assert losses.hinge(torch.tensor([2.0]), torch.tensor([0], dtype=torch.uint8), coding="01").item() == 3


@pytest.mark.parametrize("loss", REGRESSION)
def test_whole_numbers_are_targets_too(loss):
    score = torch.tensor([0.0, 300.0])
    assert_close(loss(score, torch.tensor([255, 0], dtype=torch.uint8)), loss(score, torch.tensor([255.0, 0.0])))


def test_nan_stays_nan_and_is_never_hidden():
    spoiled = SCORE.clone()
    spoiled[7] = math.nan
    for loss in BINARY:
        assert loss(spoiled, SIGN).isnan()
        assert loss(spoiled, SIGN, reduction="none").isnan().nonzero().tolist() == [[7]]
    rows = SCORES.clone()
    rows[3, 2] = math.nan
    for loss in OF_CLASSES:
        assert loss(rows, CLASS, reduction="none").isnan().nonzero().tolist() == [[3]]


@pytest.mark.parametrize("loss", BINARY + REGRESSION + OF_CLASSES)
def test_every_loss_compiles_whole_and_maps_over_a_batch_of_problems(loss):
    score, target = (SCORES, CLASS) if loss in OF_CLASSES else (SCORE, SIGN if loss in BINARY else SCORE.roll(1))
    whole = torch.compile(loss, fullgraph=True, backend="eager")
    assert_close(whole(score, target), loss(score, target), **EXACT)
    many = torch.stack([score, 2 * score])
    each = torch.func.vmap(loss, in_dims=(0, None))(many, target)
    assert_close(each, torch.stack([loss(score, target), loss(2 * score, target)]), **EXACT)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: losses.hinge(SCORE, SIGN[:5]), r"found \(11,\) and \(5,\)"),
        (lambda: losses.hinge(SCORE[:0], SIGN[:0]), r"at least one element"),
        (lambda: losses.binary_nll(SCORE, SIGN, coding="±1"), "coding is"),
        (lambda: losses.binary_nll(SIGN, SIGN), "scores are floats, found torch.int64"),
        (lambda: losses.hinge(SCORE, SIGN, coding="±1"), "coding is"),
        (lambda: losses.hinge(SCORE, SIGN, reduction="median"), "found 'median'"),
        (lambda: losses.squared_error(SCORE, SCORE, reduction="median"), "found 'median'"),
        (lambda: losses.cross_entropy(SCORES, CLASS, reduction="median"), "found 'median'"),
        (lambda: losses.cross_entropy(SCORES, CLASS.double()), "int64, found torch.float64"),
        (lambda: losses.cross_entropy(SCORES[:, :1], CLASS), "at least two classes, found"),
        (lambda: losses.multiclass_hinge(SCORES, CLASS[:, None]), r"target is \(11,\), found shape \(11, 1\)"),
        (lambda: losses.multiclass_hinge(SCORES, CLASS, margin=-1), "found -1"),
        (lambda: losses.squared_error(SCORES, SCORES[:, :1]), "one shape"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
