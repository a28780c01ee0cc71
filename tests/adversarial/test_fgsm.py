"""The fast gradient sign method and its twins against SciPy's solvers, 100,000 rivals, and linear models by hand."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from torch import nn
from torch.testing import assert_close

from adversarial.models import answers, images, linear, small_net
from common import F64, noise, stream
from dlbook.adversarial.attack import ascent
from dlbook.adversarial.fgsm import fgsm, steepest, stretch

NORMS = {"linf": torch.inf, "l2": 2, "l1": 1}


def lengths(step, norm):
    return torch.linalg.vector_norm(step.flatten(1), NORMS[norm], dim=1)


@pytest.mark.parametrize("epsilon", [0.03, 0.3, 1.0, 5.0])
def test_steps_reach_what_scipys_linear_and_quadratic_programs_reach(epsilon):
    x, g = images(3).flatten(1)[:, :11], noise(3, 11)
    g[:, 4] = 0
    for norm in NORMS:
        step = steepest(g, x, epsilon=epsilon, norm=norm)
        for xi, gi, ours in zip(x.numpy(), g.numpy(), step.numpy(), strict=True):
            if norm == "l2":
                problem = {"type": "ineq", "fun": lambda d: epsilon**2 - d @ d, "jac": lambda d: -2 * d}
                best = -minimize(
                    lambda d, gi=gi: -gi @ d, np.zeros(11), jac=lambda d, gi=gi: -gi, method="SLSQP",
                    bounds=list(zip(-xi, 1 - xi, strict=True)), constraints=problem, options={"ftol": 1e-13, "maxiter": 500},
                ).fun  # fmt: skip
            elif norm == "linf":
                best = -linprog(-gi, bounds=np.stack([np.fmax(-xi, -epsilon), np.fmin(1 - xi, epsilon)], axis=1)).fun
            else:  # d = up - down, with sum(up + down) <= epsilon
                walls = [(0, one) for one in (*(1 - xi), *xi)]
                best = -linprog(np.concatenate([-gi, gi]), np.ones((1, 22)), [epsilon], bounds=walls).fun
            assert gi @ ours == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("norm", NORMS)
def test_no_rival_of_a_hundred_thousand_gains_more(norm):
    x, g = torch.full((1, 13), 0.5, dtype=F64), noise(1, 13)
    step = steepest(g, x, epsilon=0.2, norm=norm)
    rivals = noise(100_000, 13, seed=1)
    rivals *= 0.2 / lengths(rivals, norm)[:, None]
    assert_close(lengths(step, norm), torch.tensor([0.2], dtype=F64))
    assert (rivals @ g[0]).max() < (step * g).sum()
    dual = {"linf": 1, "l2": 2, "l1": torch.inf}[norm]  # Hölder: the gain is epsilon times the dual norm
    assert_close((step * g).sum(), 0.2 * torch.linalg.vector_norm(g, dual))


@pytest.mark.parametrize("norm", NORMS)
def test_steps_stay_in_ball_and_box_and_leave_flat_pixels_alone(norm):
    x, g = images(5), noise(5, 2, 3, 5)
    g[:, 0, 0] = 0
    step = steepest(g, x, epsilon=0.7, norm=norm)
    assert (lengths(step, norm) <= 0.7 + 1e-12).all()
    assert ((x + step).clamp(0, 1) - (x + step)).abs().max() < 1e-12
    assert (step[:, 0, 0] == 0).all()
    assert (step * g >= 0).all()


def test_a_step_in_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm is one of linf, l2, l1, found 'l3'"):
        steepest(torch.ones(1, 2), torch.zeros(1, 2), epsilon=0.1, norm="l3")


def test_a_step_along_no_slope_is_none():
    for norm in NORMS:
        assert (steepest(torch.zeros(2, 3), torch.full((2, 3), 0.5), epsilon=1.0, norm=norm) == 0).all()


@pytest.mark.parametrize("scale", [1e-40, 1e30])
def test_the_length_of_the_slope_does_not_matter_even_where_its_square_is_no_float(scale):
    x, g = torch.full((1, 5), 0.5), noise(1, 5, dtype=torch.float32)
    for norm in NORMS:
        found = steepest(g * scale, x, epsilon=0.1, norm=norm)
        assert_close(found, steepest(g, x, epsilon=0.1, norm=norm), rtol=1e-2, atol=1e-5)


def test_stretch_by_hand():
    # (1, 2) without walls: length 5 at t = √5;  with a wall at 1 the first stops there: 1, √24;  most = 1: (1, 2) itself
    d, far, near = torch.tensor([[1.0, 2]]), torch.tensor([[9.0, 9]]), torch.tensor([[1.0, 9]])
    assert_close(stretch(d, -far, far, epsilon=5), 5**0.5 * d)
    assert_close(stretch(d, -far, near, epsilon=5), torch.tensor([[1, 24**0.5]]))
    assert_close(stretch(d, -far, far, epsilon=5, most=1), d)
    assert_close(stretch(-d, -near, far, epsilon=5), -torch.tensor([[1, 24**0.5]]))
    assert_close(stretch(d, -far, torch.tensor([[1.0, 2]]), epsilon=5), d)  # both at their walls


def test_sums_do_not_round_past_bounds_that_floats_cannot_hold():
    net, x = nn.Flatten(), torch.rand(40, 5000, generator=stream()) * 0.6 + 0.1
    bounds = x.amin().item() - 1e-3, x.amax().item() + 1e-3
    y = x.argmax(dim=1)
    for norm, epsilon in (("linf", 1.0), ("l2", 50.0), ("l1", 5000.0)):
        found = fgsm(net, x, y, epsilon=epsilon, norm=norm, bounds=bounds).adversarial
        assert found.double().amin() >= torch.tensor(bounds[0]).double()
        assert found.double().amax() <= torch.tensor(bounds[1]).double()


def test_linear_model_by_hand():
    # w = (3, -4), x = (1/2, 1/2): score -1/2, class 0.  Up the loss is +w: epsilon 0.1 gives -1/2 + 0.7 = 0.2 > 0
    model, x, y = linear(torch.tensor([3.0, -4])), torch.tensor([[0.5, 0.5]]), torch.tensor([0])
    attack = fgsm(model, x, y, epsilon=0.1)
    assert_close(attack.adversarial, torch.tensor([[0.6, 0.4]]))
    assert attack.success.tolist() == [True]
    assert attack.iterations.tolist() == [1]
    assert not fgsm(model, x, y, epsilon=0.07).success  # -1/2 + 0.49
    assert fgsm(model, x, y, epsilon=0.11, norm="l2").success  # -1/2 + 0.55
    assert not fgsm(model, x, y, epsilon=0.09, norm="l2").success  # -1/2 + 0.45
    assert fgsm(model, x, y, epsilon=0.13, norm="l1").success  # -1/2 + 0.52
    assert not fgsm(model, x, y, epsilon=0.12, norm="l1").success  # -1/2 + 0.48


@pytest.mark.parametrize("targeted", [False, True])
def test_the_step_is_eps_sign_of_the_gradient_of_the_model_in_evaluation(targeted):
    net, x, y = small_net(), images(5), torch.tensor([0, 1, 2, 3, 6])
    found = fgsm(net, x, y, epsilon=0.1, targeted=targeted)
    slope, _ = ascent(net.eval(), x, y, targeted=targeted)
    assert_close(found.adversarial, (x + 0.1 * slope.sign()).clamp(0, 1))
    was, now = answers(net, x), answers(net, found.adversarial)
    expected = (now == y) & (was != y) if targeted else (now != y) & (was == y)
    assert found.success.equal(expected)


def test_half_precision_is_rounded_once_at_the_end():
    x, w = images(9, dtype=torch.bfloat16), noise(30).to(torch.bfloat16)
    model = linear(w)
    y = answers(model, x)
    up = (1 - 2 * y).view(9, 1, 1, 1) * w.sign().view(2, 3, 5)  # away from the answer
    expected = (x.float() + 0.1 * up.float()).clamp(0, 1).to(torch.bfloat16)
    assert fgsm(model, x, y, epsilon=0.1).adversarial.equal(expected)


def test_targeted_with_two_classes_goes_where_untargeted_goes():
    model, x = linear(noise(30)), images(7)
    y = answers(model, x)
    one, other = fgsm(model, x, y, epsilon=0.1), fgsm(model, x, 1 - y, epsilon=0.1, targeted=True)
    assert_close(one.adversarial, other.adversarial)
    assert one.success.equal(other.success)
    assert one.success.any()


def test_wrong_labels_are_no_success():
    net, x = small_net(), images(40)
    attack = fgsm(net, x, (answers(net, x) + 1) % 7, epsilon=0.0)
    assert not attack.success.any()
    assert not fgsm(net, x, answers(net, x), epsilon=0.0, targeted=True).success.any()


def test_each_image_by_itself_gives_the_batch():
    net, x = small_net(), images(5)
    y = answers(net, x)
    for norm in NORMS:
        whole = fgsm(net, x, y, epsilon=0.3, norm=norm)
        parts = [fgsm(net, x[i : i + 1], y[i : i + 1], epsilon=0.3, norm=norm).adversarial for i in range(5)]
        assert_close(whole.adversarial, torch.cat(parts))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_same_without_gradients_around_and_nothing_is_left_behind(context):
    net, x = small_net(), images(5)
    y, state = answers(net, x), {name: value.clone() for name, value in net.state_dict().items()}
    expected = fgsm(net, x, y, epsilon=0.3)
    with context():
        copy, labels = x.clone(), y.clone()
        found = fgsm(net, copy, labels, epsilon=0.3)
        assert copy.equal(x)
    assert found.adversarial.equal(expected.adversarial)
    assert not found.adversarial.requires_grad
    assert net.training
    assert all(value.equal(state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64])
def test_dtypes_and_bounds_are_kept(dtype):
    net, x = small_net(dtype=dtype), 2 * images(5, dtype=dtype) - 1
    for norm in NORMS:
        found = fgsm(net, x, torch.zeros(5, dtype=torch.int64), epsilon=0.5, norm=norm, bounds=(-1, 1)).adversarial
        assert found.dtype == dtype
        assert found.amin() >= -1
        assert found.amax() <= 1
        assert (lengths((found - x).double(), norm) < 0.5 + 30 * torch.finfo(dtype).eps).all()


def test_no_images_are_attacked_without_asking_the_model():
    def never(x):
        raise AssertionError

    found = fgsm(never, torch.zeros(0, 3, 5), torch.zeros(0, dtype=torch.int64), epsilon=0.1)
    assert found.adversarial.shape == (0, 3, 5)
    assert found.success.dtype == torch.bool
    assert found.iterations.shape == (0,)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": -1.0}, "epsilon"),
        ({"norm": "max"}, "norm is one of linf, l2, l1"),
        ({"bounds": (0.2, 1)}, "pixels of x"),
        ({"y": torch.zeros(3)}, "int64"),
        ({"y": torch.tensor([7, 0, 0])}, r"0\.\.6"),
        ({"y": torch.zeros(2, dtype=torch.int64)}, "found shape"),
    ],
)
def test_bad_input_is_named(change, words):
    given = {"x": images(3), "y": torch.zeros(3, dtype=torch.int64), "epsilon": 0.1} | change
    with pytest.raises(ValueError, match=words):
        fgsm(small_net(), **given)


def test_gradients_that_are_no_numbers_leave_pixels_alone():
    def model(x):
        return torch.stack([x[:, 0].sqrt() * 0 + x[:, 1], 0 * x[:, 1]], dim=1)

    x = torch.tensor([[0.0, 0.5]])
    for norm in NORMS:
        found = fgsm(model, x, torch.tensor([0]), epsilon=0.1, norm=norm).adversarial
        assert_close(found, torch.tensor([[0.0, 0.4]]))


def test_a_fooled_net_of_one_layer_is_fooled_at_the_exact_radius():
    # for two classes and pixels far from the bounds the least epsilon is |score| / ‖w‖ of the dual norm
    layer = nn.Linear(17, 2).double()
    x = 0.4 + 0.2 * torch.rand(19, 17, generator=stream(), dtype=F64)
    w = (layer.weight[1] - layer.weight[0]).detach()
    score = (layer(x)[:, 1] - layer(x)[:, 0]).detach().abs()
    y = layer(x).argmax(dim=1)
    for norm, dual in (("linf", 1), ("l2", 2), ("l1", torch.inf)):
        radius = score / torch.linalg.vector_norm(w, dual)
        for i in (radius < 0.3).nonzero()[:, 0].tolist():
            one = x[i : i + 1], y[i : i + 1]
            assert fgsm(layer, *one, epsilon=radius[i].item() * 1.001, norm=norm, bounds=(-9, 9)).success
            assert not fgsm(layer, *one, epsilon=radius[i].item() * 0.999, norm=norm, bounds=(-9, 9)).success
