"""The terms of the bound against torch's divergences and SciPy's normal; the whole bound where the best network is known."""

import copy
import math

import pytest
import torch
from scipy.stats import norm
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.diffusion import (
    Diffusion,
    decoder_term,
    noise_loss,
    prior_term,
    random_times,
    step_term,
    velocity_loss,
)
from dlbook.generative.noising import cosine_schedule, posterior, q_sample
from dlbook.generative.samplers import ddim, ddpm, guided
from dlbook.generative.score_matching import best_noise
from dlbook.generative.unet import UNet

ALPHA_BAR = cosine_schedule(11, start=0.1)


class Knows(nn.Module):
    """The best network for points of equal weight: the velocity that belongs to their best noise."""

    def __init__(self, points, alpha_bar):
        super().__init__()
        self.points, self.alpha_bar = points, alpha_bar
        self.kind = nn.Parameter(torch.zeros(1, dtype=F64))

    def forward(self, x, time, y=None):
        a = self.alpha_bar[(time[0] * (len(self.alpha_bar) - 1)).round().long()]
        return (best_noise(x, self.points, a) - (1 - a).sqrt() * x) / a.sqrt()


def small(levels=2, **options):
    torch.manual_seed(0)
    network = UNet(1, 8, width=8, deep=8, hidden=5, classes=3, generator=stream())
    with torch.no_grad():
        for p in network.parameters():
            p += 0.1 * torch.randn(p.shape, generator=stream(len(p)))
    return Diffusion(network, (1, 8, 8), alpha_bar=ALPHA_BAR, levels=levels, classes=3, **options)


def test_step_term_is_torchs_divergence_of_two_posteriors():
    x0, guess, x = noise(5, 2, 3), noise(5, 2, 3, seed=1), noise(5, 2, 3, seed=2)
    for step in (2, 3, 7, 11):
        t = torch.full((5,), step)
        true, said = (posterior(x, t, one, ALPHA_BAR) for one in (x0, guess))
        exact = kl_divergence(Normal(true.mean, true.variance.sqrt()), Normal(said.mean, said.variance.sqrt()))
        assert_close(step_term(x0, guess, t, ALPHA_BAR), exact.sum((1, 2)))


def test_prior_term_is_torchs_divergence():
    x0 = noise(5, 2, 3)
    last = ALPHA_BAR[3]
    exact = kl_divergence(Normal(last.sqrt() * x0, (1 - last).sqrt()), Normal(0.0, 1.0)).sum((1, 2))
    assert_close(prior_term(x0, ALPHA_BAR[:4]), exact)


@pytest.mark.parametrize("levels", [2, 3, 5, 256])
def test_decoder_is_scipys_normal_in_pieces_that_add_up_to_one(levels):
    values, half = torch.linspace(-1, 1, levels, dtype=F64), 1 / (levels - 1)
    for guess, std in ((0.3, 0.2), (-1.0, 0.05), (0.9, 1.5)):
        found = (-decoder_term(values[:, None], torch.full((levels, 1), guess).double(), std, levels=levels)).exp()
        edges = [-math.inf, *(values[:-1] + half).tolist(), math.inf]
        exact = norm(guess, std).cdf(edges[1:]) - norm(guess, std).cdf(edges[:-1])
        assert_close(found, torch.tensor(exact), rtol=1e-6, atol=1e-9)
        assert_close(found.sum().item(), 1.0)


def test_decoder_far_in_the_tail_is_finite_and_has_a_slope():
    guess = torch.full((1, 2), -1.0, requires_grad=True)
    for levels in (2, 256):
        loss = decoder_term(
            torch.tensor([[1.0, 0.0]]) if levels == 2 else torch.tensor([[1.0, 1 / 255]]), guess, 0.05, levels=levels
        )
        (slope,) = torch.autograd.grad(loss.sum(), guess)
        assert loss.isfinite().all()
        assert slope[0, 0] < 0
    assert decoder_term(torch.zeros(1, 1), torch.zeros(1, 1), 1e9, levels=255).isfinite()
    assert_close(
        decoder_term(torch.ones(1, 1).double(), -torch.ones(1, 1).double(), 0.1, levels=2)[0].item(), -norm.logsf(10)
    )


def test_losses_by_hand():
    predicted, eps = torch.tensor([[1.0, 2], [0, 0]]), torch.tensor([[0.0, 0], [3, 0]])
    assert noise_loss(predicted, eps) == 14 / 4
    alpha_bar = torch.tensor([1.0, 0.5, 0.1])
    assert_close(velocity_loss(predicted, eps, torch.tensor([1, 2]), alpha_bar), torch.tensor((5 / 0.5 + 9 / 0.1) / 4))


def test_velocity_loss_is_the_squared_error_of_the_velocity():
    x0, eps, t, said = noise(4, 3), noise(4, 3, seed=1), torch.tensor([1, 3, 5, 10]), noise(4, 3, seed=2)
    a = ALPHA_BAR[t][:, None]
    velocity = a.sqrt() * eps - (1 - a).sqrt() * x0
    x = q_sample(x0, t, eps, ALPHA_BAR)
    predicted = (1 - a).sqrt() * x + a.sqrt() * said
    assert_close(velocity_loss(predicted, eps, t, ALPHA_BAR), (said - velocity).square().mean())


def test_the_model_turns_velocity_into_noise():
    points = noise(3, 2)
    model = Diffusion(Knows(points, ALPHA_BAR), (2,), alpha_bar=ALPHA_BAR)
    x = noise(5, 2, seed=1)
    for step in (1, 4, 11):
        time = torch.full((5,), step / 11, dtype=F64)
        assert_close(model.noise(x, time), best_noise(x, points, ALPHA_BAR[step]))


def test_forward_is_the_loss_of_the_same_draws():
    model, x, y = (
        small().double(),
        torch.bernoulli(torch.full((4, 1, 8, 8), 0.5), generator=stream()).double(),
        torch.tensor([0, 1, 2, 3]),
    )
    found = model(x, y, generator=stream(7))
    draws = stream(7)
    t = torch.randint(1, 12, (4,), generator=draws)
    eps = torch.randn(4, 1, 8, 8, generator=draws, dtype=F64)
    noisy = q_sample(2 * x - 1, t, eps, ALPHA_BAR)
    assert_close(found, velocity_loss(model.noise(noisy, t / 11, y), eps, t, ALPHA_BAR))


def test_bound_with_the_best_network_comes_near_the_entropy_and_never_above():
    # two of four pairs of pixels, each with probability 1/2: log p is -log 2; the worst of the others is far below
    points = torch.tensor([[1.0, 1], [-1, 1]], dtype=F64)
    gaps = []
    for steps in (5, 40):
        alpha_bar = cosine_schedule(steps, start=0.15)
        model = Diffusion(Knows(points, alpha_bar), (2,), alpha_bar=alpha_bar)
        x = ((points + 1) / 2).repeat(3000, 1)
        bound = model.elbo(x, generator=stream()).mean().item()
        gaps.append(-math.log(2) - bound)
    assert gaps[0] > gaps[1] > -0.02
    assert gaps[1] < 0.06
    assert model.elbo(torch.zeros(50, 2).double(), generator=stream()).mean() < -20


def test_terms_are_in_order_and_add_up():
    model = small()
    x = torch.ones(3, 1, 8, 8)
    terms = model.terms(x, generator=stream(1))
    assert terms.shape == (12, 3)
    assert (terms >= 0).all()
    assert_close(model.elbo(x, generator=stream(1)), -terms.sum(0))
    assert_close(terms[-1], prior_term(2 * x - 1, ALPHA_BAR))
    t, eps = torch.ones(3).long(), torch.randn(3, 1, 8, 8, generator=stream(1))
    a = ALPHA_BAR[1]
    noisy = q_sample(2 * x - 1, t, eps, ALPHA_BAR)
    guess = ((noisy - (1 - a).sqrt() * model.noise(noisy, t / 11)) / a.sqrt()).clamp(-1, 1).float()
    assert_close(terms[0], decoder_term(2 * x - 1, guess, (1 - a).sqrt().item(), levels=2))
    assert not terms.requires_grad


def test_every_term_is_torchs_divergence_of_the_same_draws():
    model, y, draws = small().double(), torch.tensor([0, 1, 3]), stream(1)
    x0 = 2 * torch.bernoulli(torch.full((3, 1, 8, 8), 0.5), generator=stream()).double() - 1
    terms = model.terms((x0 + 1) / 2, y, generator=stream(1))
    for step in range(1, 12):
        t, a = torch.full((3,), step), ALPHA_BAR[step]
        noisy = a.sqrt() * x0 + (1 - a).sqrt() * torch.randn(3, 1, 8, 8, generator=draws, dtype=F64)
        guess = ((noisy - (1 - a).sqrt() * model.noise(noisy, t / 11, y)) / a.sqrt()).clamp(-1, 1)
        if step > 1:
            true, said = (posterior(noisy, t, one, ALPHA_BAR) for one in (x0, guess))
            exact = kl_divergence(Normal(true.mean, true.variance.sqrt()), Normal(said.mean, said.variance.sqrt()))
            assert_close(terms[step - 1], exact.sum((1, 2, 3)))


def test_labels_reach_the_network():
    model, x, y = small(), torch.ones(3, 1, 8, 8), torch.tensor([0, 1, 2])
    assert not torch.equal(model.elbo(x, y, generator=stream()), model.elbo(x, generator=stream()))
    assert not torch.equal(model(x, y, generator=stream()), model(x, generator=stream()))


def test_samples_are_those_of_the_samplers_on_the_levels():
    model, y = small(levels=5), torch.tensor([0, 1, 2])
    start = torch.randn(3, 1, 8, 8, generator=stream(2))

    def at_levels(x):
        return ((x + 1) * 2).round().clamp(0, 4) / 4

    assert torch.equal(
        model.sample(3, steps=4, generator=stream(2)), at_levels(ddim(model.noise, start, ALPHA_BAR, steps=4))
    )
    told = ddim(guided(model.noise, y, 3, scale=2.0), start, ALPHA_BAR, steps=4)
    assert torch.equal(model.sample(3, y, steps=4, scale=2.0, generator=stream(2)), at_levels(told))
    draws = stream(2)
    start = torch.randn(3, 1, 8, 8, generator=draws)
    assert torch.equal(
        model.sample(3, generator=stream(2)), at_levels(ddpm(model.noise, start, ALPHA_BAR, generator=draws))
    )
    assert set(model.sample(3, generator=stream(2)).unique().tolist()) <= {0, 0.25, 0.5, 0.75, 1}


def test_sampling_leaves_mode_and_stream_of_torch_alone():
    model = small().train()
    before = torch.random.get_rng_state()
    x = model.sample(2, steps=2, generator=stream())
    assert model.training
    assert not x.requires_grad
    assert torch.equal(before, torch.random.get_rng_state())


def test_overfits_one_image():
    model = Diffusion(UNet(1, 8, width=8, deep=8, hidden=16, generator=stream()), (1, 8, 8), alpha_bar=ALPHA_BAR)
    image = torch.bernoulli(torch.full((1, 1, 8, 8), 0.5), generator=stream(1))
    optimizer, draws = torch.optim.Adam(model.parameters(), lr=0.01), stream(2)
    for _ in range(200):
        loss = model(image.expand(8, 1, 8, 8), generator=draws)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (model.sample(20, steps=5, generator=draws) == image).float().mean() > 0.97


def test_composes_with_torch():
    model, x = small(), torch.ones(2, 1, 8, 8)
    again = copy.deepcopy(model)
    assert torch.equal(again.elbo(x, generator=stream()), model.elbo(x, generator=stream()))
    compiled = torch.compile(model.noise, fullgraph=True, backend="eager")
    time = torch.full((2,), 5 / 11)
    assert_close(compiled(x, time), model.noise(x, time))
    assert model.to(torch.bfloat16)(x.bfloat16()).dtype == torch.bfloat16
    assert model.alpha_bar.dtype == F64
    half = model.terms(x.bfloat16(), generator=stream())  # another stream of noise: near, not equal
    assert half.dtype == torch.float32
    assert_close(half.mean(), again.terms(x, generator=stream()).mean(), rtol=0.1, atol=0)
    assert repr(model).startswith("Diffusion(\n  shape=(1, 8, 8), steps=11, levels=2, classes=3")
    alpha_bar = ALPHA_BAR.clone()
    kept = Diffusion(nn.Identity(), (2,), alpha_bar=alpha_bar)
    alpha_bar.zero_()
    assert torch.equal(kept.alpha_bar, ALPHA_BAR)


def test_times_are_uniform_from_one_to_the_last():
    counts = random_times(6000, 3, generator=stream()).bincount()
    assert counts[0] == 0
    assert len(counts) == 4
    assert (counts[1:] - 2000).abs().max() < 200


class First(nn.Module):
    """A network that forgets all but one channel, which would broadcast."""

    def forward(self, x, time, y=None):
        return x[:, :1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_decoder_takes_half_precision(dtype):
    x0, guess = torch.tensor([[1.0, -1.0, 1.0]]), torch.tensor([[0.5, 0.25, -0.5]])
    half = decoder_term(x0.to(dtype), guess.to(dtype), 0.5, levels=2)
    assert_close(half, decoder_term(x0, guess, 0.5, levels=2), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=torch.ones(1)), "at least 2"),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=ALPHA_BAR, levels=1), "found 1 and 0"),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=ALPHA_BAR, classes=-1), "found 2 and -1"),
        (lambda: small().elbo(torch.ones(2, 1, 8, 9)), r"x is \(b, 1, 8, 8\)"),
        (lambda: small()(torch.ones(2, 1, 8, 8).byte()), "found torch.uint8"),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=ALPHA_BAR)(torch.ones(3, 4)), r"x is \(b, 2\)"),
        (lambda: small()(torch.ones(0, 1, 8, 8)), "found none"),
        (lambda: Diffusion(UNet(), (1, 28, 28), alpha_bar=ALPHA_BAR).sample(1, torch.ones(1).long()), "classes 0"),
        (lambda: step_term(torch.ones(2, 3), torch.ones(2, 1), torch.full((2,), 2), ALPHA_BAR), r"guess is \(2, 3\)"),
        (lambda: small().sample(-1), "at least 0, found -1"),
        (lambda: small().sample(2, torch.ones(3).long()), r"y is \(2,\)"),
        (lambda: small().sample(2, steps=12), "from 1 to 11 steps"),
        (lambda: decoder_term(torch.ones(2, 3), torch.ones(2, 3), 1.0, levels=1), "at least 2 levels"),
        (lambda: decoder_term(torch.ones(2, 3), torch.ones(2, 1), 1.0, levels=2), r"guess is \(2, 3\)"),
        (lambda: noise_loss(torch.ones(2, 3), torch.ones(2, 1)), r"noise is \(2, 3\)"),
        (
            lambda: velocity_loss(torch.ones(2, 3), torch.ones(2, 1), torch.ones(2).long(), ALPHA_BAR),
            r"noise is \(2, 3\)",
        ),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=ALPHA_BAR[1:]), "from 1 down"),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=ALPHA_BAR.flip(0)), "from 1 down"),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=torch.tensor([1.0, 0.5, 0.0])), "more than 0, found .*0.0"),
        (lambda: Diffusion(nn.Identity(), (2,), alpha_bar=torch.tensor([1.0, torch.nan])), "found .*nan"),
        (
            lambda: Diffusion(First(), (2,), alpha_bar=ALPHA_BAR)(torch.ones(3, 2)),
            r"velocity is \(3, 2\), found shape \(3, 1\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("steps", [None, 3])
def test_no_example_may_be_asked_for(steps):
    assert small().sample(0, steps=steps).shape == (0, 1, 8, 8)
