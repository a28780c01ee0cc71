# ruff: noqa: E731 (a question is a lambda, as on the page)
"""Backward rules against transposed layers of torch, backward hooks and answers worked by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.lenet import ModernLeNet
from dlbook.convolution.rectifiers import RULES, back, deconvnet, gradient, guided_backpropagation


def net(*layers, seed=0):
    model = nn.Sequential(*layers).to(F64)
    generator = stream(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=F64))
    return model.eval()


def test_without_a_rectifier_all_three_rules_are_the_gradient():
    layers = nn.Conv2d(2, 5, 3, stride=2), nn.BatchNorm2d(5), nn.MaxPool2d(2), nn.Conv2d(5, 3, 2)
    model = net(*layers, nn.Flatten(), nn.Linear(3 * 2 * 3, 7))
    model[1].running_mean.copy_(noise(5, seed=2))
    x = noise(3, 2, 14, 19, seed=1)
    f = lambda x: model(x)[:, 4]
    found = [back(f, x, rule) for rule in RULES]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    leaf = x.clone().requires_grad_()
    (by_autograd,) = torch.autograd.grad(f(leaf).sum(), leaf)
    assert torch.equal(found[0], by_autograd)


def test_gradient_matches_central_differences():
    model = net(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 2 * 3, 5))
    x = noise(1, 2, 7, 9, seed=1)
    f = lambda x: model(x)[:, 3]
    step, found = 1e-6, torch.empty_like(x)
    for i in range(x.numel()):
        change = torch.zeros(x.numel(), dtype=F64)
        change[i] = step
        change = change.reshape(x.shape)
        found.view(-1)[i] = (f(x + change) - f(x - change)).item() / (2 * step)
    assert_close(gradient(f, x), found, rtol=1e-6, atol=1e-8)


def test_rules_worked_by_hand():
    # units (x1 - x2, x2, -x1) at x = (3, 1): (2, 1, -3); the reader weighs them (1, -2, 4)
    w1 = torch.tensor([[1.0, -1.0], [0.0, 1.0], [-1.0, 0.0]])
    x = torch.tensor([[[[3.0, 1.0]]]])
    f = lambda x: F.relu(x.flatten(1) @ w1.T) @ torch.tensor([1.0, -2.0, 4.0])
    # gradient: units 1 and 2 pass: (1, -1) - 2 (0, 1); deconvnet: signals 1 and 4: (1, -1) + 4 (-1, 0); guided: unit 1
    for rule, answer in (("gradient", [1.0, -3.0]), ("deconvnet", [-3.0, -1.0]), ("guided", [1.0, -1.0])):
        assert back(f, x, rule).flatten().tolist() == answer


def test_deconvnet_is_unpooling_rectifying_and_transposed_filters():
    conv1, conv2 = net(nn.Conv2d(2, 5, 3))[0], net(nn.Conv2d(5, 3, 2, stride=2), seed=1)[0]
    x = noise(1, 2, 12, 14, seed=2)

    def unit(x):
        return F.relu(conv2(F.max_pool2d(F.relu(conv1(x)), 2)))[:, 1].amax(dim=(1, 2))

    with torch.no_grad():
        h1 = F.relu(conv1(x))
        pooled, switches = F.max_pool2d(h1, 2, return_indices=True)
        h2 = F.relu(conv2(pooled))
        only = torch.zeros_like(h2)  # "set all other activations in the layer to zero"
        at = h2[0, 1].argmax()
        only[0, 1].view(-1)[at] = h2[0, 1].flatten()[at]
        down = F.conv_transpose2d(F.relu(only), conv2.weight, stride=2, output_padding=(1, 0))
        down = F.max_unpool2d(down, switches, 2, output_size=h1.shape[-2:])
        down = F.conv_transpose2d(F.relu(down), conv1.weight)
    assert_close(unit(x) * deconvnet(unit, x), down)


def test_deconvnet_does_not_ask_which_units_were_on():
    # without pooling the image does not enter at all: two transposed convolutions and a rectifier between them
    model = net(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Conv2d(5, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 4))
    readout = model[5].weight[1].reshape(1, 3, 3, 4)
    with torch.no_grad():
        down = F.conv_transpose2d(readout.clamp(min=0), model[2].weight)
        down = F.conv_transpose2d(down.clamp(min=0), model[0].weight)
    f = lambda x: model(x)[:, 1]
    x = noise(2, 2, 6, 7, seed=1)
    assert_close(deconvnet(f, x), down.expand(2, -1, -1, -1))
    assert not torch.allclose(deconvnet(f, x), guided_backpropagation(f, x))


def test_guided_backpropagation_matches_backward_hooks():
    model = net(nn.Conv2d(2, 5, 3), nn.ReLU(), nn.Conv2d(5, 3, 3, groups=1), nn.ReLU(), nn.Flatten(), nn.Linear(84, 7))
    x = noise(2, 2, 8, 11, seed=1)
    hooked = copy.deepcopy(model)
    for layer in hooked:
        if isinstance(layer, nn.ReLU):
            layer.register_full_backward_hook(lambda layer, below, above: (below[0].clamp(min=0),))
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(hooked(leaf)[:, 2].sum(), leaf)
    assert_close(guided_backpropagation(lambda x: model(x)[:, 2], x), expected)
    assert not torch.allclose(expected, gradient(lambda x: model(x)[:, 2], x))


def in_place(x):
    y = x + 0
    y.relu_()
    return y


def in_place_function(x):
    y = x + 0
    F.relu(y, inplace=True)
    return y


SIX = [
    F.relu6,
    nn.ReLU6(),
    nn.ReLU6(inplace=True),
    lambda x: F.relu6(x + 0, True),
    lambda x: F.hardtanh(x, 0, 6),
    lambda x: F.hardtanh(x + 0, 0, 6, True),
    lambda x: F.hardtanh_(x + 0, min_val=0.0, max_val=6.0),
]


RELUS = [
    F.relu,
    torch.relu,
    lambda x: x.relu(),
    nn.ReLU(),
    nn.ReLU(inplace=True),
    in_place,
    in_place_function,
    lambda x: F.relu(input=x),
    lambda x: torch.relu_(x + 0),
]


@pytest.mark.parametrize("relu", RELUS + SIX)
def test_every_spelling_of_the_rectifiers_is_seen(relu):
    top = 6.0 if relu in SIX else 100.0
    values = torch.tensor([-1.0, 2.0, 7.0, -3.0, 4.0, 8.0])
    weights = torch.tensor([1.0, 2.0, 3.0, -4.0, -5.0, -6.0])
    x = values.reshape(1, 1, 1, 6)
    f = lambda x: (relu(x * 1) * weights).sum(dim=(1, 2, 3))
    passed, positive = (values > 0) & (values < top), weights > 0
    for rule, mask in (("gradient", passed), ("deconvnet", positive), ("guided", passed & positive)):
        assert torch.equal(back(f, x, rule).flatten(), weights * mask)
    assert torch.equal(x.flatten(), values)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (nn.LeakyReLU(), "LeakyRelu"),
        (nn.Threshold(0.0, 0.0), "Threshold"),
        (nn.PReLU(dtype=F64), "PreluKernel"),
        (nn.ELU(), "Elu"),
        (torch.export.export(nn.ReLU(), (noise(1, 1, 3, 5),)).module(), "Relu"),
    ],
    ids=["leaky", "threshold", "parametric", "exponential", "exported"],
)
def test_a_rectifier_without_a_rule_is_refused_instead_of_a_plain_gradient(layer, name):
    x = noise(1, 1, 3, 5)
    f = lambda x: (layer(2 * x) * x.relu()).sum(dim=(1, 2, 3))
    for rule in ("deconvnet", "guided"):
        with pytest.raises(ValueError, match=f"{rule} has rules for relu, relu6 and hardtanh from 0, found {name}"):
            back(f, x, rule)
    assert back(f, x, "gradient").shape == x.shape


def test_a_squashing_function_is_no_rectifier():
    x = noise(1, 1, 3, 5)
    f = lambda x: (F.hardtanh(x, -0.5, 0.7) + F.hardtanh(x) + x.tanh()).sum(dim=(1, 2, 3))
    assert torch.equal(back(f, x, "deconvnet"), gradient(f, x))
    assert torch.equal(back(f, x, "guided"), gradient(f, x))


def test_values_are_those_of_the_model_under_every_rule():
    model, seen = net(nn.Conv2d(1, 3, 3), nn.ReLU6(), nn.Flatten(), nn.Linear(3 * 12, 2)), []
    x = 5 * noise(2, 1, 5, 6, seed=1)

    def f(x):
        seen.append(model(x)[:, 0])
        return seen[-1]

    for rule in RULES:
        back(f, x, rule)
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_the_model_and_torch_are_as_before():
    model = ModernLeNet(generator=stream()).train()
    before = copy.deepcopy(model.state_dict())
    x = torch.randn(2, 1, 32, 32, generator=stream(1))
    kept = x.clone()
    f = lambda x: model(x)[:, 0]
    true = gradient(f, x)
    for rule in RULES:
        back(f, x, rule)
    assert torch.equal(true, gradient(f, x))
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(x, kept)
    assert not x.requires_grad
    with torch.no_grad():
        assert torch.equal(true, gradient(f, x))
    with pytest.raises(RuntimeError, match="on purpose"):
        deconvnet(lambda x: (_ for _ in ()).throw(RuntimeError("on purpose")), x)
    assert torch.equal(true, gradient(f, x))  # the rule ended with the error


def test_what_does_not_depend_on_the_image_has_no_gradient():
    parameter = torch.ones(2, requires_grad=True)
    assert torch.equal(gradient(lambda x: parameter * 3, torch.ones(2, 1, 2, 2)), torch.zeros(2, 1, 2, 2))
