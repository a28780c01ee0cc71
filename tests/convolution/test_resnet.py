"""Residual networks against published counts, a network written with functions only, and what the identity promises."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, jacrev
from torch.testing import assert_close

from common import F64, noise, shaken, stream
from dlbook.convolution.resnet import Block, ResNet, lesion

# Counts of the papers

TABLE_6 = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}


@pytest.mark.parametrize(("depth", "millions"), TABLE_6.items())
def test_parameters_are_those_of_table_6(depth, millions):
    n = (depth - 2) // 6
    with torch.device("meta"):
        model = ResNet((n, n, n))
    assert model.depth == depth
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert f"{count:.{len(millions.split('.')[1])}f}" == millions


@pytest.mark.parametrize(("stages", "count"), [((2, 2, 2, 2), 11_689_512), ((3, 4, 6, 3), 21_797_672)])
def test_large_networks_have_the_parameters_of_torchvisions(stages, count):
    with torch.device("meta"):
        model = ResNet(stages, width=64, classes=1000, stem="large", shortcut="project")
    assert sum(p.numel() for p in model.parameters()) == count
    names = set(model.state_dict())
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer2.0.downsample.1.bias",
        "layer4.1.conv2.weight",
        "fc.bias",
    } <= names
    assert not any(name.startswith("layer1.0.downsample") for name in names)


def test_the_34_layers_take_the_multiply_adds_of_the_paper():
    model = ResNet((3, 4, 6, 3), width=64, classes=1000, stem="large", shortcut="pad").to("meta")
    total = 0

    def count(module, inputs, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    assert model(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)
    assert 3.55e9 <= total < 3.65e9  # Table 1: "3.6 x 10^9"


def test_a_plain_network_has_the_parameters_of_the_residual_one():
    counts = [sum(p.numel() for p in ResNet((2, 2, 2), shortcut=s).parameters()) for s in ("none", "pad")]
    assert counts[0] == counts[1]


# A network of functions


def by_functions(model, x, shortcut, preactivation, large):
    """Return the logits in evaluation mode, from the state dict alone."""
    s = model.state_dict()

    def norm(x, name):
        mean, var = s[f"{name}.running_mean"], s[f"{name}.running_var"]
        scale = s[f"{name}.weight"] / (var + 1e-5).sqrt()
        return x * scale[:, None, None] + (s[f"{name}.bias"] - mean * scale)[:, None, None]

    x = F.conv2d(x, s["conv1.weight"], stride=2 if large else 1, padding=3 if large else 1)
    if not preactivation:
        x = norm(x, "bn1").clamp(min=0)
    if large:
        x = F.max_pool2d(x, 3, 2, 1)
    for stage in range(1, 4):
        for j in range(2):
            at, stride = f"layer{stage}.{j}", 2 if stage > 1 and j == 0 else 1
            if shortcut == "none":
                skip = 0
            elif f"{at}.downsample.0.weight" in s:
                skip = norm(F.conv2d(x, s[f"{at}.downsample.0.weight"], stride=stride), f"{at}.downsample.1")
            else:
                skip = x[:, :, ::stride, ::stride]
                more = s[f"{at}.conv1.weight"].shape[0] - x.shape[1]
                skip = torch.cat([skip, torch.zeros(len(x), more, *skip.shape[2:], dtype=F64)], dim=1)
            if preactivation:
                y = F.conv2d(norm(x, f"{at}.bn1").clamp(min=0), s[f"{at}.conv1.weight"], stride=stride, padding=1)
                x = skip + F.conv2d(norm(y, f"{at}.bn2").clamp(min=0), s[f"{at}.conv2.weight"], padding=1)
            else:
                y = F.conv2d(x, s[f"{at}.conv1.weight"], stride=stride, padding=1)
                y = F.conv2d(norm(y, f"{at}.bn1").clamp(min=0), s[f"{at}.conv2.weight"], padding=1)
                x = (skip + norm(y, f"{at}.bn2")).clamp(min=0)
    if preactivation:
        x = norm(x, "bn1").clamp(min=0)
    return x.sum(dim=(2, 3)) / x[0, 0].numel() @ s["fc.weight"].T + s["fc.bias"]


@pytest.mark.parametrize("shortcut", ["pad", "project", "none"])
@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("stem", ["small", "large"])
def test_logits_are_those_of_functions(shortcut, preactivation, stem):
    options = {"shortcut": shortcut, "preactivation": preactivation}
    model = shaken(ResNet((2, 2, 2), width=5, channels=2, classes=3, stem=stem, generator=stream(), **options)).eval()
    x = noise(3, 2, 19, 23, seed=1)
    assert_close(model(x), by_functions(model, x, shortcut, preactivation, stem == "large"))


def test_state_of_training_and_back():
    model = ResNet((1, 1), width=3, generator=stream()).to(F64)
    x = noise(4, 3, 8, 8)
    first = model.train()(x)
    assert not torch.allclose(model.eval()(x), first)
    other = ResNet((1, 1), width=3, generator=stream(1)).to(F64).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


# What the identity promises


@pytest.mark.parametrize("preactivation", [False, True])
def test_jacobian_is_identity_plus_that_of_the_residual(preactivation):
    block = shaken(Block(2, 2, preactivation=preactivation)).eval()
    x = noise(1, 2, 3, 3).abs() + 3  # far above zero, so that the last rectifier is the identity
    whole = jacrev(lambda x: block.skip(x) + block.residual(x))(x).reshape(18, 18)
    inner = jacrev(block.residual)(x).reshape(18, 18)
    assert_close(whole, torch.eye(18, dtype=F64) + inner)
    if preactivation:
        assert_close(jacrev(block)(x).reshape(18, 18), whole)


def test_preactivation_adds_up_from_block_to_block():
    model = shaken(ResNet((4,), width=3, preactivation=True)).eval()
    x = noise(2, 3, 7, 7)
    total, here = x, x
    for block in model.blocks:
        total = total + block.residual(here)
        here = block(here)
    assert_close(here, total)


@pytest.mark.parametrize("preactivation", [False, True])
@pytest.mark.parametrize("block", [0, 1, 3])
def test_a_lesion_leaves_the_skip(block, preactivation):
    model = shaken(ResNet((2, 2), width=4, preactivation=preactivation)).eval()
    chosen = model.blocks[block]
    x = noise(2, chosen.in_channels, 6, 6).abs()
    before = [p.clone() for other in model.blocks if other is not chosen for p in other.parameters()]
    assert not torch.allclose(chosen(x), chosen.skip(x))
    lesion(model, block)
    assert torch.equal(chosen(x), chosen.skip(x))
    after = [p for other in model.blocks if other is not chosen for p in other.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_nothing_is_left_of_a_plain_block():
    model = shaken(ResNet((2, 2), width=4, shortcut="none")).eval()
    lesion(model, 1)
    assert model.blocks[1](noise(2, 4, 6, 6)).abs().sum() == 0


def test_padding_keeps_pixels_and_adds_empty_maps():
    block = Block(2, 5, stride=2).to(F64)
    x = noise(1, 2, 5, 7)
    skipped = block.skip(x)
    assert skipped.shape == block.residual(x).shape == (1, 5, 3, 4)
    assert torch.equal(skipped[:, :2], x[:, :, ::2, ::2])
    assert skipped[:, 2:].abs().sum() == 0


def test_weights_are_drawn_with_the_variance_of_the_reference():
    model = ResNet((1, 1), width=64, channels=64, generator=stream())
    for conv, out_channels in ((model.conv1, 64), (model.blocks[1].conv1, 128), (model.blocks[1].conv2, 128)):
        assert math.isclose(conv.weight.var().item(), 2 / (9 * out_channels), rel_tol=0.03)
    again = ResNet((1, 1), width=64, channels=64, generator=stream())
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), again.parameters(), strict=True))
    assert model.fc.bias.abs().sum() == 0


def test_gradients_match_finite_differences():
    model = shaken(ResNet((1, 1), width=2, channels=1, classes=2, shortcut="project")).eval()
    x = noise(1, 1, 4, 4)
    parameters = dict(model.named_parameters())

    def loss(weight, x):
        return functional_call(model, {**parameters, "layer2.0.conv2.weight": weight}, (x,))

    assert torch.autograd.gradcheck(loss, (model.blocks[1].conv2.weight, x.requires_grad_()))


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_channels": 0, "out_channels": 1}, "at least 1, found 0, 1 and 1"),
        ({"in_channels": 1, "out_channels": 1, "stride": 0}, "found 1, 1 and 0"),
        ({"in_channels": 1, "out_channels": 1, "shortcut": "A"}, "found 'A'"),
        ({"in_channels": 2, "out_channels": 1}, "2 maps in and 1 out"),
    ],
)
def test_impossible_blocks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Block(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": ()}, "at least 1, found"),
        ({"stages": 3}, r"as \(3, 3, 3\), found 3"),
        ({"stages": (3, "a")}, "whole numbers"),
        ({"stages": (1, 0)}, "found \\(1, 0\\)"),
        ({"width": 0}, "at least 1"),
        ({"classes": 0}, "at least 1"),
        ({"stem": "huge"}, "found 'huge'"),
        ({"shortcut": "B"}, "found 'B'"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**{"width": 2, **options})


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 3, 0, 8)])
def test_other_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"images are \(b, 3, h, w\)"):
        ResNet((1,), width=2)(torch.zeros(shape))


def test_bytes_are_refused():
    with pytest.raises(ValueError, match=r"torch.uint8: images / 255"):
        ResNet((1,), width=2)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


@pytest.mark.parametrize("block", [-1, 2])
def test_a_block_that_is_not_there_is_refused(block):
    with pytest.raises(ValueError, match=f"from 0 to 1, found {block}"):
        lesion(ResNet((1, 1), width=2), block)


@pytest.mark.parametrize("options", [{"dtype": F64}, {"device": "meta"}, {"dtype": torch.bfloat16}], ids=str)
def test_constructors_take_device_and_dtype_for_every_parameter_and_statistic(options):
    for model in (ResNet((1, 1), shortcut="project", **options), Block(3, 5, 2, shortcut="project", **options)):
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if not name.endswith("num_batches_tracked"):
                assert value.dtype == options.get("dtype", torch.float32), name
                assert value.device.type == options.get("device", "cpu"), name


def test_weights_are_drawn_as_he_initialization_of_torch_draws_them():
    model, expected = ResNet((1,), generator=stream(3)), torch.empty(16, 3, 3, 3)
    torch.nn.init.kaiming_normal_(expected, mode="fan_out", nonlinearity="relu", generator=stream(3))
    assert_close(model.conv1.weight.detach(), expected, rtol=1e-6, atol=1e-7)
