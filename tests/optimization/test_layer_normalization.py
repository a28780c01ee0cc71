"""Layer, group and root mean square normalization against torch in float64, rows by hand, and what they leave alone."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, composes, noise, shaken
from dlbook.optimization.layer_normalization import GroupNorm, LayerNorm, RMSNorm, group_norm, layer_norm, rms_norm
from dlbook.optimization.normalization import batch_norm

LAYERS = {
    "layer": (LayerNorm, nn.LayerNorm, (7,), {}),
    "layer, two axes": (LayerNorm, nn.LayerNorm, ((3, 7),), {"eps": 0.1}),
    "layer, no bias": (LayerNorm, nn.LayerNorm, (7,), {"bias": False}),
    "layer, plain": (LayerNorm, nn.LayerNorm, (7,), {"elementwise_affine": False}),
    "rms": (RMSNorm, nn.RMSNorm, (7,), {}),
    "rms, two axes": (RMSNorm, nn.RMSNorm, ((3, 7),), {"eps": 0.1}),
    "rms, plain": (RMSNorm, nn.RMSNorm, (7,), {"elementwise_affine": False}),
    "group": (GroupNorm, nn.GroupNorm, (2, 6), {}),
    "group, one": (GroupNorm, nn.GroupNorm, (1, 6), {"eps": 0.1}),
    "group, each": (GroupNorm, nn.GroupNorm, (6, 6), {"affine": False}),
}
SHAPE = (5, 6, 3, 7)


def test_rows_by_hand():
    x = torch.tensor([[1.0, 3.0, 5.0, 7.0]], dtype=F64)  # mean 4, variance 5, mean square 21
    two, one = torch.full((4,), 2.0, dtype=F64), torch.ones(4, dtype=F64)
    assert_close(layer_norm(x, two, one, eps=4.0), 1 + 2 * (x - 4) / 3)
    assert_close(rms_norm(x, two, eps=4.0), 2 * x / 5)
    assert_close(rms_norm(x), x / math.sqrt(21))
    groups = torch.tensor([[-1.0, 1.0, -1.0, 1.0]], dtype=F64)  # (1, 3) and (5, 7)
    assert_close(group_norm(x, 2, two, one, eps=3.0), 1 + 2 * groups / 2)


@pytest.mark.parametrize("name", LAYERS)
def test_matches_torch_and_exchanges_states_with_it(name):
    kind, counterpart, sizes, options = LAYERS[name]
    ours, theirs = shaken(kind(*sizes, **options)), counterpart(*sizes, **options, dtype=F64)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    x = (1 + 2 * noise(*SHAPE)).requires_grad_()
    assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
    target = noise(*SHAPE, seed=1)
    gradients = [torch.autograd.grad((m(x) * target).sum(), [x, *m.parameters()]) for m in (ours, theirs)]
    for a, b in zip(*gradients, strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-12)
    fresh, reference = kind(*sizes, **options), counterpart(*sizes, **options)
    for key, value in reference.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value)
    assert repr(fresh).split("(")[1].split(",")[0] == repr(reference).split("(")[1].split(",")[0]


def test_a_group_norm_without_a_bias_is_the_one_whose_bias_is_zero():
    ours = GroupNorm(2, 6, bias=False, dtype=F64)
    assert list(ours.state_dict()) == ["weight"]
    assert_close(ours(noise(*SHAPE)), GroupNorm(2, 6, dtype=F64)(noise(*SHAPE)), rtol=1e-12, atol=1e-12)


def test_the_functions_are_the_modules():
    x = 1 + 2 * noise(*SHAPE)
    layer, rms, group = (shaken(m) for m in (LayerNorm(7), RMSNorm(7), GroupNorm(3, 6, eps=0.1)))
    assert_close(layer_norm(x, layer.weight, layer.bias), layer(x), rtol=1e-12, atol=1e-12)
    assert_close(rms_norm(x, rms.weight), rms(x), rtol=1e-12, atol=1e-12)
    assert_close(group_norm(x, 3, group.weight, group.bias, eps=0.1), group(x), rtol=1e-12, atol=1e-12)


def test_layer_norm_of_a_table_is_batch_norm_of_its_transpose():
    x = noise(7, 5)
    assert_close(layer_norm(x), batch_norm(x.T).output.T)


def test_one_group_is_a_layer_and_single_channels_are_instances():
    x = noise(*SHAPE)
    assert_close(group_norm(x, 1), layer_norm(x.flatten(1)).reshape(SHAPE))
    assert_close(group_norm(x, 6), nn.functional.instance_norm(x))


@pytest.mark.parametrize("normalize", [layer_norm, rms_norm, lambda x: group_norm(x, 2)])
def test_an_example_does_not_see_the_others(normalize):
    x = noise(5, 6)
    assert_close(normalize(x)[2:3], normalize(x[2:3]))


def test_root_mean_square_is_layer_norm_of_rows_without_a_mean():
    x = noise(5, 7)
    x = x - x.mean(dim=1, keepdim=True)
    assert_close(rms_norm(x, eps=1e-5), layer_norm(x))
    assert not torch.allclose(rms_norm(x + 3), layer_norm(x + 3))


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_by_finite_differences_and_composition(name):
    kind, _, sizes, options = LAYERS[name]
    layer = shaken(kind(*sizes, **options))
    assert torch.autograd.gradcheck(layer, noise(2, 6, 3, 7).requires_grad_(), fast_mode=True)
    layer = layer.float()
    x = noise(*SHAPE, dtype=torch.float32)
    assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))
    composes(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).isfinite().all()
    assert layer.to(torch.bfloat16)(x.bfloat16()).dtype == torch.bfloat16
    assert kind(*sizes, **options, device="meta")(torch.zeros(SHAPE, device="meta")).shape == SHAPE


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LayerNorm(0), r"sizes of at least 1, found \(0,\)"),
        (lambda: RMSNorm(()), r"sizes of at least 1, found \(\)"),
        (lambda: GroupNorm(4, 6), "num_groups divides num_channels, found 4 and 6"),
        (lambda: LayerNorm(7)(torch.zeros(2, 5)), r"x is \(..., 7\), found shape \(2, 5\)"),
        (lambda: RMSNorm((3, 7))(torch.zeros(7)), r"x is \(..., 3, 7\), found shape \(7,\)"),
        (lambda: GroupNorm(2, 6)(torch.zeros(2, 4)), r"x is \(b, 6, ...\), found shape \(2, 4\)"),
        (lambda: group_norm(torch.zeros(2, 6), 4), r"divides the channels, found 4 for shape \(2, 6\)"),
        (lambda: LayerNorm((-2, -3)), r"sizes of at least 1, found \(-2, -3\)"),
        (lambda: layer_norm(torch.zeros(2, 5), torch.ones(1)), r"weight is \(5,\), found shape \(1,\)"),
        (lambda: layer_norm(torch.zeros(2, 5), None, torch.ones(2, 1)), r"bias is \(5,\), found shape \(2, 1\)"),
        (lambda: rms_norm(torch.zeros(2, 5), torch.ones(1)), r"weight is \(5,\), found shape \(1,\)"),
        (lambda: group_norm(torch.zeros(2, 6), 2, None, torch.ones(1)), r"bias is \(6,\), found shape \(1,\)"),
        (lambda: group_norm(torch.zeros(6), 2), r"x is \(b, c, ...\), found shape \(6,\)"),
        (lambda: group_norm(torch.zeros(2, 6), 2, torch.ones(4)), r"weight is \(6,\), found shape \(4,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_batch_without_examples_has_groups():
    assert group_norm(torch.zeros(0, 4, 3), 2).shape == (0, 4, 3)


def test_a_row_of_zeros_stays_one_and_groups_are_some():
    assert torch.equal(rms_norm(torch.zeros(1, 3)), torch.zeros(1, 3))
    for groups in (0, -2):
        with pytest.raises(ValueError, match=f"found {groups} for shape"):
            group_norm(torch.zeros(2, 6), groups)
