"""The U-Net: counts worked by hand, what it sees and what it is told, and torch's transformations."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, composes, noise, shaken, size, stream
from dlbook.generative.unet import Block, Bottleneck, UNet, time_features


def test_time_features_by_numpy_like_loops():
    time = torch.tensor([0.0, 0.3, 1.0], dtype=F64)
    frequencies = [1.0, 10.0, 100.0]
    angle = torch.stack([time * f for f in frequencies], dim=1)
    assert_close(time_features(time, 6), torch.cat([angle.sin(), angle.cos()], dim=1), rtol=0, atol=1e-5)
    assert time_features(time.bfloat16(), 6).dtype == torch.bfloat16


def test_parameters_by_hand():
    def block(c):
        return 2 * (9 * c * c + c) + 64 * c + c + 4 * c

    bottom = 48 * 8 + 8 + 392 * 256 + 256 + 64 * 256 + 256 + 256 * 392 + 392 + 8 * 48 + 48
    known = 16 * 64 + 64 + 64 * 64 + 64 + 11 * 64
    rest = 9 * 4 * 16 + 16 + 9 * 16 * 48 + 48 + 48 * 16 + 16 + 32 * 16 + 16 + 32 + 9 * 16 * 4 + 4
    assert size(UNet(classes=10)) == 2 * block(16) + block(48) + bottom + known + rest


def test_a_block_is_its_equation():
    block = shaken(Block(8, dtype=F64))
    x, known = noise(2, 8, 5, 7), noise(2, 64, seed=1)
    silu = lambda h: h * h.sigmoid()  # noqa: E731

    def normalized(h, layer):
        h = (h - h.mean((1, 2, 3), keepdim=True)) / (h.var((1, 2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        return h * layer.weight[:, None, None] + layer.bias[:, None, None]

    h = F.conv2d(silu(normalized(x, block.norm1)), block.conv1.weight, block.conv1.bias, padding=1)
    h = h + (known @ block.shift.weight.T + block.shift.bias)[:, :, None, None]
    h = F.conv2d(silu(normalized(h, block.norm2)), block.conv2.weight, block.conv2.bias, padding=1)
    assert_close(block(x, known), x + h)


def test_a_bottleneck_reads_every_place_and_adds():
    layer = shaken(Bottleneck(8, 3, 5, dtype=F64))
    x, known = noise(1, 8, 3, 3), noise(1, 64, seed=1)
    reached = torch.autograd.functional.jacobian(lambda x: layer(x, known) - x, x)[0, 0, 0, 0, 0]
    assert (reached.abs() > 0).all()
    assert (torch.autograd.functional.jacobian(lambda k: layer(x, k), known).abs().sum((0, 1, 2, 3)) > 0).all()
    with torch.no_grad():
        layer.write.weight.zero_()
        layer.write.bias.zero_()
    assert torch.equal(layer(x, known), x)


def test_starts_at_zero_and_listens_to_time_and_label():
    model = UNet(2, 8, width=8, deep=8, hidden=5, classes=3, generator=stream())
    x = noise(4, 2, 8, 8, dtype=torch.float32)
    assert torch.equal(model(x, torch.ones(4)), torch.zeros_like(x))
    model, x, time = shaken(model), x.double(), torch.full((4,), 0.5, dtype=F64)
    plain = model(x, time)
    assert torch.equal(plain, model(x, time, torch.full((4,), 3)))
    assert (plain - model(x, time, torch.tensor([0, 1, 2, 3])))[:3].abs().amin(0).max() > 1e-3
    assert (plain - model(x, time / 2)).abs().max() > 1e-3
    assert plain.abs().min() > 0
    for row in range(4):  # no image looks at another
        assert_close(model(x[row : row + 1], time[:1]), plain[row : row + 1])


def test_is_its_diagram_with_torchs_own_shuffles():
    model = shaken(UNet(2, 8, width=8, deep=16, hidden=5, classes=3, generator=stream()))
    x, time, y = noise(3, 2, 8, 8), torch.tensor([0.1, 0.5, 1.0], dtype=F64), torch.tensor([0, 3, 1])
    known = F.silu(model.time(time_features(time, 8)) + model.label.weight[y])
    high = model.high(model.enter(F.pixel_unshuffle(x, 2)), known)
    low = model.low(model.bottom(model.down(high), known), known)
    up = model.up(low).repeat_interleave(2, 2).repeat_interleave(2, 3)
    merged = model.last(model.merge(torch.cat([high, up], dim=1)), known)
    assert_close(model(x, time, y), F.pixel_shuffle(model.leave(F.silu(model.norm(merged))), 2))


def test_weights_are_drawn_from_the_stream_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    a, b = UNet(generator=stream(3)).state_dict(), UNet(generator=stream(3)).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert 0.3 < UNet(classes=10, generator=stream()).label.weight.std() < 0.7


def test_composes_with_torch():
    class AtNoon(UNet):
        def forward(self, x):
            return super().forward(x, torch.full_like(x[:, 0, 0, 0], 0.5))

    x = noise(3, 1, 8, 8)
    composes(shaken(AtNoon(1, 8, width=8, deep=8, hidden=5, generator=stream())), x)
    model = shaken(UNet(1, 8, width=8, deep=8, hidden=5))
    time = torch.full((3,), 0.5, dtype=F64)
    assert_close(torch.compile(model, fullgraph=True, backend="eager")(x, time), model(x, time))
    half = copy.deepcopy(model).bfloat16()
    assert half(x.bfloat16(), time.bfloat16()).dtype == torch.bfloat16
    meta = UNet(device="meta")
    assert meta(torch.zeros(2, 1, 28, 28, device="meta"), torch.zeros(2, device="meta")).shape == (2, 1, 28, 28)
    assert UNet(dtype=F64).leave.weight.dtype == F64
    assert model(x[:0], time[:0]).shape == (0, 1, 8, 8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: UNet()(torch.zeros(2, 1, 28, 28).byte(), torch.zeros(2)), "x is of floats, found torch.uint8"),
        (lambda: UNet(0), "channels 0"),
        (lambda: time_features(torch.zeros(2), 5), "found 5"),
        (lambda: time_features(torch.zeros(2), 0), "found 0"),
        (lambda: time_features(torch.zeros(2, 1), 4), r"time is \(b,\)"),
        (lambda: UNet(side=30), "side 30"),
        (lambda: UNet(width=12), "width 12"),
        (lambda: UNet(deep=12), "deep 12"),
        (lambda: UNet(hidden=0), "hidden 0"),
        (lambda: UNet(classes=-1), "classes -1"),
        (lambda: UNet()(torch.zeros(2, 1, 32, 32), torch.zeros(2)), r"x is \(b, 1, 28, 28\)"),
        (lambda: UNet()(torch.zeros(2, 1, 28, 28), torch.zeros(3)), r"time is \(2,\)"),
        (lambda: UNet()(torch.zeros(2, 1, 28, 28), torch.zeros(2), torch.zeros(1).long()), r"y is \(2,\)"),
        (lambda: time_features(torch.arange(3), 4), "times in .*, found torch.int64"),
        (lambda: UNet()(torch.zeros(2, 1, 28, 28), torch.ones(2).long()), "times in .*, found torch.int64"),
        (lambda: Block(12), "a multiple of 8, found 12"),
        (lambda: Block(0), "a multiple of 8, found 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
