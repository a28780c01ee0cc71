"""AlexNet against published counts, torch's normalization, networks of functions, and crops cut by hand."""

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise, size, stream, with_biases
from dlbook.convolution.alexnet import ILSVRC, AlexNet, SmallAlexNet
from dlbook.convolution.counting import multiply_adds

ROOT = Path(__file__).parents[2]


TABLE = {  # by hand from Fig. 2 and Sec. 3.5: weights and biases
    "conv1": 96 * 11 * 11 * 3 + 96,
    "conv2": 256 * 5 * 5 * 48 + 256,
    "conv3": 384 * 3 * 3 * 256 + 384,
    "conv4": 384 * 3 * 3 * 192 + 384,
    "conv5": 256 * 3 * 3 * 192 + 256,
    "fc6": 4096 * 256 * 36 + 4096,
    "fc7": 4096 * 4096 + 4096,
    "fc8": 1000 * 4096 + 1000,
}


def test_parameters_layer_by_layer():
    model = AlexNet(device="meta")
    assert {name: size(model.get_submodule(name)) for name in TABLE} == TABLE
    assert size(model) == sum(TABLE.values()) == 60_965_224


def test_one_tower_has_the_kernels_that_two_towers_save():
    saved = 256 * 25 * 48 + 384 * 9 * 192 + 256 * 9 * 192
    assert size(AlexNet(groups=1, device="meta")) == 60_965_224 + saved == 62_378_344


def test_neurons_are_those_of_figure_2_but_for_the_first():
    model = AlexNet(device="meta")
    shapes = {}
    for name in TABLE:
        layer = model.get_submodule(name)
        layer.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    model(torch.empty(1, 3, 227, 227, device="meta"))
    neurons = [math.prod(shape) for shape in shapes.values()]
    printed = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert neurons[1:] == printed[1:]
    assert neurons[0] == 96 * 55 * 55 == 290_400
    assert printed[0] == 96 * 55 * 48
    assert [shape[-1] for shape in shapes.values()][:5] == [55, 27, 13, 13, 13]
    assert model.features(torch.empty(1, 3, 227, 227, device="meta")).shape == (1, 256, 6, 6)


def test_operations_by_hand():
    model = AlexNet(device="meta")
    places = {"conv1": 55**2, "conv2": 27**2, "conv3": 13**2, "conv4": 13**2, "conv5": 13**2}
    biases = {
        "conv1": 96,
        "conv2": 256,
        "conv3": 384,
        "conv4": 384,
        "conv5": 256,
        "fc6": 4096,
        "fc7": 4096,
        "fc8": 1000,
    }
    expected = {name: places.get(name, 1) * (TABLE[name] - biases[name]) for name in TABLE}
    assert multiply_adds(model, (3, 227, 227)) == expected


def test_logits_are_those_of_functions():
    model = with_biases(AlexNet(5, generator=stream())).eval()
    x = torch.randn(2, 3, 227, 227, generator=stream(1))
    p = dict(model.named_parameters())

    def conv(h, name, **options):
        return F.conv2d(h, p[f"{name}.weight"], p[f"{name}.bias"], **options).clamp(min=0)

    def towers(h, name, pad):
        halves = []
        for i, half in enumerate(h.chunk(2, dim=1)):
            w, b = p[f"{name}.weight"].chunk(2)[i], p[f"{name}.bias"].chunk(2)[i]
            halves.append(F.conv2d(half, w, b, padding=pad).clamp(min=0))
        return torch.cat(halves, dim=1)

    def norm(h):
        return torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(h)

    def maxima(h):
        return h.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-2, -1))

    with torch.no_grad():
        h = maxima(norm(conv(x, "conv1", stride=4)))
        h = maxima(norm(towers(h, "conv2", 2)))
        h = towers(conv(h, "conv3", padding=1), "conv4", 1)
        h = maxima(towers(h, "conv5", 1))
        assert_close(model.features(x), h, rtol=1e-4, atol=1e-6)
        h = h.flatten(1)
        for name in ("fc6", "fc7", "fc8"):
            h = h @ p[f"{name}.weight"].T + p[f"{name}.bias"]
            h = h.clamp(min=0) if name != "fc8" else h
        assert_close(model(x), h, rtol=1e-4, atol=1e-5)


def test_weights_and_biases_start_as_section_5_says():
    model = AlexNet(3, generator=stream(), groups=2)
    state = torch.get_rng_state()
    again = AlexNet(3, generator=stream())
    assert torch.equal(state, torch.get_rng_state())  # a given generator is the only one that is used
    for name in TABLE:
        layer = model.get_submodule(name)
        assert math.isclose(layer.weight.std().item(), 0.01, rel_tol=0.02)
        assert abs(layer.weight.mean()) < 5 * 0.01 / math.sqrt(layer.weight.numel())
        assert set(layer.bias.tolist()) == {1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0}
        assert torch.equal(layer.weight, again.get_submodule(name).weight)


def test_half_of_the_units_are_dropped_in_training_only():
    model = SmallAlexNet(widths=(2, 2, 400, 400), side=4, dropout=0.5, generator=stream())
    seen = []
    model.fc4.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.fc5.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.rand(50, 3, 4, 4, generator=stream(1))
    torch.manual_seed(0)
    model.train()(x)
    model.eval()(x)
    alive = seen[2] > 0
    kept = seen[0][alive] / seen[2][alive]
    assert_close(kept[kept > 0], torch.full_like(kept[kept > 0], 2.0))  # inverted: the scale stays
    assert abs((kept == 0).double().mean() - 0.5) < 0.02
    assert abs(((seen[1] == 0).double().mean() - (seen[3] == 0).double().mean()) - 0.25) < 0.1


def test_alexnet_drops_in_training_only():
    model = AlexNet(2, generator=stream())
    x = torch.rand(1, 3, 227, 227, generator=stream())
    inputs = []
    for layer in (model.fc7, model.fc8):
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with torch.no_grad():
        model.eval()(x)
        model.train()(x)
    for quiet, dropped in ((inputs[0], inputs[2]), (inputs[1], inputs[3])):
        alive = quiet > 0
        assert alive.double().mean() > 0.7  # biases of 1 keep most units alive
        # a unit of fc7 that loses half of its inputs may fall silent besides
        assert -0.03 < (dropped[alive] == 0).double().mean() - 0.5 < 0.12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 0}, "classes is at least 1"),
        ({"dropout": 1.0}, r"dropout in \[0, 1\), found 1000 and 1.0"),
        ({"dropout": -0.1}, "found 1000 and -0.1"),
        ({"groups": 0}, "divides 32, found 0"),
        ({"groups": 3}, "found 3"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AlexNet(**options, device="meta")


@pytest.mark.parametrize("shape", [(3, 227, 227), (1, 3, 224, 224), (1, 1, 227, 227)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"x is \(b, 3, 227, 227\), found shape"):
        AlexNet(2, device="meta")(torch.zeros(shape, device="meta"))


def test_bytes_are_refused():
    with pytest.raises(ValueError, match="floats, found torch.uint8"):
        AlexNet(2, device="meta")(torch.zeros(1, 3, 227, 227, dtype=torch.uint8, device="meta"))
    with pytest.raises(ValueError, match="floats, found torch.uint8"):
        SmallAlexNet(widths=(2, 2, 2, 2))(torch.zeros(1, 3, 28, 28, dtype=torch.uint8))


def test_small_one_has_the_parameters_of_zhang_et_al():
    by_hand = (75 + 1) * 64 + (25 * 64 + 1) * 64 + (7 * 7 * 64 + 1) * 384 + (384 + 1) * 192 + (192 + 1) * 10
    assert size(SmallAlexNet(device="meta")) == by_hand == 1_387_786


@pytest.mark.parametrize("side", [13, 14, 16])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("norm", [True, False])
def test_small_logits_are_those_of_functions(side, groups, norm):
    options = {"widths": (4, 6, 7, 5), "side": side, "groups": groups, "activation": torch.tanh, "norm": norm}
    model = with_biases(SmallAlexNet(3, **options, generator=stream(), dtype=F64)).eval()
    x = 30 * noise(2, 3, side, side, seed=1)
    p = dict(model.named_parameters())

    def block(h, name, groups):
        h = torch.tanh(F.conv2d(h, p[f"{name}.weight"], p[f"{name}.bias"], padding=2, groups=groups))
        h = F.pad(h, (1, 1, 1, 1), value=-math.inf)
        h = h.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-2, -1))
        return torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(h) if norm else h

    h = block(block(x, "conv1", 1), "conv2", groups).flatten(1)
    h = torch.tanh(F.linear(h, p["fc3.weight"], p["fc3.bias"]))
    h = torch.tanh(F.linear(h, p["fc4.weight"], p["fc4.bias"]))
    assert_close(model(x), F.linear(h, p["fc5.weight"], p["fc5.bias"]), rtol=1e-10, atol=1e-10)


def test_small_weights_are_drawn_as_he_et_al_do():
    model = SmallAlexNet(generator=stream())
    for layer, inputs in ((model.conv2, 1600), (model.fc3, 3136), (model.fc4, 384)):
        assert math.isclose(layer.weight.std().item(), math.sqrt(2 / inputs), rel_tol=0.02)
        assert layer.bias.abs().sum() == 0
    again = SmallAlexNet(generator=stream())
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))


def test_small_one_learns_a_tiny_set_by_heart():
    model = SmallAlexNet(2, widths=(8, 8, 16, 16), side=8, generator=stream())
    x, y = torch.randn(12, 3, 8, 8, generator=stream(1)), torch.arange(12) % 2
    descent = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    for _ in range(80):
        descent.zero_grad()
        F.cross_entropy(model(x), y).backward()
        descent.step()
    assert (model(x).argmax(dim=1) == y).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (4, 4, 4)}, r"four widths, .* found \(4, 4, 4\)"),
        ({"widths": (4, 0, 4, 4)}, r"found \(4, 0, 4, 4\), 28 and 1"),
        ({"side": 0}, "found .*, 0 and 1"),
        ({"groups": 0}, "28 and 0"),
        ({"widths": (4, 6, 4, 4), "groups": 3}, r"found 3 for \(4, 6\)"),
        ({"widths": (6, 4, 4, 4), "groups": 3}, r"found 3 for \(6, 4\)"),
        ({"classes": 0}, "classes is at least 1"),
        ({"dropout": 1.5}, "found 10 and 1.5"),
    ],
)
def test_impossible_small_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SmallAlexNet(**options)


@pytest.mark.parametrize("shape", [(3, 14, 14), (1, 3, 16, 16), (1, 1, 14, 14)])
def test_other_small_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"x is \(b, 3, 14, 14\), found"):
        SmallAlexNet(widths=(2, 2, 2, 2), side=14)(torch.zeros(shape))


def test_every_error_has_a_source_in_the_bibliography():
    keys = set(re.findall(r"@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text()))
    assert all(result.sources and set(result.sources) <= keys for result in ILSVRC)


def test_years_go_on_and_errors_go_down():
    years, errors = [r.year for r in ILSVRC], [r.error for r in ILSVRC]
    assert years == sorted(years)
    assert (years[0], years[-1]) == (2010, 2015)
    assert [r.error for r in ILSVRC if r.convolutional] == sorted(
        (r.error for r in ILSVRC if r.convolutional), reverse=True
    )
    assert all(0 < error < 100 for error in errors)
    assert next(r.error for r in ILSVRC if r.year == 2012 and r.convolutional) == 16.4  # Krizhevsky et al., Table 2
