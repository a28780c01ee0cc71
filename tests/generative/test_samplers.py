"""The ways back against data for which the best network is known: a point, a normal, two points."""

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.noising import cosine_schedule, linear_schedule, posterior
from dlbook.generative.samplers import ddim, ddpm, denoise, guided, step_times
from dlbook.generative.score_matching import best_noise

ALPHA_BAR = cosine_schedule(40)
POINTS = torch.tensor([[-1.0], [1.0]], dtype=F64)


def knows(points):
    """Return the best network for data that are these points."""

    def network(x, time):
        return best_noise(x, points, ALPHA_BAR[(time[0] * 40).round().long()])

    return network


def of_normal(variance):
    """Return the best network for data from a normal of mean 0: E[ε | x] = √(1-ᾱ) x / (ᾱ variance + 1 - ᾱ)."""

    def network(x, time):
        a = ALPHA_BAR[(time * 40).round().long()].to(x)[:, None]
        return (1 - a).sqrt() * x / (a * variance + 1 - a)

    return network


def test_a_single_point_is_found_from_any_noise_by_every_sampler():
    point, x = torch.tensor([[0.3, -0.7]], dtype=F64), noise(5, 2)
    expected = point.expand(5, 2)
    for found in (
        ddpm(knows(point), x, ALPHA_BAR, generator=stream()),
        ddim(knows(point), x, ALPHA_BAR, steps=3),
        ddim(knows(point), x, ALPHA_BAR, steps=7, eta=1.0, generator=stream()),
    ):
        assert_close(found, expected, rtol=0, atol=1e-6)


def test_two_points_come_back_half_and_half():
    x = noise(4000, 1)
    for found in (ddpm(knows(POINTS), x, ALPHA_BAR, generator=stream(1)), ddim(knows(POINTS), x, ALPHA_BAR, steps=40)):
        assert ((found.abs() - 1).abs() < 1e-3).double().mean() > 0.99
        assert abs((found > 0).double().mean() - 0.5) < 0.04
    assert torch.equal(ddim(knows(POINTS), x, ALPHA_BAR, steps=40) > 0, x > 0)  # without fresh noise the order stays


def test_ddim_of_a_normal_is_a_product_of_known_factors():
    # x_s = √ᾱ_s x̂_0 + √(1-ᾱ_s) ε̂, both linear in x_t
    variance, times = 0.25, [40, 30, 20, 10, 0]
    factor = 1.0
    for t, s in pairwise(times):
        a, b = ALPHA_BAR[t].item(), ALPHA_BAR[s].item()
        total = a * variance + 1 - a
        factor *= b**0.5 * a**0.5 * variance / total + (1 - b) ** 0.5 * (1 - a) ** 0.5 / total
    x = noise(7, 3)
    assert_close(ddim(of_normal(variance), x, ALPHA_BAR, steps=4, clip=None), factor * x)


def test_variance_of_ddpm_of_a_normal_follows_its_recursion():
    variance, moved = 0.25, 1.0
    for t in range(40, 0, -1):
        a = ALPHA_BAR[t].item()
        guess = a**0.5 * variance / (a * variance + 1 - a)  # of x_0, for x = 1
        one = torch.ones(1, 1, dtype=F64)
        step = posterior(one, torch.tensor([t]), guess * one, ALPHA_BAR)
        moved = moved * step.mean.item() ** 2 + step.variance.item()
    found = ddpm(of_normal(variance), noise(20_000, 1), ALPHA_BAR, generator=stream(1), clip=None)
    assert abs(found.var().item() / moved - 1) < 0.04
    assert abs(moved / variance - 1) < 0.2


def test_full_noise_and_all_steps_are_ddpm():
    x = noise(5, 1)
    a = ddpm(knows(POINTS), x, ALPHA_BAR, generator=stream(3))
    b = ddim(knows(POINTS), x, ALPHA_BAR, steps=40, eta=1.0, generator=stream(3))
    assert_close(a, b, rtol=1e-6, atol=1e-8)
    assert not torch.allclose(a, ddim(knows(POINTS), x, ALPHA_BAR, steps=40, eta=0.5, generator=stream(3)), atol=1e-9)


def test_half_fresh_noise_of_one_step_by_hand():
    # T = 2, data 0: from x_2 to x_1 a guess of 0; σ² = η² β̃_2, the direction takes √(1 - ᾱ_1 - σ²)
    alpha_bar = torch.tensor([1.0, 0.5, 0.25], dtype=F64)
    seen = []

    def network(x, time):
        seen.append(x)
        return x / (1 - alpha_bar[(time[0] * 2).round().long()]).sqrt()

    ddim(network, torch.ones(1, 1, dtype=F64), alpha_bar, steps=2, eta=0.5, generator=stream())
    spread = 0.25 / 3  # η² · (1/2 / 3/4 · 1/2)
    fresh = torch.randn(1, 1, generator=stream(), dtype=F64)
    assert_close(seen[1], (0.5 - spread) ** 0.5 * torch.ones(1, 1, dtype=F64) / 0.75**0.5 + spread**0.5 * fresh)


def test_calls_of_the_network_are_counted():
    calls = []

    def network(x, time):
        calls.append(round(time[0].item() * 40))
        return 0 * x

    ddim(network, noise(2, 3), ALPHA_BAR, steps=4)
    assert calls == [40, 30, 20, 10]
    calls.clear()
    draws, same = stream(), stream()
    ddpm(network, noise(2, 3), ALPHA_BAR, generator=draws)
    assert calls == list(range(40, 0, -1))
    for _ in range(39):  # the last step draws nothing
        torch.randn(2, 3, generator=same, dtype=F64)
    assert torch.equal(draws.get_state(), same.get_state())
    ddim(network, noise(2, 3), ALPHA_BAR, steps=4, eta=1.0, generator=draws)
    for _ in range(3):
        torch.randn(2, 3, generator=same, dtype=F64)
    assert torch.equal(draws.get_state(), same.get_state())
    ddim(network, noise(2, 3), ALPHA_BAR, steps=4, generator=draws)  # without fresh noise none at all
    assert torch.equal(draws.get_state(), same.get_state())


def test_times_are_rounded_to_the_nearest():
    assert step_times(7, 3) == [7, 5, 2, 0]  # 7, 4.67, 2.33, 0
    assert step_times(5, 5) == [5, 4, 3, 2, 1, 0]


def test_guess_is_clipped_only_if_asked():
    x, t = torch.full((1, 1), 3.0), torch.tensor([10])
    free = denoise(lambda x, time: 0 * x, x, t, ALPHA_BAR, clip=None)
    assert_close(free, x / ALPHA_BAR[10].sqrt().float())
    assert_close(denoise(lambda x, time: 0 * x, x, t, ALPHA_BAR), torch.ones(1, 1))
    assert_close(denoise(lambda x, time: 0 * x, -x, t, ALPHA_BAR, clip=0.5), torch.full((1, 1), -0.5))


def test_half_precision_tells_a_thousand_times_apart():
    seen = []

    def network(x, time):
        seen.append(round(time[0].item() * 1000))
        return 0 * x

    for dtype in (torch.bfloat16, torch.float16):
        found = ddim(network, noise(2, 3).to(dtype), linear_schedule(1000), steps=1000)
        assert found.dtype == dtype
        assert seen == list(range(1000, 0, -1))
        seen.clear()


def test_samplers_leave_their_input_and_make_no_graph():
    x = noise(2, 1)
    kept = x.clone()
    weight = torch.ones(1, dtype=F64, requires_grad=True)
    for found in (
        ddim(lambda x, time: weight * x, x, ALPHA_BAR, steps=3),
        ddpm(lambda x, time: weight * x, x, ALPHA_BAR, generator=None),
    ):
        assert not found.requires_grad
    assert torch.equal(x, kept)


def test_guidance_is_a_line_through_two_predictions():
    calls = []

    def network(x, time, y):
        calls.append(len(x))
        return x * (1 + y[:, None]) + time[:, None]

    x, time, y = noise(3, 2), torch.tensor([0.5, 0.25, 1.0]).double(), torch.tensor([0, 1, 2])
    told, untold = network(x, time, y), network(x, time, torch.full((3,), 7))
    for scale in (-1.0, 0.0, 0.5, 3.0):
        assert_close(guided(network, y, 7, scale=scale)(x, time), (1 + scale) * told - scale * untold)
    assert calls == [3, 3, 6, 3, 6, 6]  # nothing is computed for a label that counts for nothing


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: step_times(10, 11), "from 1 to 10 steps, found 11"),
        (lambda: step_times(10, 0), "found 0"),
        (lambda: ddim(knows(POINTS), noise(2, 1), ALPHA_BAR, steps=2, eta=1.5), "found 1.5"),
        (lambda: ddim(knows(POINTS), noise(2, 1), ALPHA_BAR, steps=2, eta=-0.1), "found -0.1"),
        (lambda: ddim(lambda x, time: x[:, :1], noise(2, 3), ALPHA_BAR, steps=2), r"noise is \(2, 3\)"),
        (lambda: guided(lambda x, t, y: x, torch.zeros(3).long(), 1, scale=0.0)(noise(2, 1), noise(2)), r"y is \(2,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
