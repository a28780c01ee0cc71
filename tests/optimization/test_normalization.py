"""Batch normalization against torch in float64, rows worked by hand, finite differences and its laws."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, composes, noise, shaken
from dlbook.optimization.normalization import BatchNorm, batch_norm, batch_norm_backward

SHAPES = {"1d": (7, 5), "1d with steps": (7, 5, 3), "2d": (7, 5, 3, 2), "3d": (2, 5, 3, 2, 3)}
THEIRS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
OPTIONS = [{}, {"eps": 0.1, "momentum": 0.3}, {"momentum": None}, {"affine": False}, {"track_running_stats": False}]


def pair(shape, options):
    """Return our layer and torch's with the same, shaken, state."""
    ours = shaken(BatchNorm(5, **options))
    theirs = THEIRS[len(shape)](5, **options, dtype=F64)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def test_four_numbers_by_hand():
    # 1, 3, 5, 7: mean 4, variance (9 + 1 + 1 + 9) / 4 = 5; with γ = 2, β = 1: 1 + 2 (x - 4) / √5
    x = torch.tensor([[1.0], [3.0], [5.0], [7.0]], dtype=F64)
    found = batch_norm(x, torch.tensor([2.0]), torch.tensor([1.0]), eps=0.0)
    assert_close(found.output, 1 + 2 * (x - 4) / math.sqrt(5))
    assert found.mean.item() == 4
    assert found.var.item() == 5
    assert_close(batch_norm(x, eps=4.0).output, (x - 4) / 3)  # √(5 + 4)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_matches_torch_in_training_and_evaluation_and_exchanges_states(shape, options):
    ours, theirs = pair(shape, options)
    for seed in range(3):
        x = (1 + 2 * noise(*shape, seed=seed)).requires_grad_()
        assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
        target = noise(*shape, seed=9)
        gradients = [torch.autograd.grad((m(x) * target).sum(), [x, *m.parameters()]) for m in (ours, theirs)]
        for a, b in zip(*gradients, strict=True):
            assert_close(a, b, rtol=1e-10, atol=1e-12)
    for name, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[name], value, rtol=1e-12, atol=1e-12)
    for model in (ours, theirs):
        model.eval()
    assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_function_is_the_module_in_training(shape):
    layer = shaken(BatchNorm(5, eps=0.1))
    x = 1 + 2 * noise(*shape)
    found = batch_norm(x, layer.weight, layer.bias, eps=0.1)
    assert_close(found.output, layer(x), rtol=1e-12, atol=1e-12)
    values = x.movedim(1, 0).reshape(5, -1)
    assert_close(found.mean, values.mean(dim=1))
    assert_close(found.var, values.var(dim=1, correction=0))


def test_a_gradient_at_one_of_four_outputs_by_hand():
    # g = (1, 0, 0, 0), x̂ = (-3, -1, 1, 3) / √5: g - 1/4 + 3 / (4 √5) x̂ = (0.3, -0.4, -0.1, 0.2)
    x = torch.tensor([[1.0], [3.0], [5.0], [7.0]], dtype=F64)
    found = batch_norm_backward(torch.tensor([[1.0], [0], [0], [0]], dtype=F64), x, eps=0.0)
    assert_close(found.x, torch.tensor([[0.3], [-0.4], [-0.1], [0.2]], dtype=F64) / math.sqrt(5))
    assert_close(found.weight, torch.tensor([-3.0], dtype=F64) / math.sqrt(5))
    assert found.bias.item() == 1


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradients_by_hand_are_autograds(shape):
    x, weight, bias = noise(*shape).requires_grad_(), noise(5, seed=1).requires_grad_(), noise(5, seed=2)
    bias.requires_grad_()
    grad = noise(*shape, seed=3)
    expected = torch.autograd.grad(batch_norm(x, weight, bias, eps=0.1).output, (x, weight, bias), grad)
    for a, b in zip(batch_norm_backward(grad, x, weight, eps=0.1), expected, strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-12)
    (plain,) = torch.autograd.grad(batch_norm(x).output, x, grad)
    assert_close(batch_norm_backward(grad, x).x, plain, rtol=1e-10, atol=1e-12)


def test_gradients_by_finite_differences():
    inputs = [one.requires_grad_() for one in (noise(3, 2, 5), noise(2, seed=1), noise(2, seed=2))]
    assert torch.autograd.gradcheck(lambda *a: batch_norm(*a).output, inputs)


def test_running_variance_is_unbiased_and_evaluation_uses_it():
    layer = BatchNorm(1, momentum=1.0, eps=1e-12, dtype=F64)
    x = torch.tensor([[1.0], [3.0], [5.0], [7.0]], dtype=F64)
    layer(x)
    assert layer.running_var.item() == pytest.approx(20 / 3)
    assert_close(layer.eval()(x), (x - 4) / math.sqrt(20 / 3))
    assert layer.num_batches_tracked.item() == 1


def test_momentum_none_is_the_mean_of_all_batches():
    layer = BatchNorm(5, momentum=None, dtype=F64)
    batches = [noise(7, 5, seed=seed) for seed in range(4)]
    for x in batches:
        layer(x)
    assert_close(layer.running_mean, torch.stack([x.mean(dim=0) for x in batches]).mean(dim=0))
    assert_close(layer.running_var, torch.stack([x.var(dim=0) for x in batches]).mean(dim=0))


def test_scale_and_shift_of_the_input_change_nothing_and_gradients_shrink_with_the_scale():
    x, grad = noise(7, 5), noise(7, 5, seed=1)
    assert_close(batch_norm(10 * x + 3, eps=0.0).output, batch_norm(x, eps=0.0).output)
    small, large = (batch_norm_backward(grad, c * x, eps=0.0).x for c in (1.0, 10.0))
    assert_close(large, small / 10)
    assert_close(small.sum(dim=0), torch.zeros(5, dtype=F64), atol=1e-12, rtol=0)
    assert_close((small * x).sum(dim=0), torch.zeros(5, dtype=F64), atol=1e-12, rtol=0)


def test_a_batch_of_one_gives_the_bias_and_the_module_refuses_it():
    bias = noise(5)
    assert_close(batch_norm(noise(1, 5), noise(5, seed=1), bias).output, bias[None])
    layer = BatchNorm(5, dtype=F64)
    with pytest.raises(ValueError, match=r"need two values a channel, found shape \(1, 5\)"):
        layer(noise(1, 5))
    assert layer.num_batches_tracked.item() == 0
    assert layer.eval()(noise(1, 5)).shape == (1, 5)
    assert layer.train()(noise(1, 5, 2)).shape == (1, 5, 2)  # two places will do


@pytest.mark.parametrize("momentum", [0.1, None])
def test_composes_with_torch(momentum):
    layer = BatchNorm(5, momentum=momentum)
    x = noise(7, 5, 3, dtype=torch.float32)
    fresh = copy.deepcopy(layer)
    wanted = layer(x)
    assert_close(torch.compile(fresh, fullgraph=True, backend="eager")(x), wanted)
    assert_close(fresh.running_var, layer.running_var)
    assert not layer.running_var.requires_grad
    layer.eval()
    composes(layer, x)
    assert BatchNorm(5, device="meta")(torch.zeros(2, 5, device="meta")).shape == (2, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.train()(x).isfinite().all()
    assert BatchNorm(5).to(torch.bfloat16)(x.bfloat16()).dtype == torch.bfloat16
    assert repr(BatchNorm(5)).startswith("BatchNorm(5, eps=1e-05, momentum=0.1, affine=True")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: BatchNorm(0), "num_features is at least 1, found 0"),
        (lambda: BatchNorm(5)(torch.zeros(2, 3)), r"x is \(b, 5, ...\), found shape \(2, 3\)"),
        (lambda: BatchNorm(5)(torch.zeros(5)), r"x is \(b, 5, ...\), found shape \(5,\)"),
        (lambda: batch_norm(torch.zeros(5)), r"x is \(b, c, ...\), found shape \(5,\)"),
        (lambda: batch_norm(torch.zeros(2, 5), torch.ones(1)), r"weight is \(5,\), found shape \(1,\)"),
        (lambda: batch_norm(torch.zeros(2, 1), None, torch.ones(5)), r"bias is \(1,\), found shape \(5,\)"),
        (lambda: batch_norm_backward(torch.zeros(2, 1), torch.zeros(2, 1), torch.ones(5)), r"weight is \(1,\), found"),
        (lambda: batch_norm_backward(torch.zeros(2, 5), torch.zeros(2, 3)), r"grad is like x, \(2, 3\), found"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_starts_as_torch_starts():
    for name, value in nn.BatchNorm1d(3).state_dict().items():
        assert torch.equal(BatchNorm(3).state_dict()[name], value)
        assert BatchNorm(3).state_dict()[name].dtype == value.dtype


def test_without_a_bias_it_is_the_layer_whose_bias_is_zero():
    ours, theirs = BatchNorm(5, bias=False, dtype=F64), nn.BatchNorm1d(5, dtype=F64)
    assert "bias" not in ours.state_dict()
    x = noise(7, 5)
    assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    assert BatchNorm(5, affine=False).bias is None


def test_a_gradient_of_another_batch_is_refused():
    with pytest.raises(ValueError, match="grad is like x"):
        batch_norm_backward(torch.zeros(1, 5), torch.zeros(2, 5))
