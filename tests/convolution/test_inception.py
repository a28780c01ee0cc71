"""Inception against Table 1 and the count of Zhang et al., torch's functional convolutions, and numbers by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, noise, size, stream, with_biases
from dlbook.convolution.counting import multiply_adds
from dlbook.convolution.inception import GOOGLENET, GoogLeNet, Inception, SmallInception


def test_a_module_is_four_functional_branches():
    module = with_biases(Inception(5, 2, 3, 7, 4, 6, 11, generator=stream(), dtype=F64))
    x = noise(2, 5, 13, 17, seed=1)
    p = dict(module.named_parameters())

    def conv(h, name, pad):
        return F.relu(F.conv2d(h, p[f"{name}.0.weight"], p[f"{name}.0.bias"], padding=pad))

    branches = [
        conv(x, "branch1", 0),
        conv(conv(x, "branch3.0", 0), "branch3.1", 1),
        conv(conv(x, "branch5.0", 0), "branch5.1", 2),
        conv(F.max_pool2d(x, 3, 1, 1), "branch_pool.1", 0),
    ]
    expected = torch.cat(branches, dim=1)
    assert expected.shape == (2, 2 + 7 + 6 + 11, 13, 17)
    assert_close(module(x), expected, rtol=1e-12, atol=1e-12)
    assert module.out_channels == 26


def test_without_reductions_the_maxima_pass_through():
    module = Inception(5, 2, 0, 7, 0, 6, 0, generator=stream(), dtype=F64)
    x = noise(2, 5, 13, 17)
    out = module(x)
    assert out.shape == (2, 2 + 7 + 6 + 5, 13, 17)
    assert module.out_channels == 20
    assert_close(out[:, -5:], F.max_pool2d(x, 3, 1, 1))
    assert size(module) == (5 + 1) * 2 + (45 + 1) * 7 + (125 + 1) * 6


def test_3a_by_hand():
    # 192·64 + 192·96 + 9·96·128 + 192·16 + 25·16·32 + 192·32 weights, and 64 + 96 + 128 + 16 + 32 + 32 biases
    module = Inception(192, *GOOGLENET["3a"], device="meta")
    weights = 12288 + 18432 + 110592 + 3072 + 12800 + 6144
    assert size(module) == weights + 368 == 163696
    assert module.out_channels == 64 + 128 + 32 + 32 == 256


def test_weights_are_drawn_from_the_generator_alone():
    state = torch.get_rng_state()
    first, second = (Inception(5, 2, 3, 7, 4, 6, 11, generator=stream()) for _ in range(2))
    other = Inception(5, 2, 3, 7, 4, 6, 11, generator=stream(1))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first.branch1[0].weight, second.branch1[0].weight)
    assert not torch.equal(first.branch1[0].weight, other.branch1[0].weight)


def test_weights_have_the_variance_of_he():
    weight = Inception(64, 64, 0, 64, 0, 1, 1, generator=stream()).branch3[0][0].weight
    assert weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.05)


@pytest.mark.parametrize("widths", [(0, 1, 1, 1, 1, 1, 1), (3, 0, 1, 1, 1, 1, 1), (3, 1, -1, 1, 1, 1, 1)])
def test_a_module_rejects_widths(widths):
    with pytest.raises(ValueError, match="at least"):
        Inception(*widths)


OPS = {"3a": 128, "3b": 304, "4a": 73, "4b": 88, "4c": 100, "4d": 119, "4e": 170, "5b": 71}


OUTPUTS = {
    "3a": (256, 28),
    "3b": (480, 14),
    "4a": (512, 14),
    "4b": (512, 14),
    "4c": (512, 14),
    "4d": (528, 14),
    "4e": (832, 7),
    "5a": (832, 7),
    "5b": (1024, 7),
}


@pytest.fixture(scope="module")
def googlenet():
    return GoogLeNet(generator=stream())


@pytest.fixture(scope="module")
def cost(googlenet):
    return multiply_adds(googlenet, (3, 224, 224))


def test_multiply_adds_are_those_of_table_1(cost):
    for name, millions in OPS.items():
        total = sum(count for layer, count in cost.items() if f"inception{name}." in layer)
        assert abs(total / 1e6 - millions) < 1, name
    assert round((cost["stem.3.0"] + cost["stem.4.0"]) / 1e6) == 360
    assert cost["output"] == 1_024_000


def test_shapes_are_those_of_table_1(googlenet):
    shapes = {}
    for name, module in googlenet.named_children():
        module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape)}))
    with torch.no_grad():
        logits = googlenet.eval()(torch.zeros(1, 3, 224, 224))
    assert logits.shape == (1, 1000)
    assert shapes["stem"] == (1, 192, 28, 28)
    for name, (channels, side) in OUTPUTS.items():  # behind the pooling, where there is one
        assert shapes[f"inception{name}"] == (1, channels, side, side)


def test_parameters_of_googlenet(googlenet):
    assert sum(parameter.numel() for parameter in googlenet.stem[3:].parameters()) == 114_688 + 64 + 192
    assert 114_688 == 112 * 1024  # the paper's 112K
    assert size(googlenet.output) - 1000 == 1000 * 1024
    assert size(googlenet) == 6_998_552
    longest = 3 + 2 * len(GOOGLENET) + 1  # stem, two in a module, the linear layer
    assert longest == 22


def test_googlenet_rejects():
    with pytest.raises(ValueError, match="classes"):
        GoogLeNet(0)
    with pytest.raises(ValueError, match="3, h, w"):
        GoogLeNet(7, device="meta")(torch.zeros(1, 1, 64, 64, device="meta"))


def test_small_inception_has_the_published_count():
    assert size(SmallInception(batch_norm=False, device="meta")) == 1_649_402
    model = SmallInception(device="meta")
    counted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sum(size(layer) for layer in counted) == 1_649_402
    scales = 96 + 64 + 80 + 80 + 160 + 160 + 160 + 144 + 96 + 336 + 336
    assert size(model) == 1_649_402 + 2 * scales


def test_small_inception_has_the_widths_of_the_figure_in_its_order():
    model = SmallInception(device="meta")
    widths = [m.out_channels for m in model.modules() if isinstance(m, nn.Conv2d)]
    figure = "96, 32 32, 32 48, 80, 112 48, 96 64, 80 80, 48 96, 96, 176 160, 176 160"
    assert widths == [int(number) for number in figure.replace(",", "").split()]


def test_small_inception_is_a_chain_of_functional_layers():
    model = with_biases(SmallInception(7, batch_norm=False, generator=stream(), dtype=F64)).eval()
    x = noise(2, 3, 29, 28)
    layers = iter([layer for layer in model.modules() if isinstance(layer, nn.Conv2d)])

    def conv(h, pad, stride=1):
        layer = next(layers)
        return F.relu(F.conv2d(h, layer.weight, layer.bias, stride=stride, padding=pad))

    h = conv(x, 1)
    for kind in "iidiiiidii":
        if kind == "i":
            h = torch.cat([conv(h, 0), conv(h, 1)], dim=1)
        else:
            h = torch.cat([conv(h, 1, 2), F.max_pool2d(h, 3, 2, 1)], dim=1)
    assert h.shape == (2, 336, 8, 7)
    expected = F.linear(h.mean(dim=(2, 3)), model.output.weight, model.output.bias)
    assert_close(model(x), expected, rtol=1e-10, atol=1e-10)
    assert next(layers, None) is None


def test_small_inception_normalizes_between_convolution_and_relu():
    model = SmallInception(generator=stream())
    first = model.features[0]
    assert [type(layer) for layer in first] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    x = torch.randn(8, 3, 28, 28, generator=stream())
    h = first[0](x)
    h = (h - h.mean(dim=(0, 2, 3), keepdim=True)) / (h.var(dim=(0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    assert_close(model.train().features[0](x), h.relu(), rtol=1e-4, atol=1e-4)


def test_small_inception_learns_a_tiny_set_by_heart():
    model = SmallInception(generator=stream())
    x, y = torch.randn(8, 3, 8, 8, generator=stream()), torch.arange(8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(12):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model(x).argmax(dim=1) == y).all()


def test_small_inception_rejects():
    with pytest.raises(ValueError, match="classes"):
        SmallInception(0)
    with pytest.raises(ValueError, match="3, h, w"):
        SmallInception(device="meta")(torch.zeros(2, 3, 28, device="meta"))


def test_multiply_adds_leaves_running_means_alone():
    model = SmallInception(generator=stream())
    before = model.features[0][1].running_var.clone()
    multiply_adds(model, (3, 28, 28))
    assert torch.equal(before, model.features[0][1].running_var)
    assert model.features[0][1].training
