"""Adaptive linear prediction against SciPy's filters, NumPy's least squares, and signals that obey a recursion."""

import math

import numpy as np
import pytest
import torch
from scipy import signal
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative import linear_prediction
from dlbook.generative.linear_prediction import (
    blend_log_prob,
    lagged,
    leaky_sum,
    predict,
    predictors,
    running_error,
    solve_predictor,
)
from dlbook.generative.logistic import bin_log_prob
from dlbook.generative.mu_law import decode


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 200])
def test_leaky_sum_is_scipys_recursive_filter(length):
    x = noise(2, 3, length)
    expected = signal.lfilter([1], [1, -0.9], x.numpy()) if length else x.numpy()
    assert_close(leaky_sum(x, 0.9), torch.from_numpy(expected), rtol=1e-12, atol=1e-12)


def test_lagged_by_hand():
    assert lagged(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 3)[0].tolist() == [[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1]]


def test_weights_are_numpys_weighted_least_squares_of_the_past():
    x, order, memory, hop = noise(2, 53), 3, 0.95, 5
    found = predictors(x, order=order, memory=memory, hop=hop)
    assert found.shape == (2, 11, 3)
    assert (found[:, 0] == 0).all()
    for row in range(2):
        for frame in range(1, 11):
            end = frame * hop
            weight = np.sqrt(memory ** np.arange(end - 1, -1, -1))
            past, now = lagged(x, order)[row, :end].numpy(), x[row, :end].numpy()
            ridge = np.sqrt(linear_prediction.RIDGE * (weight[:, None] * past * weight[:, None] * past).sum(0) + 1e-9)
            rows = np.vstack([past * weight[:, None], np.diag(ridge)])  # a ridge is made of rows whose target is 0
            expected = np.linalg.lstsq(rows, np.append(now * weight, [0, 0, 0]), rcond=None)[0]
            assert_close(found[row, frame], torch.from_numpy(expected), rtol=1e-8, atol=1e-10)


def test_a_damped_sine_is_predicted_by_its_own_recursion():
    # r^t sin(ωt) obeys x_t = 2 r cos ω x_{t-1} - r² x_{t-2}
    t = torch.arange(400, dtype=F64)
    x = (0.999**t * torch.sin(0.3 * t))[None]
    weights = predictors(x, order=2, memory=0.99, hop=8)
    assert_close(weights[0, 20], torch.tensor([2 * 0.999 * math.cos(0.3), -(0.999**2)], dtype=F64), rtol=0.02, atol=0)
    assert (predict(x, weights) - x)[0, 100:].abs().max() < 0.01


def test_predictions_ignore_the_present_and_the_future():
    x = noise(1, 50)
    changed = x.clone()
    changed[0, 30:] += 1
    for hop in (1, 8):
        before, after = (predict(one, predictors(one, order=4, hop=hop), hop=hop) for one in (x, changed))
        assert torch.equal(before[0, :31], after[0, :31])
        assert not torch.equal(before[0, 31:], after[0, 31:])


def test_predict_uses_the_weights_of_the_samples_frame():
    x, weights = noise(1, 7), noise(1, 3, 2, seed=1)
    expected = [sum(weights[0, t // 3, j] * x[0, t - 1 - j] for j in range(2) if t > j) for t in range(7)]
    assert_close(predict(x, weights, hop=3)[0], torch.stack([torch.as_tensor(e, dtype=F64) for e in expected]))


def test_solve_predictor_by_hand():
    # one past sample: a = Σ u x / Σ u² = 3/2, less what the ridge takes
    moments = torch.tensor([[5.0, 3.0], [3.0, 2.0]], dtype=F64)
    assert_close(solve_predictor(moments), torch.tensor([3 / (2 * (1 + 1e-4) + 1e-9)], dtype=F64))


def test_running_error_is_the_recursion_of_past_errors():
    error = noise(2, 90)
    level = torch.full((2,), 0.3, dtype=F64)
    found = running_error(error, memory=0.8, start=0.3)
    for t in range(90):
        assert_close(found[:, t], level)
        level = 0.8 * level + 0.2 * error[:, t].abs()


def test_running_error_starts_at_a_hundredth():
    assert_close(running_error(torch.zeros(1, 3, dtype=F64))[0], 0.01 * 0.95 ** torch.arange(3, dtype=F64))


def test_no_surprise_costs_more_than_its_even_share():
    codes = torch.full((1, 200), 128)
    codes[0, -1] = 255  # a crack after silence: a ten-thousandth is spread over 256 codes
    assert_close(blend_log_prob(codes)[0, -1], torch.tensor(1e-4 / 256, dtype=F64).log())


def test_silence_and_nothing_have_predictors():
    assert predict(torch.zeros(1, 40, dtype=F64), predictors(torch.zeros(1, 40, dtype=F64))).abs().max() == 0
    for b, t in ((0, 8), (2, 0)):
        assert predict(torch.zeros(b, t), predictors(torch.zeros(b, t))).shape == (b, t)


def test_the_blend_is_a_distribution_over_the_next_code():
    codes = torch.randint(100, 156, (1, 40), generator=stream())
    every = codes.repeat(256, 1)
    every[:, -1] = torch.arange(256)
    last = blend_log_prob(every, order=4)[:, -1]
    assert_close(last.exp().sum(), torch.tensor(1.0, dtype=F64))
    assert_close(blend_log_prob(every, order=4)[:, :-1], blend_log_prob(codes, order=4)[:, :-1].expand(256, -1))


def test_the_blend_is_bayes_rule_over_its_experts():
    codes = torch.randint(90, 166, (2, 30), generator=stream())
    widths, trust = ((0.8, 0.4), (0.95, 0.7)), 0.9
    alone = torch.stack([
        blend_log_prob(codes, order=3, memories=[m], widths=[w]) for m in (0.9, 0.99) for w in widths
    ])  # fmt: skip
    record = torch.zeros_like(alone[:, :, 0])
    found = blend_log_prob(codes, order=3, memories=(0.9, 0.99), widths=widths, trust=trust)
    for t in range(30):
        share = record.softmax(dim=0)
        assert_close(found[:, t], (share * alone[:, :, t].exp()).sum(dim=0).log())
        record = trust * record + alone[:, :, t]


def test_one_expert_is_a_logistic_around_its_guess_in_units_of_its_recent_error():
    codes = torch.randint(90, 166, (2, 30), generator=stream())
    x = decode(codes, dtype=F64)
    guess = predict(x, predictors(x, order=3, memory=0.9))
    scale = 0.4 * running_error(x - guess, memory=0.8) + 1e-4
    mass = 0.9999 * bin_log_prob(codes, guess, scale).exp() + 0.0001 / 256
    found = blend_log_prob(codes, order=3, memories=[0.9], widths=[(0.8, 0.4)])
    assert_close(found, mass.log())


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"x is \(b, t\), found shape \(5,\)"):
        predictors(torch.zeros(5))
    with pytest.raises(ValueError, match="codes are integers"):
        blend_log_prob(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="codes are int64, found torch.uint8"):
        blend_log_prob(torch.zeros(1, 5, dtype=torch.uint8))
    for wrong in ({"order": 0}, {"hop": 0}, {"memory": 1.5}, {"memory": 0.0}):
        with pytest.raises(ValueError, match="order and hop are at least 1, memory in"):
            predictors(torch.zeros(1, 5), **wrong)
    with pytest.raises(ValueError, match=r"weights is \(1, 3, p\), found shape \(1, 6, 2\)"):
        predict(torch.zeros(1, 24), torch.zeros(1, 6, 2))  # fitted for frames of 4
    with pytest.raises(ValueError, match=r"error is \(b, t\), found shape \(5,\)"):
        running_error(torch.zeros(5))
