"""The variational autoencoder against quadrature of its one latent coordinate, torch.distributions, and laws."""

import copy
import itertools
import math

import pytest
import torch
from torch import distributions as laws
from torch.testing import assert_close

from common import F64, noise, size, stream
from dlbook.generative.vae import VAE, free_bits, log_bernoulli

SHAPE = (1, 2, 3)
X = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6)), dtype=F64).reshape(64, *SHAPE)  # all images


def small(latent=1, **options):
    model = VAE(shape=SHAPE, latent=latent, hidden=5, generator=stream(), **options)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(0.7 * noise(*parameter.shape, seed=i))
    return model.to(F64)


def exact(model):
    """Return log p(x) of all images by integration over the one latent coordinate."""
    z = torch.linspace(-9, 9, 2001, dtype=F64)[:, None]
    likelihood = model.log_likelihood(X, z[:, None].expand(2001, 64, 1))
    prior = laws.Normal(0.0, 1.0).log_prob(z)
    return torch.logsumexp(likelihood + prior + math.log(18 / 2000), dim=0)


def test_likelihood_is_that_of_torch_distributions():
    logits = 3 * noise(2, 5, 3, 7)
    x = (noise(2, 5, 3, 7, seed=1) > 0).double()
    expected = laws.Bernoulli(logits=logits).log_prob(x).sum(dim=(-3, -2, -1))
    assert_close(log_bernoulli(x, logits), expected)
    assert_close(log_bernoulli(x, logits[1]), laws.Bernoulli(logits=logits[1]).log_prob(x).sum(dim=(-3, -2, -1)))
    repeated = noise(11, 2, 5, 3, 7)
    assert_close(log_bernoulli(x, repeated), laws.Bernoulli(logits=repeated).log_prob(x).sum(dim=(-3, -2, -1)))


def test_likelihood_keeps_its_digits_where_pixels_are_certain():
    x, logits = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1), torch.tensor([200.0, 200.0]).reshape(2, 1, 1, 1)
    assert_close(log_bernoulli(x, logits), torch.tensor([-200.0, 0.0]))


def test_both_terms_and_their_difference_are_the_equations_of_the_paper():
    model = small(3)
    mean, log_var = model.encode(X)
    q = laws.Normal(mean, (log_var / 2).exp())
    z = mean + (log_var / 2).exp() * torch.randn(64, 3, generator=stream(4), dtype=F64)
    terms = model(X, generator=stream(4))
    pixels = laws.Bernoulli(logits=model.decode(z))
    assert_close(terms.reconstruction, pixels.log_prob(X).sum(dim=(1, 2, 3)))
    assert_close(terms.kl, laws.kl_divergence(q, laws.Normal(0.0, torch.ones(3, dtype=F64))))
    assert_close(model.elbo(X, generator=stream(4)), terms.reconstruction - terms.kl.sum(dim=1))
    weight = pixels.log_prob(X).sum(dim=(1, 2, 3)) + laws.Normal(0.0, 1.0).log_prob(z).sum(1) - q.log_prob(z).sum(1)
    assert_close(model.iwae_bound(X, 1, generator=stream(4)), weight)


def test_images_of_integrated_likelihood_sum_to_one_and_bounds_lie_below_in_order():
    model = small()
    truth = exact(model)
    assert abs(truth.exp().sum().item() - 1) < 1e-9
    many = X.repeat(300, 1, 1, 1)
    with torch.no_grad():
        elbo, one, five, fifty = (
            bound.reshape(300, 64).mean(dim=0)
            for bound in (
                model.elbo(many, generator=stream(1)),
                *(model.iwae_bound(many, k, generator=stream(k)) for k in (1, 5, 50)),
            )
        )
    assert_close(elbo.mean(), one.mean(), rtol=0, atol=0.05)
    assert elbo.mean() < five.mean() < fifty.mean() < truth.mean() + 0.005
    assert (elbo < truth + 0.3).all()
    with torch.no_grad():  # the prior as the guess: its weights p(x|z) are bounded, so the mean of many is exact
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.zero_()
        assert_close(model.iwae_bound(X, 20_000, generator=stream()), truth, rtol=0, atol=0.08)


def test_the_gap_of_the_bound_is_the_divergence_to_the_true_posterior():
    model = small()
    truth, z = exact(model), torch.linspace(-9, 9, 2001, dtype=F64)[:, None]
    mean, log_var = model.encode(X)
    log_q = laws.Normal(mean, (log_var / 2).exp()).log_prob(z[:, None]).squeeze(-1)  # (2001, 64)
    likelihood = model.log_likelihood(X, z[:, None].expand(2001, 64, 1))
    log_posterior = likelihood + laws.Normal(0.0, 1.0).log_prob(z) - truth
    step = 18 / 2000
    gap = (log_q.exp() * (log_q - log_posterior)).sum(dim=0) * step
    bound = (log_q.exp() * likelihood).sum(dim=0) * step - model(X).kl.sum(dim=1)
    assert_close(truth - bound, gap, rtol=1e-6, atol=1e-6)


def test_samples_come_with_the_frequencies_of_the_integrated_likelihood():
    model, n = small(), 40_000
    x = model.sample(n, generator=stream(2))
    code = (x.flatten(1) @ (2.0 ** torch.arange(5, -1, -1, dtype=F64))).long()
    found, expected = torch.bincount(code, minlength=64) / n, exact(model).exp().detach()
    assert ((found - expected).abs() < 5 * (expected / n).sqrt() + 1e-4).all()
    assert set(x.unique().tolist()) == {0.0, 1.0}
    assert not x.requires_grad


def test_means_are_what_samples_are_drawn_from():
    model = small(3)
    z = torch.randn(7, 3, generator=stream(2), dtype=F64)
    means = model.sample(7, generator=stream(2), means=True)
    assert_close(means, torch.sigmoid(model.decode(z)).detach())
    assert not means.requires_grad
    assert torch.equal(model.sample(7, generator=stream(2)), model.sample(7, generator=stream(2)))
    assert model.sample(0).shape == (0, *SHAPE)


def test_a_subclass_with_another_likelihood_has_its_bounds():
    class Dearer(VAE):
        def log_likelihood(self, x, z):
            return super().log_likelihood(x, z) - 7

    dearer = Dearer(shape=SHAPE, latent=1, hidden=5, dtype=F64)
    plain = VAE(shape=SHAPE, latent=1, hidden=5, dtype=F64)
    plain.load_state_dict(dearer.state_dict())
    assert_close(dearer.elbo(X, generator=stream()), plain.elbo(X, generator=stream()) - 7)
    assert_close(dearer.iwae_bound(X, 3, generator=stream()), plain.iwae_bound(X, 3, generator=stream()) - 7)


def test_coins_are_thrown_on_the_device_of_the_generator(monkeypatch):
    drawn, devices = torch.rand, []
    monkeypatch.setattr(torch, "rand", lambda *size, **where: devices.append(where["device"]) or drawn(*size, **where))
    assert VAE(device="meta").sample(2, generator=stream()).device.type == "meta"
    assert devices == [torch.device("cpu")]


def test_a_tiny_set_is_overfitted_to_the_entropy_of_its_law():
    # two images, equally often: nothing is better than ln 2 nats
    x = X[[9, 54]]
    model, draws = VAE(shape=SHAPE, latent=1, hidden=20, generator=stream(), dtype=F64), stream(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(600):
        loss = -model.elbo(x.repeat(16, 1, 1, 1), generator=draws).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        bound = model.iwae_bound(x, 2000, generator=draws).mean().item()
    assert -math.log(2) - 0.2 < bound < -math.log(2) + 0.02


def test_free_bits_by_hand_and_their_gradient():
    kl = torch.tensor([[0.0, 1.0, 5.0], [0.5, 3.0, 0.0]], requires_grad=True)  # means 0.25, 2, 2.5
    penalty = free_bits(kl, 2.25)
    assert_close(penalty, torch.tensor(2.25 + 2.25 + 2.5))
    (gradient,) = torch.autograd.grad(penalty, kl)
    assert_close(gradient, torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5]]))
    assert_close(free_bits(kl, 0.0), kl.sum(dim=1).mean())


def test_parameters_of_the_default_are_counted_and_drawn_with_variance_two_over_fan_in():
    model = VAE(generator=stream())
    h, d, p = 300, 20, 784
    assert size(model) == (p * h + h) + (h * h + h) + (h * 2 * d + 2 * d) + (d * h + h) + (h * h + h) + (h * p + p)
    for layer in [*model.encoder, *model.decoder]:
        if hasattr(layer, "weight"):
            assert abs(layer.weight.var().item() * layer.weight.shape[1] / 2 - 1) < 0.1
            assert (layer.bias == 0).all()
    again = VAE(generator=stream())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_gradient_by_finite_differences():
    model, x = small(2), X[:3]
    names = [name for name, _ in model.named_parameters()]

    def run(*weights):
        return torch.func.functional_call(model, dict(zip(names, weights, strict=True)), (x,), {"generator": stream()})

    inputs = [p.detach().requires_grad_() for p in model.parameters()]
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_composes_with_torch():
    model, x = small(3), X[:5]

    def seeded(run):
        torch.manual_seed(0)
        return run()

    wanted = seeded(lambda: model.elbo(x))
    assert_close(seeded(lambda: torch.compile(model.elbo, fullgraph=True, backend="eager")(x)), wanted)
    assert torch.equal(seeded(lambda: copy.deepcopy(model).elbo(x)), wanted)
    mapped = torch.func.vmap(lambda one: model(one[None]).kl[0], randomness="different")(x)
    assert_close(mapped, model(x).kl)
    meta = VAE(device="meta")
    assert meta.elbo(torch.zeros(2, 1, 28, 28, device="meta")).shape == (2,)
    assert model.elbo(x[:0]).shape == model.iwae_bound(x[:0], 3).shape == (0,)
    for mode in (True, False):
        model.train(mode).sample(2)
        assert all(module.training == mode for module in model.modules())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_bounds_in_float32(dtype):
    model = VAE(shape=(1, 14, 14), generator=stream())
    x = (noise(7, 1, 14, 14) > 0).float()
    wanted = model.elbo(x, generator=stream(1))
    half = model.to(dtype)
    found = half.elbo(x.to(dtype), generator=stream(1))
    assert found.dtype == half.iwae_bound(x.to(dtype), 2).dtype == torch.float32
    assert (found - wanted).abs().max() < 0.1 * wanted.abs().max()
    logits = noise(7, 1, 14, 14).to(dtype)
    assert log_bernoulli(x.to(dtype), logits).dtype == torch.float32
    assert_close(log_bernoulli(x.to(dtype), logits), log_bernoulli(x, logits.float()))
    assert half.sample(3).dtype == dtype
    assert half.sample(3, means=True).dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: VAE(shape=(28, 28)), r"sizes are at least 1, found shape \(28, 28\), 20 latent and 300 hidden units"),
        (lambda: VAE(latent=0), "0 latent"),
        (lambda: VAE(hidden=0), "0 hidden"),
        (lambda: VAE(shape=(1, 0, 28)), "sizes are at least 1"),
        (lambda: small().elbo(torch.zeros(2, 1, 3, 2)), r"x is \(b, 1, 2, 3\), found shape \(2, 1, 3, 2\)"),
        (lambda: small().elbo(torch.zeros(1, 2, 3)), r"x is \(b, 1, 2, 3\)"),
        (lambda: small().elbo(torch.zeros(2, 1, 2, 3, dtype=torch.uint8)), "floats in {0, 1}, found torch.uint8"),
        (lambda: small().decode(torch.zeros(2, 3)), r"z is \(..., 1\), found shape \(2, 3\)"),
        (lambda: small().iwae_bound(X, 0), "k counts draws, at least 1, found 0"),
        (lambda: small().sample(-1), "n counts images, at least 0, found -1"),
        (lambda: log_bernoulli(X, X[..., :2]), r"x is \(..., 1, 2, 2\), found"),
        (lambda: log_bernoulli(X, X[0, 0]), r"logits is \(..., c, h, w\)"),
        (lambda: free_bits(torch.zeros(3), 0.5), r"kl is \(b, d\)"),
        (lambda: free_bits(torch.zeros(0, 3), 0.5), "sizes at least 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
