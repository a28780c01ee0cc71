"""Distances on a line against SciPy, slopes against closed forms and finite differences, and the bound of duality."""

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.wasserstein import between, critic_loss, distance_1d, gradient_norms, gradient_penalty


def test_matches_scipys_distance_on_a_line():
    x, y = noise(101), 3 + 2 * noise(101, seed=1)
    assert_close(distance_1d(x, y).item(), wasserstein_distance(x.numpy(), y.numpy()), rtol=1e-12, atol=1e-12)
    assert distance_1d(x, x[torch.randperm(101, generator=stream())]) == 0


def test_two_heaps_apart_by_theta():
    assert_close(distance_1d(torch.zeros(5), torch.full((5,), -0.75)), torch.tensor(0.75))


def test_the_best_critic_on_a_line_reaches_the_distance_and_others_stay_below():
    # all of y lies to the right of x, so f(x) = -x is the best function of slope at most one
    x, y = noise(51).clamp(-2, 2), 5 + noise(51, seed=1).clamp(-2, 2)
    distance = distance_1d(x, y)
    assert_close(-critic_loss(-x, -y), distance)
    for f in (torch.sin, torch.abs, torch.tanh, lambda v: -v / 2):
        assert -critic_loss(f(x), f(y)) < distance


def test_the_critics_loss_by_hand_and_for_several_games():
    real, fake = torch.tensor([[1.0, 2.0], [0.0, 4.0]]), torch.tensor([[5.0], [-1.0]])
    assert_close(critic_loss(real, fake), torch.tensor([3.5, -3.0]))
    assert_close(torch.func.vmap(critic_loss)(real, fake), critic_loss(real, fake))


def test_points_between_lie_on_the_segments_at_uniform_places():
    real, fake = noise(2000, 3), 5 + noise(2000, 3, seed=1)
    points = between(real, fake, generator=stream(2))
    share = (points - fake) / (real - fake)
    assert_close(share, share[:, :1].expand(-1, 3))  # one place for all numbers of an example
    assert share.min() >= 0
    assert share.max() < 1
    assert abs(share.mean() - 0.5) < 0.03
    assert abs(share.var() - 1 / 12) < 0.01
    assert torch.equal(points, between(real, fake, generator=stream(2)))
    assert (
        between(torch.ones(2, 1, 3, 3).bfloat16(), torch.zeros(2, 1, 3, 3).bfloat16(), generator=stream()).dtype
        == torch.bfloat16
    )


def test_norms_of_a_quadratic_by_its_closed_form():
    a = noise(4, 4)
    x = noise(7, 2, 2, seed=1)
    flat = x.flatten(1)
    expected = (flat @ (a + a.T)).norm(dim=1)
    assert_close(gradient_norms(lambda v: ((v.flatten(1) @ a) * v.flatten(1)).sum(dim=1), x), expected)


def test_norms_by_central_differences():
    critic = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0)).to(F64)
    x, h = noise(4, 3), 1e-6
    with torch.no_grad():
        slopes = [(critic(x + h * e) - critic(x - h * e)) / (2 * h) for e in torch.eye(3, dtype=F64)]
    assert_close(gradient_norms(critic, x), torch.stack(slopes, dim=1).norm(dim=1), rtol=1e-7, atol=1e-8)


def test_the_penalty_of_a_plane_and_its_gradient_by_hand():
    # f(x) = w x has slope |w| = 5: penalty 16, and by w: 2 (5 - 1) w / 5
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    penalty = gradient_penalty(lambda x: x @ w, torch.zeros(3, 2))
    assert_close(penalty, torch.tensor(16.0))
    assert_close(torch.autograd.grad(penalty, w)[0], 8 * w.detach() / 5)


def test_the_penalty_is_a_mean_over_examples():
    x = torch.tensor([[1.0], [2.0], [3.0]])  # slopes of x² / 2 are x: (0 + 1 + 4) / 3
    assert_close(gradient_penalty(lambda v: v[:, 0] ** 2 / 2, x), torch.tensor(5 / 3))


def test_a_flat_critic_has_a_penalty_of_one_and_no_nan():
    w = torch.zeros(2, requires_grad=True)
    penalty = gradient_penalty(lambda x: x @ w, torch.ones(3, 2))
    penalty.backward()
    assert penalty == 1
    assert w.grad.isfinite().all()


def test_second_derivatives_pass_gradcheck():
    def penalty(w, v):
        return gradient_penalty(lambda x: torch.tanh(x @ w) @ v, noise(3, 2, seed=5))

    assert torch.autograd.gradcheck(penalty, [noise(2, 4).requires_grad_(), noise(4, seed=1).requires_grad_()])


def test_inputs_stay_as_they_were_and_the_functions_compile():
    critic = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0)).to(F64)
    x = noise(5, 3)
    before = x.clone()
    whole = torch.compile(lambda x: gradient_penalty(critic, x), fullgraph=True, backend="eager")
    assert_close(whole(x), gradient_penalty(critic, x))
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert all(p.grad is None for p in critic.parameters())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distance_1d(torch.zeros(3), torch.zeros(4)), r"y is \(3,\), found shape \(4,\)"),
        (lambda: distance_1d(torch.zeros(3, 1), torch.zeros(3, 1)), r"x is \(n,\)"),
        (lambda: distance_1d(torch.zeros(0), torch.zeros(0)), "least 1"),
        (lambda: critic_loss(torch.zeros(0), torch.zeros(3)), r"real is \(\.\.\., b\)"),
        (lambda: critic_loss(torch.zeros(3), torch.zeros(0)), r"fake is \(\.\.\., b\)"),
        (
            lambda: between(torch.zeros(3, 2), torch.zeros(4, 2), generator=stream()),
            r"of one shape, found \(3, 2\) and \(4, 2\)",
        ),
        (lambda: between(torch.tensor(0.0), torch.tensor(0.0), generator=stream()), r"\(b, \.\.\.\)"),
        (lambda: gradient_norms(lambda x: x, torch.zeros(3)), r"x is \(b, \.\.\.\).*found shape \(3,\)"),
        (
            lambda: gradient_norms(lambda x: x, torch.zeros(3, 2)),
            r"one number an example, \(3,\), found shape \(3, 2\)",
        ),
        (lambda: gradient_norms(lambda x: x.sum()[None], torch.zeros(3, 2)), r"\(3,\), found shape \(1,\)"),
        (lambda: gradient_penalty(lambda x: x, torch.tensor(0.0)), r"x is \(b, \.\.\.\).*found shape \(\)"),
        (lambda: distance_1d(torch.zeros(3), torch.zeros(3).long()), "y holds floats, found torch.int64"),
        (lambda: critic_loss(torch.zeros(3).byte(), torch.zeros(3)), "real holds floats, found torch.uint8"),
        (lambda: between(torch.zeros(3, 2), torch.zeros(3, 2).byte(), generator=stream()), "fake holds floats.*uint8"),
        (lambda: gradient_norms(lambda x: x[:, 0], torch.zeros(3, 2).byte()), "x holds floats.*uint8"),
        (lambda: gradient_penalty(lambda x: x[:, 0], torch.zeros(0, 2)), r"at least one example, found shape \(0, 2\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
