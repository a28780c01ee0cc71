"""What attacks share: refusals in words, models left as they were, gradients against central differences."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from adversarial.models import images, small_net
from common import F64
from dlbook.adversarial.attack import (
    ascent,
    check_budget,
    check_images,
    check_labels,
    check_norm,
    logits,
    turned,
    undisturbed,
)


def test_modes_come_back_one_by_one_even_after_an_error():
    net = small_net()
    net[1].eval()
    modes = [module.training for module in net.modules()]
    try:
        with undisturbed(net):
            assert not any(module.training for module in net.modules())
            raise KeyError
    except KeyError:
        pass
    assert [module.training for module in net.modules()] == modes


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_are_on_inside_and_off_again_outside(context):
    with context():
        with undisturbed(lambda x: x):
            assert torch.is_grad_enabled()
            assert not torch.is_inference_mode_enabled()
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("targeted", [False, True])
def test_ascent_is_the_central_difference_of_each_images_own_loss(targeted):
    net, x, y, h = small_net().eval(), images(3), torch.tensor([0, 6, 2]), 1e-6
    slope, answer = ascent(net, x, y, targeted=targeted)
    assert_close(answer, net(x).detach())
    sign = -1 if targeted else 1
    for i in range(30):
        step = torch.zeros(30, dtype=F64)
        step[i] = h
        up, down = (F.cross_entropy(net(x + s * step.view(2, 3, 5)), y, reduction="none") for s in (1, -1))
        assert_close(slope.flatten(1)[:, i], sign * (up - down).detach() / (2 * h), rtol=1e-5, atol=1e-7)


def test_ascent_leaves_parameters_and_images_without_gradients():
    net, x = small_net().eval(), images(2).requires_grad_()
    slope, answer = ascent(net, x, torch.tensor([1, 2]), targeted=False)
    assert x.grad is None
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert not slope.requires_grad
    assert not answer.requires_grad


def test_ascent_turns_slopes_that_are_not_finite_into_zeros():
    def model(x):  # the slope of a root is infinite at zero, that of 0 · root no number
        return torch.stack([x[:, 0].sqrt() + x[:, 1], 0 * x[:, 0].sqrt()], dim=1)

    slope, _ = ascent(model, torch.tensor([[0.0, 0.5]]), torch.tensor([0]), targeted=False)
    assert slope[0, 0] == 0
    assert_close(slope[0, 1], -1 / (1 + torch.tensor(0.5).exp()))


def test_ascent_does_not_ask_for_the_gradients_of_the_tensor_that_it_was_handed():
    x = images(2)
    ascent(small_net().eval(), x, torch.tensor([1, 2]), targeted=False)
    assert not x.requires_grad


def test_ascent_turns_infinite_slopes_into_zeros():
    def model(x):
        return torch.stack([x[:, 0].sqrt() + x[:, 1], 0 * x[:, 1]], dim=1)

    slope, _ = ascent(model, torch.tensor([[0.0, 0.5]]), torch.tensor([0]), targeted=False)
    assert slope[0, 0] == 0


def test_ascent_computes_the_loss_in_double_precision_and_in_no_less_than_single():
    x, y = torch.linspace(-3, 4, 12, dtype=F64).view(2, 6), torch.tensor([5, 1])
    expected = x.softmax(dim=1) - F.one_hot(y, 6)  # the slope of the cross-entropy by the logits
    assert_close(ascent(lambda x: x, x, y, targeted=False)[0], expected, rtol=1e-13, atol=1e-15)
    half = x.to(torch.bfloat16)
    expected = (half.float().softmax(dim=1) - F.one_hot(y, 6)).to(torch.bfloat16)
    assert ascent(lambda x: x, half, y, targeted=False)[0].equal(expected)


def test_ascent_refuses_classes_that_the_model_does_not_have():
    with pytest.raises(ValueError, match=r"0\.\.6"):
        ascent(small_net().eval(), images(2), torch.tensor([0, 7]), targeted=False)


def test_ascent_refuses_a_model_without_slopes():
    with pytest.raises(ValueError, match="autograd can follow"):
        ascent(lambda x: (x > 0.5).double(), images(2).flatten(1), torch.tensor([0, 1]), targeted=False)


def test_ascent_in_half_precision_has_the_dtype_of_the_images():
    net, x = small_net(dtype=torch.bfloat16).eval(), images(2, dtype=torch.bfloat16)
    assert ascent(net, x, torch.tensor([1, 2]), targeted=False)[0].dtype == torch.bfloat16


def test_turned_by_enumeration_and_never_by_what_is_no_number():
    answer = torch.tensor([[1.0, 0], [0, 1], [math.nan, 0], [0, math.inf]])
    y = torch.tensor([0, 0, 0, 1])
    assert turned(answer, y, targeted=False).tolist() == [False, True, False, False]
    assert turned(answer, y, targeted=True).tolist() == [True, False, False, False]
    assert turned(answer, 1 - y, targeted=False).tolist() == [True, False, False, False]


@pytest.mark.parametrize("size", [-0.1, math.inf, math.nan])
def test_budgets_are_finite_and_not_negative(size):
    with pytest.raises(ValueError, match=r"epsilon is a finite size .* found"):
        check_budget(epsilon=size)
    check_budget(epsilon=0, other=2.5)


@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (0, math.inf), (math.nan, 1)])
def test_bounds_are_two_finite_numbers_in_order(bounds):
    with pytest.raises(ValueError, match="lesser first"):
        check_images(torch.full((1, 2), 0.5), bounds)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.tensor([0.5]), "batch"),
        (torch.zeros(1, 2, dtype=torch.uint8), "x / 255"),
        (torch.tensor([[0.5, 1.01]]), "found 0.5 to 1.01"),
        (torch.tensor([[-0.01, 1.0]]), "found -0.01 to 1"),
        (torch.tensor([[math.nan, 1.0]]), "found nan"),
        ([[0.5, 1.0]], "a tensor, found list"),
    ],
)
def test_images_are_a_batch_of_floats_inside_the_bounds(x, words):
    with pytest.raises(ValueError, match=words):
        check_images(x, (0, 1))


def test_images_on_the_bounds_and_no_images_pass():
    check_images(torch.tensor([[-1.0, 2.0]]), (-1, 2))
    check_images(torch.zeros(0, 3), (0, 1))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (torch.zeros(3, dtype=torch.int64), "found shape"),
        (torch.zeros(2, dtype=torch.int32), "int64"),
        ([0, 1], "a tensor, found list"),
    ],
)
def test_labels_are_one_number_an_image(y, words):
    with pytest.raises(ValueError, match=words):
        check_labels(y, torch.zeros(2, 5))


def test_labels_by_another_name_and_the_second_of_two_budgets_are_named_too():
    with pytest.raises(ValueError, match="target holds class numbers"):
        check_labels(torch.zeros(2), torch.zeros(2, 5), name="target")
    with pytest.raises(ValueError, match="step_size is a finite size"):
        check_budget(epsilon=0.1, step_size=-1.0)


@pytest.mark.parametrize("y", [[0, 5], [-1, 0]])
def test_logits_refuses_classes_that_the_model_does_not_have(y):
    with pytest.raises(ValueError, match=r"0\.\.4"):
        logits(lambda x: x, torch.zeros(2, 5), torch.tensor(y))


@pytest.mark.parametrize("shape", [(2,), (3, 5), (2, 1), (2, 5, 1)])
def test_logits_refuses_answers_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"the model returns logits \(2, k\)"):
        logits(lambda x: torch.zeros(shape), torch.zeros(2, 5))


def test_norms_are_named():
    with pytest.raises(ValueError, match="norm is one of linf, found 2"):
        check_norm(2, "linf")
    with pytest.raises(ValueError, match="norm is one of linf, l2, found 'l3'"):
        check_norm("l3", "linf", "l2")


def test_undisturbed_takes_functions_as_well_as_modules():
    with undisturbed(nn.Dropout()), undisturbed(lambda x: x):
        pass
