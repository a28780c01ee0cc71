import pytest
import torch
from torch import nn

from common import stream
from dlbook._draws import drawn, normal_, standard_normal, undrawn, uniform_


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_is_what_torch_draws(dtype):
    ours, theirs = torch.empty(7, 11, 3, dtype=dtype), torch.empty(7, 11, 3, dtype=dtype)
    assert uniform_(ours, 0.25, stream()) is ours
    assert torch.equal(ours, nn.init.uniform_(theirs, -0.25, 0.25, generator=stream()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normal_is_what_torch_draws(dtype):
    ours, theirs = torch.empty(7, 11, 3, dtype=dtype), torch.empty(7, 11, 3, dtype=dtype)
    assert normal_(ours, 0.25, stream()) is ours
    assert torch.equal(ours, nn.init.normal_(theirs, 0, 0.25, generator=stream()))


@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_a_bound_in_double_precision_is_not_rounded(draw):
    unit, scaled = torch.empty(13, dtype=torch.float64), torch.empty(13, dtype=torch.float64)
    assert torch.equal(draw(scaled, 0.1, stream()), 0.1 * draw(unit, 1, stream()))


@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_each_map_may_have_its_own_scale(draw):
    scales = torch.tensor([0.5, 2.0, 0.0])[:, None]
    one, own = torch.empty(3, 5), torch.empty(3, 5)
    assert torch.equal(draw(own, scales, stream()), scales * draw(one, 1, stream()))


@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_the_order_in_memory_does_not_change_the_draws(draw):
    plain, last = torch.empty(2, 3, 5, 7), torch.empty(2, 3, 5, 7).to(memory_format=torch.channels_last)
    assert torch.equal(draw(plain, 1, stream()), draw(last, 1, stream()))


@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_a_given_stream_is_the_only_one_used(draw):
    before = torch.get_rng_state()
    draw(torch.empty(5), 1, stream())
    assert torch.equal(torch.get_rng_state(), before)
    draw(torch.empty(5), 1)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_parameters_keep_their_gradient_flag(draw):
    parameter = nn.Parameter(torch.zeros(5))
    draw(parameter, 1, stream())
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert parameter.abs().min() > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_a_seed_gives_the_same_on_a_gpu(draw):
    assert torch.equal(draw(torch.empty(5, device="cuda"), 1, stream()).cpu(), draw(torch.empty(5), 1, stream()))


@pytest.mark.parametrize("device", [None, "cpu", "meta"])
def test_an_undrawn_layer_uses_no_stream(device):
    before = torch.get_rng_state()
    layer = undrawn(nn.Conv2d, 3, 5, 7, stride=2, device=device, dtype=torch.float64)
    assert torch.equal(torch.get_rng_state(), before)
    assert layer.weight.shape == (5, 3, 7, 7)
    assert layer.stride == (2, 2)
    assert layer.weight.dtype == torch.float64
    assert layer.weight.device.type == (device or "cpu")


@pytest.mark.parametrize("draw", [uniform_, normal_])
def test_shapes_without_numbers_stay_so_and_use_no_stream(draw):
    before = stream()
    generator = stream()
    assert draw(torch.empty(5, device="meta"), 1, generator).is_meta
    assert torch.equal(before.get_state(), generator.get_state())


@pytest.mark.parametrize(
    ("kind", "sizes"),
    [(nn.Linear, (67, 101)), (nn.Conv1d, (11, 31, 5)), (nn.Conv2d, (7, 31, 3)), (nn.ConvTranspose2d, (31, 7, 5))],
)
def test_a_drawn_layer_has_the_range_of_torchs(kind, sizes):
    layer, theirs = drawn(kind, *sizes, generator=stream(), dtype=torch.float64), kind(*sizes, dtype=torch.float64)
    for ours, other in zip(layer.parameters(), theirs.parameters(), strict=True):
        assert ours.dtype == torch.float64
        assert ours.shape == other.shape
    bound = nn.init._calculate_fan_in_and_fan_out(theirs.weight)[0] ** -0.5
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert 0.8 * bound < layer.bias.abs().max() <= bound
    again = drawn(kind, *sizes, generator=stream(), dtype=torch.float64)
    assert torch.equal(layer.weight, again.weight)


def test_a_drawn_layer_takes_the_options_of_torchs_and_may_be_without_numbers():
    assert drawn(nn.Conv2d, 3, 5, 3, bias=False, padding=1, generator=stream()).bias is None
    assert drawn(nn.Linear, 3, 5, device="meta").weight.is_meta


def test_standard_normal_is_what_torch_draws_in_the_dtype_asked_for():
    like = torch.zeros(1, dtype=torch.float64)
    ours = standard_normal(7, 3, like=like, generator=stream())
    assert torch.equal(ours, torch.randn(7, 3, generator=stream(), dtype=torch.float64))
    assert standard_normal(2, like=torch.zeros(1, device="meta")).is_meta
