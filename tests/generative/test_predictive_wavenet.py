"""A WaveNet on linear prediction: sums to one, the slow way, and what its inputs are by their definitions."""

import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from common import F64, composes, shaken, stream
from dlbook.generative.linear_prediction import predict, predictors, running_error
from dlbook.generative.logistic import draw_logistic
from dlbook.generative.mu_law import decode, encode
from dlbook.generative.predictive_wavenet import PredictiveWaveNet, scale_of


def small(**changes):
    sizes = {"channels": 3, "gated": 5, "skip": 7, "n_logistics": 2, "dilations": [1, 2], "order": 3, "hop": 4}
    return PredictiveWaveNet(**sizes | {"generator": stream(), "dtype": F64} | changes)


CODES = torch.randint(100, 156, (2, 30), generator=stream(9))


def test_next_codes_have_probabilities_that_sum_to_one():
    model = shaken(small())
    every = CODES[:1].repeat(256, 1)
    every[:, -1] = torch.arange(256)
    each = model.log_prob_each(every)
    assert_close(each[:, -1].exp().sum(), torch.tensor(1.0, dtype=F64))
    assert_close(each[:, :-1], each[:1, :-1].expand(256, -1), rtol=1e-12, atol=1e-12)
    assert_close(model.log_prob(every), each.sum(dim=1))


def test_mixture_ignores_the_present_and_the_future():
    model = shaken(small())
    other = CODES.clone()
    other[:, 17] += 5
    for before, after in zip(model(CODES), model(other), strict=True):
        assert torch.equal(before[..., :18], after[..., :18])
    assert not torch.equal(model(CODES).mean[..., 18:], model(other).mean[..., 18:])


def test_an_untrained_mixture_stands_around_the_linear_guess_in_units_of_the_recent_error():
    model = small(memory=0.9)
    with torch.no_grad():
        model.out.weight.zero_()
    x = decode(CODES, dtype=F64)
    guess = predict(x, predictors(x, order=3, memory=0.9, hop=4), hop=4)
    size = running_error(x - guess, memory=0.95, start=0.01)
    log_weight, mean, scale = model(CODES)
    assert_close(log_weight.exp(), torch.full_like(log_weight, 0.5))
    assert_close(mean, guess[:, None].expand(-1, 2, -1))
    widths = torch.tensor([-1.0, 1.5], dtype=F64).exp()[None, :, None]
    assert_close(scale, (0.5 * size + 2e-4 + 0.01 * guess.abs())[:, None] * widths)


def test_the_last_weights_start_at_a_tenth_of_torchs():
    assert 0.09 / 7**0.5 < small().out.weight.abs().max() <= 0.1 / 7**0.5


def test_the_scale_has_two_floors_and_no_wild_guess_widens_it_further():
    size, guess = torch.tensor([0.0, 0.0, 0.1, 0.0]), torch.tensor([0.0, -0.5, 0.0, 7.0])
    assert_close(scale_of(size, guess), torch.tensor([2e-4, 5.2e-3, 5.02e-2, 1.02e-2]))


def test_inputs_are_last_error_its_size_last_step_and_last_level():
    model = small()
    before, error, guess, size = (torch.tensor([[v]], dtype=F64) for v in (15 / 255, 1.5, 0.05, 0.02))
    scale = 0.5 * 0.02 + 2e-4 + 0.01 * 0.05
    expected = [1.5, torch.tensor(scale).log().item() / 3 + 2, (15 / 255 - 0.05) / (5 * scale), 0.5]
    assert_close(model.see(before, error, guess, size)[0, :, 0], torch.tensor(expected, dtype=F64), rtol=1e-6, atol=0)
    for sign in (1, -1):
        assert model.see(before, sign * 1e9 * error, guess, size)[0, 0, 0] == 20 * sign


def test_wild_outputs_keep_the_scale_between_e_to_the_minus_6_and_6_units():
    model, guess, size = small(), torch.zeros(1, 1, dtype=F64), torch.full((1, 1), 0.02, dtype=F64)
    for sign in (1, -1):
        out = torch.full((1, 6, 1), sign * 1000.0, dtype=F64)
        expected = (0.01 + 2e-4) * torch.tensor(sign * 6.0, dtype=F64).exp()
        assert_close(model.mixture(out, guess, size).scale, expected.expand(1, 2, 1))


@pytest.mark.parametrize("hop", [1, 4])
def test_samples_with_kept_states_are_those_of_the_slow_way(hop):
    model = shaken(small(hop=hop, memory=0.9))
    fast = model.sample(3, 40, generator=stream(3))
    uniform = torch.rand(40, 2, 3, generator=stream(3), dtype=F64)
    slow = torch.zeros(3, 40, dtype=torch.long)
    with torch.no_grad():
        for t in range(40):
            log_weight, mean, scale = (one[..., t] for one in model(slow))
            k = (log_weight.exp().cumsum(1) <= uniform[t, 0][:, None]).sum(1, keepdim=True).clamp(max=1)
            slow[:, t] = encode(draw_logistic(mean.gather(1, k)[:, 0], scale.gather(1, k)[:, 0], uniform[t, 1]))
    assert torch.equal(fast, slow)


def test_samples_have_the_models_probabilities():
    model = shaken(small())
    first = model.sample(20_000, 1, generator=stream(1))[:, 0]
    expected = model.log_prob_each(torch.arange(256)[:, None])[:, 0].exp().detach() * 20_000
    likely = expected > 20
    counts = torch.bincount(first, minlength=256).double()
    squared = ((counts - expected) ** 2 / expected)[likely].sum()
    assert stats.chi2.sf(squared.item(), int(likely.sum()) - 1) > 0.01


def test_gradients_by_finite_differences():
    model = small()
    names = [name for name, _ in model.named_parameters()]

    def run(*weights):
        return torch.func.functional_call(model, dict(zip(names, weights, strict=True)), (CODES[:, :9],)).mean

    inputs = [parameter.detach().requires_grad_() for parameter in model.parameters()]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_silence_costs_little_and_is_finite():
    silence = torch.full((1, 400), 128)
    model = small()
    assert model.log_prob_each(silence).isfinite().all()
    assert model.log_prob_each(silence)[0, -100:].mean() > -3


def test_composes_with_torch():
    model = small().float()
    compiled = torch.compile(model.log_prob, fullgraph=True, backend="eager")
    assert_close(compiled(CODES), model.log_prob(CODES), rtol=1e-4, atol=1e-4)
    composes(_Mean(model), CODES)
    meta = small(device="meta")
    assert meta(CODES.to("meta")).mean.shape == (2, 2, 30)
    assert small(dtype=torch.bfloat16).log_prob(CODES).isfinite().all()


class _Mean(torch.nn.Module):
    """The means of the mixture: what every test of composition compares is one tensor."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, codes):
        return self.model(codes).mean


def test_sampling_needs_no_gradient_and_takes_nothing_for_an_answer():
    model = small()
    assert torch.equal(model.sample(2, 7, generator=stream(5)), model.sample(2, 7, generator=stream(5)))
    assert model.sample(2, 0, generator=stream()).shape == (2, 0)
    assert model.sample(0, 9, generator=stream()).shape == (0, 9)
    assert model.log_prob(torch.zeros(0, 5, dtype=torch.long)).shape == (0,)
    assert scale_of(torch.zeros(1), torch.zeros(1)).item() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: small(memory=1.0), "memory lies in"),
        (lambda: small(order=0), "at least 1"),
        (lambda: small()(torch.zeros(2, 7)), "codes are int64, found torch.float32"),
        (lambda: small().log_prob(torch.zeros(7, dtype=torch.long)), r"codes is \(b, t\), found shape \(7,\)"),
        (lambda: small(gated=0), "found sizes 3, 0, 7, 2, 3 and 4, 2 dilations and memory 0.99"),
        (lambda: small().sample(-1, 5), "at least 0, found -1 and 5"),
        (lambda: small().sample(2, -1), "at least 0, found 2 and -1"),
        (lambda: small().log_prob(torch.zeros(2, 0, dtype=torch.long)), r"found shape \(2, 0\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
