"""Szegedy's attack: the penalized problem against its closed form, the search for c against the least distance."""

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from scipy.special import expit
from torch.testing import assert_close

from adversarial.models import answers, images, linear, small_net
from common import F64, noise, stream
from dlbook.adversarial.lbfgs import lbfgs, penalized
from dlbook.adversarial.pgd import pgd


@pytest.mark.parametrize("c", [0.03, 0.5, 4.0])
def test_penalized_problem_of_a_linear_model_has_its_root_by_brent(c):
    # two classes, far from the bounds: r = t w, and t solves 2 c t = sigma(-(w·x + t ‖w‖²))
    w, x = noise(30), 0.4 + 0.2 * torch.rand(1, 2, 3, 5, generator=stream(), dtype=F64)
    score, square = (x.flatten() @ w).item(), (w @ w).item()
    t = brentq(lambda t: 2 * c * t - expit(-(score + t * square)), 0, 100, xtol=1e-14)
    found, count = penalized(linear(w), x, torch.tensor([1]), c=c, max_iter=200, bounds=(-99, 99))
    assert_close(found.flatten(), x.flatten() + t * w, atol=1e-4, rtol=0)
    assert count > 1


def test_penalized_problem_counts_the_bounds_in():
    # pixel 0 would rise but is white: it stays, and pixel 1 has the root of its own
    w, x, c = torch.tensor([2.0, -3.0], dtype=F64), torch.tensor([[1.0, 0.9]], dtype=F64), 0.5
    t = brentq(lambda t: 2 * c * t - 3 * expit(-(2 - 3 * (0.9 - t))), 0, 0.9)
    found, _ = penalized(linear(w), x, torch.tensor([1]), c=c)
    assert_close(found, torch.tensor([[1.0, 0.9 - t]], dtype=F64), atol=1e-5, rtol=0)


def test_distance_approaches_that_to_the_hyperplane():
    w, x = noise(30), 0.4 + 0.2 * torch.rand(7, 2, 3, 5, generator=stream(), dtype=F64)
    model = linear(w)
    least = (x.flatten(1) @ w).abs() / w.norm()
    target = 1 - answers(model, x)
    short, long = (lbfgs(model, x, target, searches=n, bounds=(-9, 9)) for n in (4, 16))
    for found in (short, long):
        assert found.success.all()
        assert answers(model, found.adversarial).equal(target)
        assert ((found.adversarial - x).flatten(1).norm(dim=1) >= least).all()
    assert_close((long.adversarial - x).flatten(1).norm(dim=1), least, rtol=0.02, atol=1e-3)
    assert (short.iterations < long.iterations).all()


@pytest.mark.parametrize("c", [1e-3, 1.0, 1e3])
def test_the_search_finds_its_way_from_any_c(c):
    net, x = small_net(), images(2)
    target = (answers(net, x) + 2) % 7
    found = lbfgs(net, x, target, c=c, searches=12)
    assert found.success.all()
    reference = lbfgs(net, x, target, searches=12)
    size, other = ((one.adversarial - x).flatten(1).norm(dim=1) for one in (found, reference))
    assert_close(size, other, rtol=0.05, atol=0.01)


def test_shorter_than_what_projected_gradients_need():
    net, x = small_net(), images(3)
    target = (answers(net, x) + 1) % 7
    found = lbfgs(net, x, target, searches=12)
    size = (found.adversarial - x).flatten(1).norm(dim=1)
    for i in range(3):
        one = x[i : i + 1], target[i : i + 1]
        less = pgd(net, *one, epsilon=0.85 * size[i].item(), norm="l2", steps=60, targeted=True, random_start=False)
        assert not less.success


def test_an_image_that_is_the_target_already_stays_and_is_no_success():
    net, x = small_net(), images(3)
    found = lbfgs(net, x, answers(net, x))
    assert found.adversarial.equal(x)
    assert not found.success.any()
    assert not found.iterations.any()


def test_a_target_out_of_reach_leaves_the_image_as_it_was():
    def model(x):  # class 1 never wins
        return torch.stack([x.mean(dim=1), x.mean(dim=1) - 1], dim=1)

    x = torch.tensor([[0.2, 0.7]])
    found = lbfgs(model, x, torch.tensor([1]), searches=3)
    assert found.adversarial.equal(x)
    assert not found.success
    assert found.iterations > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, F64])
def test_dtypes_and_bounds_are_kept_and_success_is_that_of_the_rounded_image(dtype):
    net, x = small_net(dtype=dtype), 2 * images(3, dtype=dtype) - 1
    target = (answers(net, x) + 3) % 7
    found = lbfgs(net, x, target, bounds=(-1, 1))
    assert found.adversarial.dtype == dtype
    assert found.adversarial.amin() >= -1
    assert found.adversarial.amax() <= 1
    assert found.success.any()
    assert answers(net, found.adversarial)[found.success].equal(target[found.success])


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_the_same_without_gradients_around_and_nothing_is_left_behind(context):
    net, x = small_net(), images(2)
    target, state = (answers(net, x) + 1) % 7, {name: value.clone() for name, value in net.state_dict().items()}
    expected = lbfgs(net, x, target)
    with context():
        copy, labels = x.clone(), target.clone()
        found = lbfgs(net, copy, labels)
        assert copy.equal(x)
    assert found.adversarial.equal(expected.adversarial)
    assert not found.adversarial.requires_grad
    assert net.training
    assert all(value.equal(state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_each_image_by_itself_gives_the_batch():
    net, x = small_net(), images(2)
    target = (answers(net, x) + 1) % 7
    whole = lbfgs(net, x, target, searches=4).adversarial
    parts = [lbfgs(net, x[i : i + 1], target[i : i + 1], searches=4).adversarial for i in range(2)]
    assert_close(whole, torch.cat(parts))


def test_numbers_that_are_none_end_nothing():
    def model(x):
        return torch.stack([x[:, 0].sqrt() * 0 + x[:, 1], 0 * x[:, 1]], dim=1)

    found = lbfgs(model, torch.tensor([[0.0, 0.5]]), torch.tensor([1]))
    assert found.adversarial.isfinite().all()


def test_no_images_are_attacked_without_asking_the_model():
    def never(x):
        raise AssertionError

    found = lbfgs(never, torch.zeros(0, 3, 5), torch.zeros(0, dtype=torch.int64))
    assert found.adversarial.shape == (0, 3, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"c": 0.0}, "c=0"),
        ({"c": -1.0}, "c=-1"),
        ({"c": float("inf")}, "c=inf"),
        ({"c": float("nan")}, "c=nan"),
        ({"searches": 0}, "searches=0"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"bounds": (0.2, 1)}, "pixels of x"),
        ({"target": torch.zeros(3)}, "target holds class numbers"),
        ({"target": torch.tensor([7, 0, 0])}, r"0\.\.6"),
    ],
)
def test_bad_input_is_named(change, words):
    given = {"x": images(3), "target": torch.zeros(3, dtype=torch.int64)} | change
    with pytest.raises(ValueError, match=words):
        lbfgs(small_net(), **given)


def test_the_penalized_problem_is_that_of_one_image():
    with pytest.raises(ValueError, match="one image"):
        penalized(small_net(), images(2), torch.tensor([1, 2]), c=1.0)


def test_the_loss_counts_in_nats():
    # at the minimum the slope of the loss is that of -c r²
    net, x, target = small_net().eval(), images(1), torch.tensor([3])
    found, _ = penalized(net, x, target, c=0.7, max_iter=300, bounds=(-9, 9))
    moved = found.requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(net(moved), target), moved)
    assert_close(slope, -1.4 * (found.detach() - x), atol=2e-3, rtol=0)
