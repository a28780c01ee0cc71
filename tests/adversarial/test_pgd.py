"""Projected gradient descent against closed forms, SciPy, its own equation step by step, and foolbox where it is there."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import kstest
from torch import nn
from torch.testing import assert_close

from adversarial.models import answers, images, linear, small_net
from common import F64, noise, stream
from dlbook.adversarial.attack import ascent
from dlbook.adversarial.fgsm import fgsm
from dlbook.adversarial.pgd import pgd, project, random_in_ball

NORMS = {"linf": torch.inf, "l2": 2}


def lengths(step, norm):
    return torch.linalg.vector_norm(step.flatten(1).double(), NORMS[norm], dim=1)


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 2.0, 9.0])
def test_projection_is_the_nearest_point_that_scipy_finds(epsilon):
    x = images(4).flatten(1)[:, :7]
    moved = x + noise(4, 7)
    for norm in NORMS:
        found = project(moved, x, epsilon=epsilon, norm=norm)
        for xi, vi, ours in zip(x.numpy(), moved.numpy(), found.numpy(), strict=True):
            walls, ball = np.stack([0 * xi, 0 * xi + 1], axis=1), ()
            if norm == "linf":
                walls = np.stack([np.fmax(0, xi - epsilon), np.fmin(1, xi + epsilon)], axis=1)
            else:
                ball = {"type": "ineq", "fun": lambda z, xi=xi: epsilon**2 - (z - xi) @ (z - xi)}
            best = minimize(
                lambda z, vi=vi: (z - vi) @ (z - vi), xi, jac=lambda z, vi=vi: 2 * (z - vi), method="SLSQP",
                bounds=walls, constraints=ball, options={"ftol": 1e-14, "maxiter": 500},
            )  # fmt: skip
            if epsilon:  # at 0 the constraint has no slope
                np.testing.assert_allclose(ours, best.x, atol=2e-6)
            else:
                np.testing.assert_array_equal(ours, xi)


def test_projection_far_from_the_bounds_is_the_textbook_formula():
    x, moved = noise(5, 2, 3), noise(5, 2, 3, seed=1)
    d = moved - x
    scaled = x + d * (0.5 / lengths(d, "l2")).clamp_max(1)[:, None, None]
    assert_close(project(moved, x, epsilon=0.5, norm="l2", bounds=(-9, 9)), scaled)
    assert_close(project(moved, x, epsilon=0.5, bounds=(-9, 9)), x + d.clamp(-0.5, 0.5))
    assert project(x, x, epsilon=0.5, norm="l2", bounds=(-9, 9)).equal(x)


def test_projections_do_not_round_past_bounds_that_floats_cannot_hold():
    x = torch.rand(40, 5000, generator=stream()) * 0.6 + 0.1
    bounds = x.amin().item() - 1e-3, x.amax().item() + 1e-3
    found = project(x + 9 * noise(40, 5000, dtype=torch.float32), x, epsilon=60.0, norm="l2", bounds=bounds)
    assert found.double().amin() >= torch.tensor(bounds[0]).double()
    assert found.double().amax() <= torch.tensor(bounds[1]).double()


def test_projections_and_starts_in_an_unknown_norm_are_refused():
    x = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="norm is one of linf, l2, found 'l1'"):
        project(x, x, epsilon=0.1, norm="l1")
    with pytest.raises(ValueError, match="norm is one of linf, l2, found 'l1'"):
        random_in_ball(x, epsilon=0.1, norm="l1")


def test_starts_are_uniform_by_kolmogorov_and_smirnov():
    x = torch.full((20_000, 3), 0.5, dtype=F64)
    box = random_in_ball(x, epsilon=0.2, generator=stream()) - x
    assert all(kstest(box[:, i].numpy(), "uniform", args=(-0.2, 0.4)).pvalue > 1e-3 for i in range(3))
    ball = random_in_ball(x, epsilon=0.2, norm="l2", generator=stream()) - x
    assert kstest((lengths(ball, "l2") / 0.2).numpy() ** 3, "uniform").pvalue > 1e-3  # the share of the volume
    cosine = ball[:, 0] / lengths(ball, "l2")  # of a uniform direction in space: Archimedes' hat-box
    assert kstest(cosine.numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3


def test_starts_stay_inside_the_bounds_and_repeat():
    x = images(5, dtype=torch.float32)
    for norm in NORMS:
        one, same = (random_in_ball(x, epsilon=0.3, norm=norm, generator=stream(4)) for _ in range(2))
        assert one.equal(same)
        assert one.amin() >= 0
        assert one.amax() <= 1
        assert not one.equal(random_in_ball(x, epsilon=0.3, norm=norm, generator=stream(5)))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("targeted", [False, True])
def test_all_steps_are_the_equation(norm, targeted):
    net, x, y = small_net(), images(5), torch.tensor([0, 1, 2, 3, 6])
    found = pgd(
        net,
        x,
        y,
        epsilon=0.4,
        step_size=0.17,
        steps=4,
        norm=norm,
        random_start=False,
        early_stop=False,
        targeted=targeted,
    )
    now = x
    for _ in range(4):
        slope, _ = ascent(net.eval(), now, y, targeted=targeted)
        up = slope.sign() if norm == "linf" else slope / lengths(slope, "l2")[:, None, None, None]
        now = project(now + 0.17 * up, x, epsilon=0.4, norm=norm)
    assert_close(found.adversarial, now)
    assert found.iterations.tolist() == [4] * 5
    was, end = answers(net, x), answers(net, now)
    assert found.success.equal((end == y) & (was != y) if targeted else (end != y) & (was == y))


def test_one_step_from_the_image_is_fgsm():
    net, x = small_net(), images(9)
    y = answers(net, x)
    one = pgd(net, x, y, epsilon=0.2, step_size=0.2, steps=1, random_start=False)
    assert_close(one.adversarial, fgsm(net, x, y, epsilon=0.2).adversarial)
    assert one.success.equal(fgsm(net, x, y, epsilon=0.2).success)


def test_the_default_step_crosses_the_ball_in_a_fifth_of_the_way_more_than_twice():
    model, x = linear(noise(30)), torch.full((1, 30), 0.5, dtype=F64)
    whole = pgd(model, x, answers(model, x), epsilon=0.25, steps=5, random_start=False, early_stop=False)
    first = pgd(
        model, x, answers(model, x), epsilon=0.25, step_size=0.125, steps=1, random_start=False, early_stop=False
    )
    assert_close((whole.adversarial - x).abs(), torch.full_like(x, 0.25))
    assert_close((whole.adversarial - x).sign(), (first.adversarial - x).sign())
    two = pgd(model, x, answers(model, x), epsilon=0.25, steps=2, random_start=False, step_size=None, early_stop=False)
    assert_close((two.adversarial - x).abs(), torch.full_like(x, 0.25))  # 2 · 2.5 / 2 ε, cut at ε
    short = pgd(
        model, x, answers(model, x), epsilon=0.25, steps=5, step_size=0.03, random_start=False, early_stop=False
    )
    assert_close((short.adversarial - x).abs(), torch.full_like(x, 0.15))


@pytest.mark.parametrize("norm", NORMS)
def test_linear_models_are_turned_exactly_when_the_dual_norm_says_so(norm):
    w = noise(30) - noise(30).mean()
    model, x = linear(w), 0.3 + 0.4 * torch.rand(23, 30, generator=stream(), dtype=F64)
    y, score = answers(model, x), (x @ w).abs()
    epsilon = {"linf": 0.02, "l2": 0.1}[norm]
    expected = score < epsilon * torch.linalg.vector_norm(w, {"linf": 1, "l2": 2}[norm])
    found = pgd(model, x, y, epsilon=epsilon, norm=norm, steps=20, generator=stream())
    assert found.success.equal(expected)
    assert 0 < expected.sum() < 23
    assert found.success.equal(answers(model, found.adversarial) != y)


@pytest.mark.parametrize("norm", NORMS)
def test_early_leaving_turns_the_same_images_with_fewer_steps_and_stays_in_the_ball(norm):
    net, x = small_net(), images(60)
    y = answers(net, x)
    options = {"epsilon": 0.25, "norm": norm, "steps": 10}
    early = pgd(net, x, y, **options, generator=stream())
    full = pgd(net, x, y, **options, generator=stream(), early_stop=False)
    assert (early.success >= full.success).all()  # who is turned at the end was turned somewhere
    assert early.iterations.sum() < full.iterations.sum()
    assert (full.iterations == 10).all()
    assert (early.iterations[~early.success] == 10).all()
    for found in (early, full):
        assert (lengths(found.adversarial - x, norm) <= 0.25 + 1e-12).all()
        assert found.adversarial.amin() >= 0
        assert found.adversarial.amax() <= 1
        assert found.success.equal(answers(net, found.adversarial) != y)


def test_more_restarts_never_turn_fewer_and_cost_the_unturned_only():
    net, x = small_net(), images(60)
    y = answers(net, x)
    found = [pgd(net, x, y, epsilon=0.2, steps=4, step_size=0.01, restarts=r, generator=stream()) for r in (1, 2, 8)]
    assert all((more.success >= less.success).all() for less, more in pairwise(found))
    assert found[-1].success.sum() > found[0].success.sum()
    for r, one in zip((1, 2, 8), found, strict=True):
        assert (one.iterations[~one.success] == 4 * r).all()
    assert found[-1].iterations[found[0].success].equal(found[0].iterations[found[0].success])


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("early_stop", [False, True])
def test_of_the_unturned_the_end_that_the_attack_likes_best_is_kept(early_stop, targeted):
    net, x = small_net(), images(60)
    y = (answers(net, x) + targeted) % 7
    options = {"epsilon": 0.05, "steps": 3, "early_stop": early_stop, "targeted": targeted}
    one, two = (pgd(net, x, y, restarts=r, generator=stream(), **options) for r in (1, 4))

    def liked(found):
        with torch.no_grad():
            loss = nn.functional.cross_entropy(net.eval()(found.adversarial), y, reduction="none")
        return -loss if targeted else loss

    left = ~two.success
    assert (liked(two) >= liked(one))[left].all()
    assert (liked(two) > liked(one))[left].any()


def test_turned_images_leave_the_batch():
    model, seen = linear(noise(30)), []

    def counting(x):
        seen.append(len(x))
        return model(x)

    x = 0.3 + 0.4 * torch.rand(40, 30, generator=stream(), dtype=F64)
    found = pgd(counting, x, answers(model, x), epsilon=0.1, step_size=0.01, steps=10, random_start=False)
    left = [int(((found.iterations > step) | ~found.success).sum()) for step in range(10)]
    assert seen[0] == 40  # the clean images
    assert seen[1:11] == [40, *left[:9]]  # those that took a step come back to be looked at
    assert sorted(seen[1:], reverse=True) == seen[1:]


def test_wrong_images_are_left_alone_and_no_success_of_the_attack():
    net, x = small_net(), images(30)
    wrong = (answers(net, x) + 1) % 7
    found = pgd(net, x, wrong, epsilon=0.3, restarts=2, generator=stream())
    assert found.adversarial.equal(x)
    assert not found.success.any()
    assert not found.iterations.any()
    trained = pgd(net, x, wrong, epsilon=0.3, steps=3, generator=stream(), early_stop=False)
    assert (trained.iterations == 3).all()
    assert not trained.success.any()
    there = pgd(net, x, answers(net, x), epsilon=0.3, targeted=True, generator=stream())
    assert not there.success.any()
    assert there.adversarial.equal(x)


@pytest.mark.parametrize("norm", NORMS)
def test_each_image_by_itself_gives_the_batch(norm):
    net, x = small_net(), images(7)
    y = answers(net, x)
    options = {"epsilon": 0.2, "steps": 5, "norm": norm, "random_start": False}
    whole = pgd(net, x, y, **options)
    parts = [pgd(net, x[i : i + 1], y[i : i + 1], **options) for i in range(7)]
    assert_close(whole.adversarial, torch.cat([part.adversarial for part in parts]))
    assert whole.iterations.equal(torch.cat([part.iterations for part in parts]))


def test_what_the_other_images_are_does_not_matter_across_restarts():
    net, x, y = small_net(), images(7), torch.zeros(7, dtype=torch.int64)
    other = torch.cat([x[:3], images(4, seed=5)])
    one, two = (pgd(net, z, y, epsilon=0.2, steps=3, restarts=3, generator=stream()) for z in (x, other))
    assert_close(one.adversarial[:3], two.adversarial[:3])


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_same_without_gradients_around_and_nothing_is_left_behind(context):
    net, x = small_net(), images(5)
    y, state = answers(net, x), {name: value.clone() for name, value in net.state_dict().items()}
    expected = pgd(net, x, y, epsilon=0.3, generator=stream())
    with context():
        copy, labels = x.clone(), y.clone()
        found = pgd(net, copy, labels, epsilon=0.3, generator=stream())
        assert copy.equal(x)
    assert found.adversarial.equal(expected.adversarial)
    assert not found.adversarial.requires_grad
    assert net.training
    assert all(value.equal(state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64])
@pytest.mark.parametrize("norm", NORMS)
def test_dtypes_and_bounds_are_kept(dtype, norm):
    net, x = small_net(dtype=dtype), 2 * images(9, dtype=dtype) - 1
    y = answers(net, x)
    found = pgd(net, x, y, epsilon=0.5, norm=norm, bounds=(-1, 1), steps=200, generator=stream())
    assert found.adversarial.dtype == dtype
    assert found.adversarial.amin() >= -1
    assert found.adversarial.amax() <= 1
    assert (lengths(found.adversarial - x, norm) < 0.5 + 30 * torch.finfo(dtype).eps).all()
    assert found.success.any()  # with steps that bfloat16 alone would round away
    assert found.success.equal(answers(net, found.adversarial) != y)


def test_steps_too_short_for_the_images_dtype_add_up():
    model, x = linear(torch.full((30,), -1.0, dtype=torch.bfloat16)), torch.ones(1, 30, dtype=torch.bfloat16)
    found = pgd(
        model, x, torch.tensor([1]), epsilon=0.5, steps=10, step_size=0.001, random_start=False, early_stop=False
    )
    assert_close(found.adversarial, x)  # already at the wall: the loss grows with the pixels' fall
    found = pgd(
        model, x, torch.tensor([0]), epsilon=0.5, steps=10, step_size=0.001, random_start=False, early_stop=False
    )
    assert_close(found.adversarial.float(), torch.full((1, 30), 0.99), atol=0.003, rtol=0)


def test_no_images_are_attacked_without_asking_the_model():
    def never(x):
        raise AssertionError

    for norm in NORMS:
        found = pgd(never, torch.zeros(0, 3, 5), torch.zeros(0, dtype=torch.int64), epsilon=0.1, norm=norm)
        assert found.adversarial.shape == (0, 3, 5)
        assert found.success.dtype == torch.bool
        assert found.iterations.shape == (0,)


def test_gradients_that_are_no_numbers_make_no_such_images():
    def model(x):
        return torch.stack([x[:, 0].sqrt() * 0 + x[:, 1], 0 * x[:, 1]], dim=1)

    for norm in NORMS:
        found = pgd(
            model, torch.tensor([[0.0, 0.5]]), torch.tensor([0]), epsilon=0.1, norm=norm, steps=3, random_start=False
        )
        assert_close(found.adversarial, torch.tensor([[0.0, 0.4]]))
        flat = pgd(
            lambda x: 0 * x, torch.full((1, 2), 0.5), torch.tensor([0]), epsilon=0.1, norm=norm, generator=stream()
        )
        assert flat.adversarial.isfinite().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": -1.0}, "epsilon"),
        ({"step_size": float("inf")}, "step_size"),
        ({"norm": "l1"}, "norm is one of linf, l2"),
        ({"steps": 0}, "steps=0"),
        ({"restarts": 0}, "restarts=0"),
        ({"bounds": (0.2, 1)}, "pixels of x"),
        ({"y": torch.zeros(3)}, "int64"),
        ({"y": torch.tensor([7, 0, 0])}, r"0\.\.6"),
    ],
)
def test_bad_input_is_named(change, words):
    given = {"x": images(3), "y": torch.zeros(3, dtype=torch.int64), "epsilon": 0.1} | change
    with pytest.raises(ValueError, match=words):
        pgd(small_net(), **given)


@pytest.mark.parametrize("norm", NORMS)
def test_success_is_at_least_that_of_foolbox_at_equal_steps(norm):
    foolbox = pytest.importorskip("foolbox")
    net, x = small_net(dtype=torch.float32).eval(), images(300, dtype=torch.float32)
    y = answers(net, x)
    kind = {"linf": foolbox.attacks.LinfPGD, "l2": foolbox.attacks.L2PGD}[norm]
    for epsilon in (0.05, 0.1, 0.2):
        for start in (False, True):
            torch.manual_seed(0)
            theirs = kind(abs_stepsize=epsilon / 4, steps=10, random_start=start)
            _, _, fooled = theirs(foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu"), x, y, epsilons=epsilon)
            ours = pgd(
                net,
                x,
                y,
                epsilon=epsilon,
                step_size=epsilon / 4,
                steps=10,
                norm=norm,
                random_start=start,
                generator=stream(),
            )
            assert ours.success.sum() >= fooled.sum() - 2 * start  # two draws of the starts
