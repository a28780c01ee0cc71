"""Principal components against scikit-learn and torch.distributions; the linear autoencoder against enumerated laws."""

import copy

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import distributions as laws
from torch.testing import assert_close

from common import F64, composes, noise, stream
from dlbook.generative.probabilistic_pca import LinearVAE, PrincipalComponents, log_prob, maximum_likelihood, posterior

X = noise(60, 7) @ noise(7, 7, seed=1) + 3
MODEL = PrincipalComponents(noise(7, seed=2), noise(7, 3, seed=3), torch.tensor(0.3, dtype=F64))


def covariance(model):
    return model.weight @ model.weight.T + model.noise_var * torch.eye(len(model.mean), dtype=F64)


def test_maximum_likelihood_is_that_of_scikit_learn():
    ours, theirs = maximum_likelihood(X, 3), PCA(3).fit(X.numpy())
    # scikit-learn divides by n - 1, which is no maximum; otherwise it is the same model
    assert_close(covariance(ours), torch.from_numpy(theirs.get_covariance()) * 59 / 60)
    assert_close(ours.noise_var.item(), theirs.noise_variance_ * 59 / 60)
    assert_close(ours.mean, X.mean(dim=0))
    lengths = (ours.weight**2).sum(dim=0)
    assert_close(lengths, torch.from_numpy(theirs.explained_variance_ * 59 / 60) - ours.noise_var)


def test_log_density_is_scikit_learns_score_for_its_own_model():
    theirs = PCA(3).fit(X.numpy())
    lengths = np.sqrt(theirs.explained_variance_ - theirs.noise_variance_)
    model = PrincipalComponents(
        torch.from_numpy(theirs.mean_), torch.from_numpy(theirs.components_.T * lengths),
        torch.tensor(theirs.noise_variance_, dtype=F64),
    )  # fmt: skip
    assert_close(log_prob(X, *model), torch.from_numpy(theirs.score_samples(X.numpy())), rtol=1e-10, atol=1e-10)


def test_log_density_is_that_of_torch_distributions():
    expected = laws.MultivariateNormal(MODEL.mean, covariance(MODEL)).log_prob(X)
    assert_close(log_prob(X, *MODEL), expected, rtol=1e-10, atol=1e-10)


def test_no_small_change_of_the_model_is_more_probable():
    best = maximum_likelihood(X, 3)
    top = log_prob(X, *best).mean()
    for seed in range(5):
        moved = [p + 0.01 * noise(1, *p.shape, seed=seed)[0] for p in best]
        assert log_prob(X, *moved).mean() < top


def test_posterior_is_the_conditional_of_the_joint_gaussian():
    # (x, z) has covariance ((C, W), (W', I)); condition on x
    c, w = covariance(MODEL), MODEL.weight
    means, spread = posterior(X, *MODEL)
    assert_close(means, (X - MODEL.mean) @ torch.linalg.solve(c, w), rtol=1e-9, atol=1e-9)
    assert_close(spread, torch.eye(3, dtype=F64) - w.T @ torch.linalg.solve(c, w), rtol=1e-9, atol=1e-9)


def random_vae():
    model = LinearVAE(7, 3, generator=stream(), dtype=F64)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter += 0.3 * noise(1, *parameter.shape, seed=i)[0]
    return model


def test_the_gap_of_the_bound_is_the_divergence_to_the_posterior():
    model = random_vae()
    means, spread = posterior(X, model.mean, model.weight, model.log_noise_var.exp())
    q = laws.MultivariateNormal((X - model.mean) @ model.encoder.T, model.log_var.exp().diag())
    gap = laws.kl_divergence(q, laws.MultivariateNormal(means, spread))
    assert_close(model.log_prob(X) - model.elbo(X), gap, rtol=1e-8, atol=1e-8)
    assert_close(model(X), model.elbo(X))


def test_the_closed_bound_is_the_mean_over_draws_of_z():
    model, x = random_vae(), X[:2]
    q = laws.Normal((x - model.mean) @ model.encoder.T, (model.log_var / 2).exp())
    torch.manual_seed(0)
    z = q.sample((200_000,))
    p = laws.Normal(z @ model.weight.T + model.mean, (model.log_noise_var / 2).exp())
    draws = p.log_prob(x).sum(-1) + laws.Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z).sum(-1)
    error = draws.std(dim=0) / 200_000**0.5
    assert ((draws.mean(dim=0) - model.elbo(x)).abs() < 5 * error).all()


def test_at_the_closed_form_the_bound_is_the_likelihood_and_flat():
    best = maximum_likelihood(X, 3)
    model = LinearVAE(7, 3, dtype=F64)
    means, spread = posterior(best.mean + torch.eye(7, dtype=F64), *best)
    with torch.no_grad():
        for parameter, value in (
            (model.weight, best.weight), (model.mean, best.mean), (model.encoder, means.T),
            (model.log_var, spread.diagonal().log()), (model.log_noise_var, best.noise_var.log()),
        ):  # fmt: skip
            parameter.copy_(value)
    assert_close(model.elbo(X), log_prob(X, *best), rtol=1e-9, atol=1e-9)
    for gradient in torch.autograd.grad(model.elbo(X).mean(), list(model.parameters())):
        assert gradient.abs().max() < 1e-9


def test_samples_have_the_mean_and_covariance_of_the_model():
    model = random_vae()
    x = model.sample(200_000, generator=stream(3))
    expected = model.weight @ model.weight.T + model.log_noise_var.exp() * torch.eye(7, dtype=F64)
    assert_close(x.T.cov(), expected.detach(), rtol=0, atol=0.06)
    assert_close(x.mean(dim=0), model.mean.detach(), rtol=0, atol=0.03)
    assert not x.requires_grad
    assert torch.equal(x[:5], model.sample(200_000, generator=stream(3))[:5])
    assert model.sample(0).shape == (0, 7)


def test_composes_with_torch():
    model = random_vae()
    composes(model, X[:3])
    assert_close(torch.compile(model, fullgraph=True, backend="eager")(X), model(X))
    assert LinearVAE(7, 3, device="meta")(torch.zeros(2, 7, device="meta")).shape == (2,)
    assert torch.equal(LinearVAE(7, 3, generator=stream(1)).weight, LinearVAE(7, 3, generator=stream(1)).weight)
    assert copy.deepcopy(model).log_prob(X[:0]).shape == (0,)


def test_weights_are_drawn_with_deviation_one_over_root_d():
    model = LinearVAE(400, 50, generator=stream())
    for p in (model.weight, model.encoder):
        assert abs(p.std().item() * 20 - 1) < 0.05
    assert model.weight.shape == (400, 50)
    assert model.encoder.shape == (50, 400)
    assert not torch.equal(model.weight, model.encoder.T)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: maximum_likelihood(X, 7), "latent is between 1 and 6, one less than the 7 coordinates, found 7"),
        (lambda: maximum_likelihood(X, 0), "found 0"),
        (lambda: maximum_likelihood(X[:0], 3), "at least 1, found"),
        (lambda: maximum_likelihood(X.byte(), 3), "float32 or float64, in which .* found torch.uint8"),
        (lambda: maximum_likelihood(X.half(), 3), "found torch.float16"),
        (lambda: maximum_likelihood(X[0], 3), r"x is \(n, d\)"),
        (lambda: log_prob(X[:, :5], *MODEL), r"x is \(b, 7\)"),
        (lambda: log_prob(X, MODEL.mean[:1], *MODEL[1:]), r"mean is \(7,\)"),
        (lambda: log_prob(X, MODEL.mean, MODEL.mean, MODEL.noise_var), r"weight is \(d, q\)"),
        (lambda: posterior(X[:, :5], *MODEL), r"x is \(b, 7\)"),
        (lambda: posterior(X, MODEL.mean[:1], *MODEL[1:]), r"mean is \(7,\)"),
        (lambda: posterior(X, MODEL.mean, MODEL.mean, MODEL.noise_var), r"weight is \(d, q\)"),
        (lambda: LinearVAE(7, 0), "sizes are at least 1, found 7 coordinates and 0 latent ones"),
        (lambda: LinearVAE(0, 2), "sizes are at least 1"),
        (lambda: LinearVAE(7, 3).elbo(torch.zeros(2, 5)), r"x is \(b, 7\)"),
        (lambda: LinearVAE(7, 3).sample(-1), "n counts examples, at least 0, found -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_few_examples_leave_no_variance_and_never_less():
    for seed in range(5):
        x = noise(3, 10, seed=seed, dtype=torch.float32)  # 3 points lie in a plane: of 10 directions 8 have variance 0
        assert 0 <= maximum_likelihood(x, 5).noise_var < 1e-6


def test_half_precision_is_computed_in_single():
    model = random_vae().bfloat16()
    x = X.bfloat16()
    expected = copy.deepcopy(model).float().log_prob(x.float())
    assert_close(model.log_prob(x), expected, rtol=1e-2, atol=0)
    parts = (model.mean, model.weight, model.log_noise_var)
    for ours, theirs in zip(posterior(x, *parts), posterior(x.float(), *(p.float() for p in parts)), strict=True):
        assert_close(ours, theirs, rtol=0, atol=0)
