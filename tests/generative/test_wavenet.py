"""WaveNet against the paper's equations written out, torch's convolution, the support of gradients, and enumeration."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch.testing import assert_close

from common import F64, composes, noise, shaken, stream
from dlbook.convolution.geometry import receptive_field as field_of_layers
from dlbook.generative.wavenet import CausalConv1d, GatedBlock, WaveNet, draw_codes, receptive_field, smooth_rows


def small(**changes):
    sizes = {"channels": 3, "gated": 5, "skip": 7, "dilations": [1, 2, 4], "generator": stream(), "dtype": F64}
    return WaveNet(11, **sizes | changes)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (2, 4), (3, 2), (5, 3)])
def test_causal_convolution_is_torchs_of_a_padded_signal(kernel_size, dilation):
    layer = CausalConv1d(3, 5, kernel_size, dilation=dilation, generator=stream(), dtype=F64)
    x = noise(2, 3, 17)
    reach = (kernel_size - 1) * dilation
    wide = torch.cat([torch.zeros(2, 3, reach, dtype=F64), x], dim=-1)
    expected = F.conv1d(wide, layer.conv.weight, layer.conv.bias, dilation=dilation)
    assert layer.reach == reach
    assert_close(layer(x), expected)


def test_causal_convolution_by_hand():
    layer = CausalConv1d(1, 1, dilation=2, bias=False, dtype=F64)
    layer.conv.weight.data = torch.tensor([[[10.0, 1.0]]], dtype=F64)
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]], dtype=F64)
    assert layer(x).tolist() == [[[1, 2, 13, 24]]]  # x_t + 10 x_{t-2}


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 3), (2, 1), (2, 4), (3, 2)])
def test_steps_with_a_queue_equal_the_convolution_bit_for_bit_on_integers(kernel_size, dilation):
    # sums of small integers are exact in any order: no rounding hides a wrong place in the queue
    layer = CausalConv1d(3, 5, kernel_size, dilation=dilation)
    layer.conv.weight.data = torch.randint(-9, 10, layer.conv.weight.shape, generator=stream()).float()
    layer.conv.bias.data = torch.randint(-9, 10, (5,), generator=stream(1)).float()
    x = torch.randint(-9, 10, (2, 3, 23), generator=stream(2)).float()
    queue = layer.start(x[..., 0])
    stepped = torch.stack([layer.step(one, queue) for one in x.unbind(-1)], dim=-1)
    assert torch.equal(stepped, layer(x))
    assert len(queue) == layer.reach


def test_receptive_field_is_that_of_the_convolution_chapter_and_of_the_paper():
    dilations = [2**k for k in range(10)]
    assert receptive_field(dilations) == field_of_layers([(2, 1, d) for d in dilations]).size == 1024
    assert receptive_field([1, 3, 2], 4) == field_of_layers([(4, 1, d) for d in (1, 3, 2)]).size
    assert receptive_field([]) == 1


@pytest.mark.parametrize(("dilations", "kernel_size"), [([1, 2, 4], 2), ([3, 1], 3)])
def test_a_prediction_depends_on_exactly_the_codes_of_the_receptive_field(dilations, kernel_size):
    model = shaken(small(dilations=dilations, kernel_size=kernel_size))
    rows = model.embed(torch.randint(11, (1, 40), generator=stream(1))).detach().requires_grad_()
    x = F.pad(rows.transpose(1, 2), (1, 0))[..., :-1]
    shown = 0
    for block in model.blocks:
        x, skip = block(x)
        shown = shown + skip
    (gradient,) = torch.autograd.grad(model.out(model.hidden(shown.relu()).relu())[0, :, 30].sum(), rows)
    reached = gradient[0].abs().sum(dim=1).nonzero()[:, 0].tolist()
    field = receptive_field(dilations, kernel_size)
    assert model.field == field
    assert reached == list(range(30 - field, 30))


def test_no_logit_sees_its_own_or_a_later_code():
    model = shaken(small())
    codes = torch.randint(11, (1, 20), generator=stream(1))
    other = codes.clone()
    other[0, 12] = (other[0, 12] + 1) % 11
    assert torch.equal(model(codes)[..., :13], model(other)[..., :13])
    assert (model(codes)[..., 13] != model(other)[..., 13]).all()


def test_block_is_equation_2_with_residual_and_skip():
    block = GatedBlock(3, 5, 7, dilation=2, generator=stream(), dtype=F64)
    x = noise(2, 3, 11)
    before = F.pad(x, (2, 0))[..., :-2]
    w, b = block.causal.conv.weight, block.causal.conv.bias[:, None]
    a = torch.einsum("oc,bct->bot", w[..., 0], before) + torch.einsum("oc,bct->bot", w[..., 1], x) + b
    z = torch.tanh(a[:, :5]) * torch.sigmoid(a[:, 5:])
    mixed = torch.einsum("oc,bct->bot", block.mix.weight[..., 0], z) + block.mix.bias[:, None]
    out, skip = block(x)
    assert_close(out, x + mixed[:, :3])
    assert_close(skip, mixed[:, 3:])


def test_block_steps_equal_its_forward_pass():
    block = GatedBlock(3, 5, 7, dilation=2, generator=stream(), dtype=F64)
    x = noise(2, 3, 11)
    queue = block.causal.start(x[..., 0])
    pairs = [block.step(one, queue) for one in x.unbind(-1)]
    for place, whole in enumerate(block(x)):
        assert_close(torch.stack([pair[place] for pair in pairs], dim=-1), whole, rtol=1e-13, atol=1e-13)


def test_output_is_relu_1x1_relu_1x1_of_all_skips():
    model = shaken(small())
    codes = torch.randint(11, (2, 9), generator=stream(1))
    x = torch.cat([torch.zeros(2, 1, 3, dtype=F64), model.embed.weight[codes[:, :-1]]], dim=1).mT
    skips = []
    for block in model.blocks:
        x, skip = block(x)
        skips.append(skip)
    hidden = model.hidden(sum(skips).clamp(min=0)).clamp(min=0)
    assert_close(model(codes), model.out(hidden))


def test_probabilities_of_all_sequences_sum_to_one():
    model = shaken(WaveNet(3, channels=2, gated=3, skip=5, dilations=[1, 2], generator=stream()))
    every = torch.tensor(list(itertools.product(range(3), repeat=5)))
    assert_close(model.log_prob(every).exp().sum(), torch.tensor(1.0, dtype=F64))


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_cached_samples_are_those_of_the_slow_way(kernel_size):
    model = shaken(small(kernel_size=kernel_size))
    fast = model.sample(5, 60, generator=stream(3))
    uniform = torch.rand(60, 5, generator=stream(3), dtype=F64)
    slow = torch.zeros(5, 60, dtype=torch.long)
    with torch.no_grad():
        for t in range(60):
            slow[:, t] = draw_codes(model(slow)[..., t], uniform[t])
    assert torch.equal(fast, slow)


def test_samples_have_the_models_probabilities():
    model = shaken(WaveNet(3, channels=2, gated=3, skip=5, dilations=[1, 2], generator=stream()))
    every = torch.tensor(list(itertools.product(range(3), repeat=3)))
    drawn = model.sample(20_000, 3, generator=stream(1))
    counts = torch.bincount(drawn @ torch.tensor([9, 3, 1]), minlength=27)
    expected = model.log_prob(every).exp() * 20_000
    assert stats.chisquare(counts.numpy(), expected.detach().numpy(), sum_check=False).pvalue > 0.01


def test_draw_codes_inverts_the_cumulative_sum():
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log().repeat(5, 1)
    assert draw_codes(logits, torch.tensor([0.0, 0.49, 0.51, 0.76, 0.99999999])).tolist() == [0, 0, 1, 2, 2]
    assert draw_codes(torch.zeros(1, 3), torch.ones(1)).tolist() == [2]


def test_draws_in_half_precision_are_as_even_as_the_codes():
    uniform = (torch.arange(256) + 0.5) / 256
    assert torch.equal(draw_codes(torch.zeros(256, 256, dtype=torch.bfloat16), uniform), torch.arange(256))


def test_gradients_by_finite_differences():
    model = small()
    codes = torch.randint(11, (2, 9), generator=stream(1))
    names = [name for name, _ in model.named_parameters()]

    def run(*weights):
        return torch.func.functional_call(model, dict(zip(names, weights, strict=True)), (codes,))

    inputs = [parameter.detach().requires_grad_() for parameter in model.parameters()]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_neighboring_codes_start_alike():
    rows = smooth_rows(256, 50, generator=stream())
    assert rows.shape == (256, 50)
    assert torch.dist(rows[100], rows[101]) < 0.2 * torch.dist(rows[100], rows[150])


def test_rows_are_random_sums_of_thirteen_cosines():
    rows = smooth_rows(256, 500, generator=stream()).double()
    place = (torch.arange(256, dtype=F64)[:, None] + 0.5) / 256
    waves = torch.cos(torch.pi * torch.arange(13) * place)
    amplitudes = torch.linalg.lstsq(waves, rows).solution
    assert_close(waves @ amplitudes, rows, rtol=0, atol=1e-5)
    assert_close(amplitudes.std(dim=1), torch.full((13,), 0.4, dtype=F64), rtol=0.1, atol=0)


def test_without_a_generator_samples_come_from_torchs_default_stream():
    model = small()
    torch.manual_seed(5)
    found = model.sample(2, 7)
    assert torch.equal(found, model.sample(2, 7, generator=stream(5)))


def test_a_tune_of_four_notes_is_learned():
    codes = torch.tensor([0, 3, 1, 2]).repeat(8)[None]
    model = WaveNet(4, channels=8, gated=8, skip=8, dilations=[1, 2], generator=stream())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        loss = -model.log_prob(codes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 2.0  # of 32 ln 4 = 44; the first note alone costs little, for it is always the same
    assert model.sample(1, 32, generator=stream(1))[0, -4:].tolist() == [0, 3, 1, 2]


def test_composes_with_torch():
    model = small().float()
    codes = torch.randint(11, (2, 9), generator=stream(1))
    composes(model, codes)
    compiled = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    assert_close(compiled(codes), model.log_prob(codes))
    meta = small(device="meta")
    assert meta(codes.to("meta")).shape == (2, 11, 9)
    half = small(dtype=torch.bfloat16)
    assert half(codes).dtype == torch.bfloat16
    assert half.sample(2, 3, generator=stream()).shape == (2, 3)


def test_sampling_needs_no_gradient_keeps_the_mode_and_its_stream():
    model = small()
    model.train()
    one, two = model.sample(2, 7, generator=stream(5)), model.sample(2, 7, generator=stream(5))
    assert torch.equal(one, two)
    assert model.training
    assert model.sample(0, 5, generator=stream()).shape == (0, 5)
    assert model.sample(2, 0, generator=stream()).shape == (2, 0)
    assert model.log_prob(torch.zeros(0, 5, dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CausalConv1d(3, 5, 0), "at least 1, found 3, 5, 0 and 1"),
        (lambda: CausalConv1d(3, 5)(torch.zeros(2, 4, 7)), r"x is \(b, 3, t\), found shape \(2, 4, 7\)"),
        (lambda: WaveNet(1), "two codes or more"),
        (lambda: WaveNet(dilations=[]), "0 dilations"),
        (lambda: small()(torch.zeros(7, dtype=torch.long)), r"codes is \(b, t\), found shape \(7,\)"),
        (lambda: small().log_prob(torch.zeros(2, 7, dtype=torch.uint8)), "codes are int64, found torch.uint8"),
        (lambda: small().log_prob(torch.tensor([[0, 3, 999]])), "codes are numbered 0 to [0-9]+, found 0 to 999"),
        (lambda: small().sample(-1, 5), "at least 0, found -1 and 5"),
        (lambda: small().sample(2, -1), "at least 0, found 2 and -1"),
        (lambda: small().log_prob(torch.zeros(2, 0, dtype=torch.long)), r"found shape \(2, 0\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_half_precision_is_summed_in_single():
    model = small(dtype=torch.bfloat16)
    codes = torch.randint(11, (2, 300), generator=stream(1))
    expected = model(codes).double().log_softmax(dim=1).gather(1, codes[:, None]).sum(dim=(1, 2))
    assert_close(model.log_prob(codes).double(), expected, rtol=1e-6, atol=0)
