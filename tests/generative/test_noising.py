"""The forward process against one step at a time, Gaussian algebra, and published values."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.noising import (
    at_time,
    cosine_schedule,
    linear_schedule,
    noise_from_x0,
    posterior,
    q_sample,
    snr,
    x0_from_noise,
)

SCHEDULES = [linear_schedule(7, first=0.1, last=0.5), cosine_schedule(7), cosine_schedule(5, start=0.3)]


def test_linear_is_the_product_of_one_minus_beta():
    expected = np.cumprod(1 - np.array([0.1, 0.2, 0.3]))
    assert_close(linear_schedule(3, first=0.1, last=0.3), torch.tensor([1.0, *expected], dtype=F64))
    assert_close(linear_schedule(1)[1], torch.tensor(1 - 1e-4, dtype=F64))


def test_cosine_is_eq_17_up_to_its_value_at_zero():
    alpha_bar = cosine_schedule(10, start=0.1)
    for t in range(1, 10):
        assert math.isclose(alpha_bar[t].item(), math.cos((t / 10 + 0.1) / 1.1 * math.pi / 2) ** 2, rel_tol=1e-12)
    assert alpha_bar[0] == 1
    assert_close(alpha_bar[10], alpha_bar[9] * 0.001)  # where β is held at 0.999
    assert_close(
        cosine_schedule(10, beta_max=0.5)[10] / cosine_schedule(10, beta_max=0.5)[9], torch.tensor(0.5).double()
    )


def test_ratio_by_hand():
    assert_close(snr(torch.tensor([0.9, 0.5])), torch.tensor([9.0, 1.0]))


@pytest.mark.parametrize("alpha_bar", SCHEDULES)
def test_all_steps_at_once_have_the_moments_of_one_step_at_a_time(alpha_bar):
    mean, variance = 3.0, 0.0
    for t in range(1, len(alpha_bar)):
        kept = (alpha_bar[t] / alpha_bar[t - 1]).item()  # 1 - β
        mean, variance = math.sqrt(kept) * mean, kept * variance + 1 - kept
        x0, now = torch.full((1, 1), 3.0, dtype=F64), torch.tensor([t])
        still = q_sample(x0, now, torch.zeros(1, 1, dtype=F64), alpha_bar)
        moved = q_sample(x0, now, torch.ones(1, 1, dtype=F64), alpha_bar) - still
        assert_close(still.item(), mean)
        assert_close(moved.item() ** 2, variance)


def test_noise_and_example_are_recovered():
    alpha_bar, x0, eps, t = SCHEDULES[1], noise(5, 2, 3), noise(5, 2, 3, seed=1), torch.tensor([1, 2, 3, 5, 7])
    x = q_sample(x0, t, eps, alpha_bar)
    assert_close(x0_from_noise(x, t, eps, alpha_bar), x0)
    assert_close(noise_from_x0(x, t, x0, alpha_bar), eps)


@pytest.mark.parametrize("alpha_bar", SCHEDULES)
def test_posterior_is_that_of_the_joint_normal_of_two_times(alpha_bar):
    # condition (x_{t-1}, x_t) | x_0 on x_t: covariances a = 1 - ᾱ_{t-1}, b = 1 - ᾱ_t, c = √(1-β) a
    x0, x = noise(3, 2), noise(3, 2, seed=1)
    for step in range(1, len(alpha_bar)):
        before, now = alpha_bar[step - 1], alpha_bar[step]
        a, b, c = 1 - before, 1 - now, (now / before).sqrt() * (1 - before)
        found = posterior(x, torch.full((3,), step), x0, alpha_bar)
        assert_close(found.mean, before.sqrt() * x0 + c / b * (x - now.sqrt() * x0))
        assert_close(found.variance, (a - c**2 / b).expand(3, 1), atol=1e-15, rtol=1e-9)


def test_keeps_the_dtype_and_maps_over_examples():
    x0, t = noise(5, 2).bfloat16(), torch.tensor([1, 2, 3, 5, 7])
    assert q_sample(x0, t, x0, SCHEDULES[0]).dtype == torch.bfloat16
    x, eps = noise(5, 2), noise(5, 2, seed=1)
    one = torch.func.vmap(lambda x, t, e: q_sample(x[None], t[None], e[None], SCHEDULES[0])[0])
    assert_close(one(x, t, eps), q_sample(x, t, eps, SCHEDULES[0]))
    assert q_sample(x[:0], t[:0], eps[:0], SCHEDULES[0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear_schedule(0), "steps >= 1"),
        (lambda: linear_schedule(5, first=0.3, last=0.2), "found 5, 0.3 and 0.2"),
        (lambda: linear_schedule(5, first=0.0), "0 < first"),
        (lambda: linear_schedule(5, last=1.0), "last < 1"),
        (lambda: cosine_schedule(0), "steps >= 1"),
        (lambda: cosine_schedule(5, start=-1), "start >= 0"),
        (lambda: cosine_schedule(5, beta_max=1.0), "beta_max < 1"),
        (lambda: q_sample(noise(2, 3), torch.ones(3, dtype=torch.int64), noise(2, 3), SCHEDULES[0]), r"t is \(2,\)"),
        (lambda: q_sample(noise(2, 3), torch.ones(2), noise(2, 3), SCHEDULES[0]), "int64, found torch.float32"),
        (lambda: q_sample(noise(2, 3), torch.ones(2).long(), noise(2, 1), SCHEDULES[0]), r"noise is \(2, 3\)"),
        (
            lambda: x0_from_noise(noise(2, 3), torch.ones(2).long(), noise(2, 1), SCHEDULES[0]),
            r"noise is \(2, 3\)",
        ),
        (lambda: noise_from_x0(noise(2, 3), torch.ones(2).long(), noise(2, 1), SCHEDULES[0]), r"x0 is \(2, 3\)"),
        (lambda: posterior(noise(2, 3), torch.ones(2).long(), noise(2, 1), SCHEDULES[0]), r"x0 is \(2, 3\)"),
        (lambda: at_time(SCHEDULES[0], torch.ones(2).long(), torch.ones(2, 3).byte()), "float, found torch.uint8"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_seeded_noise_reaches_the_end_as_noise():
    x = q_sample(torch.ones(4000, 1), torch.full((4000,), 7), torch.randn(4000, 1, generator=stream()), SCHEDULES[1])
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1) < 0.05
