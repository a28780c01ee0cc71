"""Universal perturbations against linear models whose best direction is known, brute force, and the laws of a projection."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.adversarial import universal
from dlbook.adversarial.attack import Attack
from dlbook.adversarial.universal import fooling_rate, project, universal_ascent, universal_perturbation

W = torch.tensor([3.0, -4.0, 0.5], dtype=F64)


def tilted(x):
    """Answer 1 where W x is above zero, for images of three pixels."""
    score = x.flatten(1) @ W.to(x)
    return torch.stack([-score, score], dim=1) / 2


def one_side(n=40, far=1.0, seed=0):
    """Return images with W x between 0 and ``far``, all of class 1."""
    x = noise(n, 3, seed=seed)
    return x + (far * torch.rand(n, 1, generator=stream(seed + 1), dtype=F64) - (x @ W)[:, None]) * W / (W @ W)


WIDE = (-99.0, 99.0)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projection_is_the_nearest_point_of_the_ball_by_brute_force(norm):
    p = math.inf if norm == "linf" else 2
    v = noise(1, 2, 3)
    ball = noise(20000, 2, 3, seed=1)
    lengths = torch.linalg.vector_norm(ball.flatten(1), ord=p, dim=1)
    ball = 0.7 * ball / lengths[:, None, None] * torch.rand(20000, 1, 1, generator=stream(2), dtype=F64)
    found = project(v, 0.7, norm)
    assert torch.linalg.vector_norm(found.flatten(), ord=p) <= 0.7 * (1 + 1e-12)
    assert torch.linalg.vector_norm(v - found) <= torch.linalg.vector_norm((v - ball).flatten(1), dim=1).min()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_projection_leaves_what_is_inside_and_is_idempotent(norm):
    inside = 0.1 * noise(1, 5).clamp(-1, 1)
    assert torch.equal(project(inside, 9, norm), inside)
    once = project(9 * inside, 0.2, norm)
    assert_close(project(once, 0.2, norm), once)
    assert torch.equal(project(0 * inside, 0, norm), 0 * inside)
    assert torch.equal(project(inside, 0, norm), 0 * inside)


def test_projection_in_half_precision_does_not_overflow():
    v = torch.full((1, 100), 3e4, dtype=torch.float16)
    assert_close(project(v, 10, "l2"), torch.ones(1, 100, dtype=torch.float16))


def test_fooling_rate_counted_by_hand():
    # W x = 3, -4, 0.5, 7 answers 1, 0, 1, 1; after v with W v = -3.5: -0.5, -7.5, -3, 3.5, so two of four change
    x = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, -1, 0]], dtype=F64)
    v = torch.tensor([[0, 0.875, 0]], dtype=F64)
    assert fooling_rate(tilted, x, v, bounds=WIDE) == 0.5
    assert fooling_rate(tilted, x, v, bounds=WIDE, batch_size=3) == 0.5
    assert fooling_rate(tilted, x, v.expand(4, 3), bounds=WIDE) == 0.5


def test_fooling_rate_clips_the_sum():
    x = torch.tensor([[0.1, 0, 0]], dtype=F64)
    v = torch.tensor([[0, 9.0, 0]], dtype=F64)
    assert fooling_rate(tilted, x, v, bounds=(0, 0.1)) == 1.0  # 0.3 - 0.4 < 0
    assert fooling_rate(tilted, torch.tensor([[1.0, 0, 0]], dtype=F64), 0.8 * v / 9, bounds=(0, 1)) == 1.0  # 3 - 3.2
    assert fooling_rate(tilted, torch.tensor([[0.9, 0.7, 0]], dtype=F64), -v, bounds=(0, 1)) == 1.0  # -0.1, then 2.7
    assert fooling_rate(tilted, torch.tensor([[0.9, 0.0, 0]], dtype=F64), v, bounds=(0, 0.9)) == 1.0  # 2.7, then -0.9
    assert fooling_rate(tilted, torch.tensor([[0.1, 0.0, 1]], dtype=F64), -v, bounds=(0, 1)) == 0.0  # black stays black


def test_answers_that_are_not_finite_fool_nobody():
    def fragile(x):  # NaN where the sum is above 2, class 1 above 1
        total = x.sum(dim=1)
        return torch.stack([1 - total, total - 1], dim=1) / (total <= 2)[:, None] * (total <= 2)[:, None]

    x = torch.tensor([[0.2, 0.2], [0.9, 0.9]], dtype=F64)
    assert fooling_rate(fragile, x, torch.full((1, 2), 0.9, dtype=F64), bounds=(0, 2)) == 0.0
    assert fooling_rate(fragile, x, torch.full((1, 2), 0.5, dtype=F64), bounds=(0, 2)) == 0.5


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
def test_a_linear_model_is_fooled_as_far_as_the_dual_norm_says(norm, dual):
    # in the ball, W v >= -epsilon |W|_dual: all images with W x below it can be fooled at once, and no other
    x, slope = one_side(far=1.0), torch.linalg.vector_norm(W, ord=dual).item()
    enough, short = 1.001 / slope, 0.3 / slope
    for attack, more in (
        (universal_ascent, {"step_size": enough, "epochs": 2}),
        (universal_perturbation, {"delta": 0.0, "max_epochs": 60}),
    ):
        if attack is universal_perturbation and norm == "linf":
            continue  # DeepFool pushes along W, not along its signs
        found = attack(tilted, x, epsilon=enough, norm=norm, bounds=WIDE, generator=stream(), **more)
        assert found.fooling_rate == 1.0
        assert_close(fooling_rate(tilted, x, found.perturbation, bounds=WIDE), 1.0)
    found = universal_ascent(
        tilted, x, epsilon=short, norm=norm, step_size=short, epochs=1, bounds=WIDE, generator=stream()
    )
    assert found.fooling_rate == (x @ W < 0.3).double().mean().item()


def test_one_step_of_ascent_is_the_sign_or_the_unit_vector_of_the_mean_gradient():
    x = one_side()
    for norm, expected in (("linf", 0.1 * -W.sign()), ("l2", 0.1 * -W / W.norm())):
        found = universal_ascent(
            tilted, x, epsilon=5, norm=norm, step_size=0.1, epochs=1, batch_size=40, bounds=WIDE, generator=stream()
        )
        assert_close(found.perturbation, expected[None])


def test_the_first_push_is_deepfools_and_a_batch_moves_by_the_mean():
    x = one_side(n=2)
    pushes = -1.02 * (x @ W)[:, None] * W / (W @ W)  # exact for a linear model, DeepFool eq. (4)
    first = universal_perturbation(tilted, x[:1], epsilon=9, norm="l2", bounds=WIDE, generator=stream())
    assert_close(first.perturbation, pushes[:1])
    both = universal_perturbation(
        tilted, x, epsilon=9, norm="l2", batch_size=2, max_epochs=1, bounds=WIDE, generator=stream()
    )
    assert_close(both.perturbation, pushes.mean(dim=0, keepdim=True))
    more = universal_perturbation(tilted, x[:1], epsilon=9, norm="l2", overshoot=0.5, bounds=WIDE, generator=stream())
    assert_close(more.perturbation, pushes[:1] / 1.02 * 1.5)


def test_images_already_fooled_push_no_more():
    x = torch.cat([one_side(n=1, far=1.0), one_side(n=1, far=1.0)])  # the same image twice
    found = universal_perturbation(tilted, x, epsilon=9, norm="l2", bounds=WIDE, generator=stream())
    assert_close(found.perturbation, -1.02 * (x[:1] @ W)[:, None] * W / (W @ W))
    assert found.history == [1.0]


def blurred(k=3, seed=3):
    """Return a small network of two layers on images 2 x 3."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 11), nn.Tanh(), nn.Dropout(0.5), nn.Linear(11, k)).to(F64)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(noise(*parameter.shape, seed=seed + i))
    return model


def test_the_fooling_rate_does_not_draw_dropout():
    model, x = blurred().train(), torch.rand(97, 2, 3, generator=stream(), dtype=F64)
    assert fooling_rate(model, x, torch.zeros(1, 2, 3, dtype=F64)) == 0.0
    assert model.training


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("attack", ["ascent", "pushes"])
def test_the_perturbation_is_in_the_ball_and_the_rates_are_what_they_say(norm, attack):
    model, x = blurred(), torch.rand(23, 2, 3, generator=stream(), dtype=F64)
    if attack == "ascent":
        found = universal_ascent(
            model, x, epsilon=0.2, norm=norm, step_size=0.1, epochs=6, batch_size=5, generator=stream(1)
        )
    else:
        found = universal_perturbation(model, x, epsilon=0.2, norm=norm, max_epochs=6, delta=0, generator=stream(1))
    assert found.perturbation.shape == (1, 2, 3)
    assert not found.perturbation.requires_grad
    p = math.inf if norm == "linf" else 2
    assert torch.linalg.vector_norm(found.perturbation.flatten(), ord=p) <= 0.2 * (1 + 1e-12)
    model.eval()
    after = model((x + found.perturbation).clamp(0, 1)).argmax(1)
    assert found.fooling_rate == max(found.history) == (after != model(x).argmax(1)).double().mean().item()
    assert len(found.history) <= 6
    assert found.fooling_rate > 0


def test_the_best_pass_is_returned_although_later_ones_are_worse(monkeypatch):
    rates = iter([0.2, 0.7, 0.4])
    monkeypatch.setattr(universal, "fooling_rate", lambda *_, **__: next(rates))
    x = one_side()
    found = universal_ascent(tilted, x, epsilon=9, step_size=0.1, epochs=3, bounds=WIDE, generator=stream())
    assert found.fooling_rate == 0.7
    assert_close(found.perturbation, -0.2 * W.sign()[None])
    rates = iter([0.3, 0.1])
    found = universal_perturbation(tilted, x, epsilon=9, max_epochs=2, norm="l2", bounds=WIDE, generator=stream())
    assert found.history == [0.3, 0.1]
    assert found.fooling_rate == 0.3
    rates = iter([0.3, 0.75, 0.9])
    found = universal_perturbation(tilted, x, epsilon=9, delta=0.25, norm="l2", bounds=WIDE, generator=stream())
    assert found.history == [0.3, 0.75]


def test_the_cap_leaves_fooled_images_out_of_the_gradient():
    x = torch.tensor([[0.1, 0.0, 0.0]], dtype=F64)  # its loss, ln(1 + e^-0.3) = 0.55, is above the cap at once
    for cap, moved in ((0.5, False), (0.6, True)):
        found = universal_ascent(tilted, x, epsilon=9, step_size=1, epochs=1, cap=cap, bounds=WIDE, generator=stream())
        assert found.perturbation.any() == moved


def test_a_push_that_reaches_no_boundary_is_left_out():
    def stubborn(x):  # flat but for a slope that leads nowhere: class 1 always
        return torch.stack([0 * x.sum(1), 5 + 0.1 * torch.sin(x.sum(1))], dim=1)

    x = 0.3 * torch.ones(3, 2, dtype=F64)
    found = universal_perturbation(
        stubborn, x, epsilon=1, max_iter=2, max_epochs=2, bounds=(-1e6, 1e6), generator=stream()
    )
    assert torch.equal(found.perturbation, torch.zeros(1, 2, dtype=F64))
    assert found.history == [0.0, 0.0]


@pytest.mark.parametrize("slope", [0.0, math.nan])
def test_no_slope_or_no_finite_slope_gives_no_perturbation_and_no_nan(slope):
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.stack([x.sum(1) * 0, x.sum(1) * 0 + 1], dim=1)

        @staticmethod
        def backward(ctx, g):
            return g.sum(1, keepdim=True).expand(-1, 3) * slope

    x = torch.rand(5, 3, generator=stream(), dtype=F64)
    for norm in ("linf", "l2"):
        found = universal_ascent(Bad.apply, x, epsilon=0.1, norm=norm, step_size=0.1, epochs=2, generator=stream())
        assert torch.equal(found.perturbation, torch.zeros(1, 3, dtype=F64))
        found = universal_perturbation(Bad.apply, x, epsilon=0.1, norm=norm, max_epochs=2, generator=stream())
        assert torch.equal(found.perturbation, torch.zeros(1, 3, dtype=F64))


@pytest.mark.parametrize("attack", ["ascent", "pushes"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_same_stream_same_perturbation_and_nothing_else_changes(attack, dtype):
    model, x = blurred().to(dtype).train(), torch.rand(11, 2, 3, generator=stream()).to(dtype)
    before, weights = x.clone(), {k: v.clone() for k, v in model.state_dict().items()}
    model[4].weight.requires_grad_(False)

    def run():
        if attack == "ascent":
            return universal_ascent(model, x, epsilon=0.2, step_size=0.1, epochs=2, batch_size=3, generator=stream(5))
        return universal_perturbation(model, x, epsilon=0.2, max_epochs=2, delta=0, generator=stream(5))

    first = run()
    with torch.no_grad():
        second = run()
    with torch.inference_mode():
        third = run()
    for other in (second, third):
        assert torch.equal(first.perturbation, other.perturbation)
        assert first.history == other.history
    assert first.perturbation.dtype == dtype
    assert torch.equal(x, before)
    assert model.training
    assert model[3].training
    assert not model[4].weight.requires_grad
    assert model[1].weight.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


def test_images_made_in_inference_mode_are_taken():
    with torch.inference_mode():
        x = torch.rand(5, 2, 3, generator=stream(), dtype=F64)
    found = universal_ascent(blurred(), x, epsilon=0.1, step_size=0.1, epochs=1, generator=stream())
    assert found.perturbation.shape == (1, 2, 3)


def test_the_order_of_the_images_is_drawn_and_every_image_is_seen_once_a_pass():
    seen = []

    def spy(x):
        seen.append(x[:, 0].clone().detach())
        return tilted(x)

    x = one_side(n=7)
    universal_ascent(spy, x, epsilon=1e-9, step_size=1e-9, epochs=2, batch_size=3, bounds=WIDE, generator=stream(2))
    # answers, then for each pass three batches and two looks of the fooling rate
    passes = [torch.cat(seen[1:4]), torch.cat(seen[6:9])]
    for order in passes:
        assert_close(order.sort().values, x[:, 0].sort().values, atol=1e-6, rtol=0)
    assert not torch.allclose(passes[0], passes[1], atol=1e-4)
    assert not torch.allclose(passes[0], x[:, 0], atol=1e-4)


X = torch.full((4, 3), 0.5, dtype=F64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": -1}, "epsilon is a finite size of at least 0, .*found -1"),
        ({"epsilon": math.inf}, "epsilon is a finite size"),
        ({"norm": "l1"}, "norm is one of linf, l2, found 'l1'"),
        ({"x": X[:0]}, "at least one image, found none"),
        ({"x": 3 * X}, r"pixels of x lie in bounds=\(0.0, 1.0\)"),
        ({"x": X.long()}, "x is a batch"),
        ({"batch_size": 0}, "batch_size is at least 1, found 0"),
        ({"model": lambda x: x.sum(1)}, r"the model returns logits \(4, k\)"),
    ],
)
@pytest.mark.parametrize("attack", [universal_ascent, universal_perturbation])
def test_bad_input_is_named(attack, change, message):
    more = {"step_size": 0.1, "epochs": 1} if attack is universal_ascent else {}
    given = {"model": tilted, "x": X, "epsilon": 0.1, "generator": stream(), **more, **change}
    with pytest.raises(ValueError, match=message):
        attack(given.pop("model"), given.pop("x"), **given)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: universal_ascent(tilted, X, epsilon=1, step_size=-1, epochs=1, generator=stream()), "step_size is a"),
        (lambda: universal_ascent(tilted, X, epsilon=1, step_size=1, epochs=0, generator=stream()), "epochs is at"),
        (
            lambda: universal_ascent(tilted, X, epsilon=1, step_size=1, epochs=1, cap=0.0, generator=stream()),
            "cap is a loss above 0, in nats, found 0",
        ),
        (lambda: universal_perturbation(tilted, X, epsilon=1, delta=1.0, generator=stream()), "delta is a share"),
        (lambda: universal_perturbation(tilted, X, epsilon=1, delta=-0.1, generator=stream()), "delta is a share"),
        (lambda: universal_perturbation(tilted, X, epsilon=1, max_epochs=0, generator=stream()), "max_epochs is at"),
        (lambda: universal_perturbation(tilted, X, epsilon=1, max_iter=0, generator=stream()), "max_iter is at"),
        (lambda: universal_perturbation(tilted, X, epsilon=1, overshoot=-1, generator=stream()), "overshoot is a"),
        (lambda: project(X, -1), "epsilon is a finite size"),
        (lambda: project(X, 1, "max"), "norm is one of"),
        (lambda: fooling_rate(tilted, X, X[:2]), r"v is \(1, 3\), or one for each image, \(4, 3\), found .*\(2, 3\)"),
        (lambda: fooling_rate(tilted, X, X[:1, :2]), r"found shape \(1, 2\)"),
        (lambda: fooling_rate(tilted, X, X[:1], batch_size=0), "batch_size is at least 1"),
        (lambda: fooling_rate(tilted, X[:0], X[:1]), "at least one image"),
        (lambda: fooling_rate(tilted, X, X[:1], bounds=(0, 0.1)), "pixels of x lie in"),
    ],
)
def test_bad_sizes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_in_a_batch_only_the_pushes_that_arrived_are_averaged():
    def half_stubborn(x):  # beyond 5 in the last pixel there is a slope, and no boundary
        endless = torch.stack([0 * x[:, 0], 5 + 0.1 * torch.sin(x[:, 0])], dim=1)
        return torch.where(x[:, 2:] > 5, endless, tilted(x))

    near = one_side(n=1)
    x = torch.cat([near, torch.tensor([[0.3, 0.0, 9.0]], dtype=F64)])
    found = universal_perturbation(
        half_stubborn, x, epsilon=9, norm="l2", batch_size=2, max_iter=2, max_epochs=1, bounds=WIDE, generator=stream()
    )
    assert_close(found.perturbation, -1.02 * (near @ W)[:, None] * W / (W @ W))


def test_the_ascent_feels_the_clipping():
    # the first pixel is black: after one step down it is clipped, has no slope, and stays; by hand, W v < 0 after two
    x = torch.tensor([[0.0, 0.0, 1.0]], dtype=F64)
    found = universal_ascent(tilted, x, epsilon=1, step_size=0.1, epochs=2, generator=stream())
    assert_close(found.perturbation, torch.tensor([[-0.1, 0.2, -0.2]], dtype=F64))
    assert found.history == [0.0, 1.0]


def test_what_deepfool_is_told_is_passed_on(monkeypatch):
    told = {}
    real = universal.deepfool
    monkeypatch.setattr(universal, "deepfool", lambda *a, **k: told.update(k) or real(*a, **k))
    options = {"overshoot": 0.1, "max_iter": 7, "candidates": 2, "bounds": WIDE}
    universal_perturbation(tilted, one_side(n=2), epsilon=1, max_epochs=1, generator=stream(), **options)
    assert told == options


def test_a_model_without_a_finite_answer_before_or_after_is_not_fooled():
    def fragile(x):  # no finite answer where the first pixel is above 0.5
        return tilted(x) + torch.where(x[:, :1] > 0.5, torch.tensor([0, torch.nan]), 0.0)

    x = torch.tensor([[0.9, 0, 0], [0.4, 0, 0], [0.4, 0, 0]], dtype=F64)
    v = torch.tensor([[-0.6, 0.5, 0], [0.2, 0.9, 0], [0, 0.9, 0]], dtype=F64)  # to 0.3, 0.6, 0.4 in the first pixel
    assert fooling_rate(fragile, x, v, bounds=(0, 1)) == pytest.approx(1 / 3)


def test_an_image_without_a_finite_slope_does_not_stop_the_others():
    class Broken(torch.autograd.Function):  # the slopes of the first image are NaN
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g * torch.where(torch.arange(len(g)) == 0, torch.nan, 1.0)[:, None]

    x = one_side(n=2)
    found = universal_ascent(
        lambda x: tilted(Broken.apply(x)), x, epsilon=5, step_size=0.1, epochs=1, bounds=WIDE, generator=stream()
    )
    assert_close(found.perturbation, 0.1 * -W.sign()[None])


@pytest.mark.parametrize("scale", [1e-5, 1e4])
def test_a_step_of_given_length_has_it_in_half_precision_too(scale):
    def steep(x):  # squares of these slopes vanish, or overflow, in float16
        score = scale * x.sum(dim=1, dtype=torch.float32)
        return torch.stack([score, -score], dim=1)

    x = torch.zeros(3, 100, dtype=torch.float16)
    found = universal_ascent(steep, x, epsilon=9, norm="l2", step_size=1, epochs=1, bounds=(-9, 9), generator=stream())
    assert found.perturbation.dtype == torch.float16
    assert_close(found.perturbation, torch.full((1, 100), -0.1, dtype=torch.float16), rtol=2e-3, atol=0)


def test_many_small_steps_are_not_lost_in_half_precision():
    # in bfloat16, 0.5 - 0.001 is 0.5 again; by hand, 100 steps of 0.001 beyond 0.5
    x = torch.full((1, 3), 0.5, dtype=torch.bfloat16)
    found = universal_ascent(
        lambda x: tilted(x).float(), x, epsilon=0.9, step_size=0.001, epochs=600, bounds=(-9, 9), generator=stream()
    )
    assert_close(found.perturbation.float().abs(), torch.full((1, 3), 0.6), rtol=0.01, atol=0)


def test_a_perturbation_in_another_precision_than_the_images_is_taken():
    x = torch.tensor([[0.1, 0, 0], [0.9, 0, 0]])
    layer = nn.Linear(3, 2)  # of float32, and refuses anything else
    with torch.no_grad():
        layer.weight.copy_(torch.stack([-W, W]))
        layer.bias.zero_()
    assert fooling_rate(layer, x, torch.tensor([[0, 0.5, 0]], dtype=F64)) == 0.5  # 0.3 - 2 and 2.7 - 2


def test_logits_that_no_gradient_reaches_are_named():
    def cut(x):
        return tilted(x.detach())

    for attack, more in ((universal_ascent, {"step_size": 0.1, "epochs": 1}), (universal_perturbation, {})):
        with pytest.raises(ValueError, match="the logits do not depend on the images"):
            attack(cut, X, epsilon=0.1, generator=stream(), **more)


@pytest.mark.parametrize("options", [{"candidates": 1}, {"overshoot": math.inf}, {"max_iter": 0}])
def test_what_deepfool_cannot_use_is_refused_before_the_model_is_asked(options):
    def untouched(x):
        raise AssertionError("asked")

    with pytest.raises(ValueError, match=next(iter(options))):
        universal_perturbation(untouched, X, epsilon=0.1, generator=stream(), **options)


@pytest.mark.parametrize("v", [torch.zeros(1, 3, dtype=torch.uint8), torch.tensor([[0.0, math.nan, 0.0]])])
def test_a_perturbation_of_bytes_or_without_numbers_is_refused(v):
    with pytest.raises(ValueError, match="v holds finite floats"):
        fooling_rate(tilted, X, v)


def test_small_pushes_are_not_lost_in_half_precision(monkeypatch):
    # in bfloat16, -0.5 - 0.001 is -0.5 again; by hand, 600 pushes of 0.001 from images that are never fooled
    def nudge(model, moved, **options):
        one = torch.ones(len(moved), dtype=torch.int64)
        return Attack(moved.float() - 0.001, one.bool(), one)

    monkeypatch.setattr(universal, "deepfool", nudge)
    x = torch.full((600, 3), 0.9, dtype=torch.bfloat16)
    found = universal_perturbation(
        lambda x: x + torch.tensor([9.0, 0, 0]), x, epsilon=0.9, max_epochs=1, generator=stream()
    )
    assert_close(found.perturbation.float(), torch.full((1, 3), -0.6), rtol=0.01, atol=0)


def test_a_model_that_writes_into_its_input_spoils_nothing():
    def writing(x):
        return tilted(x.mul_(2))

    x, before = one_side(), one_side()
    v = noise(1, 3, seed=9)
    assert fooling_rate(writing, x, v, bounds=WIDE) == fooling_rate(tilted, x, v, bounds=WIDE)
    options = {"epsilon": 0.05, "step_size": 0.01, "epochs": 2, "bounds": WIDE}
    found = universal_ascent(writing, x, generator=stream(), **options)
    plain = universal_ascent(lambda x: tilted(2 * x), x, generator=stream(), **options)
    assert_close(found.perturbation, plain.perturbation)
    assert found.history == plain.history
    assert torch.equal(x, before)


def test_an_image_without_a_finite_answer_is_not_pushed():
    def fragile(x):  # not finite at the second image, whose neighbors have answers
        return tilted(x) + torch.where(x[:, 2:] == 5, torch.nan, 0.0)

    near = one_side(n=1)
    x = torch.cat([near, torch.tensor([[3.0, 0.0, 5.0]], dtype=F64)])
    found = universal_perturbation(
        fragile, x, epsilon=9, norm="l2", batch_size=2, max_epochs=1, bounds=WIDE, generator=stream()
    )
    assert_close(found.perturbation, -1.02 * (near @ W)[:, None] * W / (W @ W))


@pytest.mark.parametrize("attack", ["ascent", "pushes"])
def test_the_rate_is_that_of_the_perturbation_as_returned_in_half_precision(attack):
    x = torch.rand(3000, 3, generator=stream(4)).to(torch.bfloat16)
    if attack == "ascent":
        found = universal_ascent(tilted, x, epsilon=0.3, norm="l2", step_size=0.1234, epochs=1, generator=stream(5))
    else:
        found = universal_perturbation(
            tilted, x, epsilon=0.3, norm="l2", max_epochs=1, batch_size=500, generator=stream(5)
        )
    assert found.fooling_rate == fooling_rate(tilted, x, found.perturbation)
