"""Randomized smoothing against planes (distance and probability in closed form), SciPy's tests, and enumeration."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from common import F64, noise, stream
from dlbook.adversarial.smoothing import ABSTAIN, Smoothed, lower_bound, radius


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def plane(w, b):
    """Return a model of two classes, the second where w @ x + b > 0."""
    layer = nn.Linear(len(w), 2, dtype=F64)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([torch.zeros(len(w), dtype=F64), torch.as_tensor(w, dtype=F64)]))
        layer.bias.copy_(torch.tensor([0.0, b]))
    return layer


@pytest.mark.parametrize("n", [1, 7, 50])
@pytest.mark.parametrize("alpha", [0.001, 0.2])
def test_lower_bound_is_scipys_exact_interval(n, alpha):
    ours = lower_bound(np.arange(n + 1), n, alpha=alpha)
    for k in range(n + 1):
        theirs = stats.binomtest(k, n, alternative="greater").proportion_ci(1 - alpha, method="exact").low
        assert math.isclose(ours[k], theirs, rel_tol=1e-9, abs_tol=1e-15)


@pytest.mark.parametrize("p", [0.03, 0.5, 0.77, 0.999])
def test_lower_bound_covers_by_enumeration_of_all_counts(p):
    n, alpha = 40, 0.05
    chance = stats.binom.pmf(np.arange(n + 1), n, p)
    above = lower_bound(np.arange(n + 1), n, alpha=alpha) > p
    assert chance[above].sum() <= alpha + 1e-12


def test_radius_of_exact_probability_is_the_distance_to_a_plane():
    # under noise the score is normal with mean w x + b and deviation sigma ‖w‖: p = Φ(distance / sigma)
    w, b, x, sigma = np.array([3.0, -4.0]), 1.0, np.array([2.0, -1.0]), 0.7
    distance = (w @ x + b) / 5
    assert math.isclose(radius(stats.norm.cdf(distance / sigma), sigma=sigma), distance, rel_tol=1e-9)
    assert radius([0.2, 0.5, 1.0], sigma=sigma).tolist() == [0, 0, math.inf]


def test_certificate_of_a_plane_stays_below_its_distance_and_comes_near_it():
    w, sigma = [3.0, -4.0], 0.5
    smoothed = Smoothed(plane(w, 0.0), sigma)
    x = torch.tensor([[0.6, 0.0], [-0.6, 0.8], [0.5, -0.1]], dtype=F64)
    score = x @ torch.tensor(w, dtype=F64) / 5
    found = smoothed.certify(x, n=20_000, alpha=1e-3, generator=stream())
    assert found.label.tolist() == (score > 0).long().tolist()
    assert (found.radius <= score.abs()).all()
    assert (found.radius > 0.9 * score.abs()).all()
    probability = torch.from_numpy(stats.norm.cdf((score.abs() / sigma).numpy()))
    assert (found.probability <= probability).all()
    assert (found.probability > probability - 0.02).all()


def test_certificates_err_no_more_often_than_alpha_allows():
    # 400 certificates at alpha 0.2 of a point at distance 0.3: about 80 too long, 4 standard deviations are 32
    smoothed = Smoothed(plane([1.0], 0.0), 0.5)
    found = smoothed.certify(torch.full((400, 1), 0.3, dtype=F64), n=60, alpha=0.2, generator=stream())
    assert (found.radius > 0.3).sum() <= 80 + 32
    assert (found.radius > 0.3).sum() > 20  # alpha is used


def test_the_largest_radius_is_that_of_n_answers_out_of_n():
    smoothed = Smoothed(plane([1.0], 0.0), 0.25)
    found = smoothed.certify(torch.full((1, 1), 9.0, dtype=F64), n=100, alpha=0.001, generator=stream())
    assert math.isclose(found.radius.item(), 0.25 * stats.norm.ppf(0.001**0.01), rel_tol=1e-12)


def test_counts_are_a_binomial_draw_for_every_image_and_chunk():
    smoothed = Smoothed(plane([1.0], 0.0), 0.5, size=300)
    x = torch.tensor([[0.3], [-0.3], [0.0]], dtype=F64)
    counts = smoothed.counts(x, n=1000, generator=stream())
    assert counts.sum(dim=1).tolist() == [1000] * 3
    p = stats.norm.cdf(x[:, 0] / 0.5)
    assert (np.abs(counts[:, 1].numpy() - 1000 * p) < 4 * np.sqrt(1000 * p * (1 - p))).all()
    assert torch.equal(counts, smoothed.counts(x, n=1000, generator=stream()))


def test_predict_abstains_exactly_where_scipys_binomial_test_does():
    class Scripted(Smoothed):
        def counts(self, x, *, n, generator):
            return torch.tensor([[k, 3, 30 - k] for k in range(31)])

    found = Scripted(plane([1.0], 0.0), 1.0).predict(torch.zeros(31, 1), n=33, alpha=0.05, generator=stream())
    for k, label in enumerate(found.tolist()):
        _, second, first = sorted([k, 3, 30 - k])
        p_value = stats.binomtest(first, first + second, 0.5).pvalue
        assert label == (ABSTAIN if p_value > 0.05 else int(np.argmax([k, 3, 30 - k])))


def test_a_point_on_the_plane_gets_no_answer_from_either_method():
    smoothed, x = Smoothed(plane([1.0], 0.0), 0.5), torch.zeros(5, 1, dtype=F64)
    assert smoothed.predict(x, generator=stream()).tolist() == [ABSTAIN] * 5
    found = smoothed.certify(x, generator=stream())
    assert found.label.tolist() == [ABSTAIN] * 5
    assert found.radius.tolist() == [0] * 5
    assert smoothed.predict(x + 1, generator=stream()).tolist() == [1] * 5


def test_the_guess_has_draws_of_its_own():
    # ten equal classes: a given one has more than 4 of 20 fair draws with probability 0.043, the fullest with 0.4
    def flat(x):
        return torch.randn(len(x), 10, generator=draw)

    draw, x = stream(1), torch.zeros(300, 1)
    found = Smoothed(flat, 1.0).certify(x, n=20, n_guess=20, alpha=0.001, generator=stream())
    above = (found.probability > torch.from_numpy(lower_bound(4, 20, alpha=0.001))).double()
    assert above.mean() < 0.1


def test_certify_counts_fresh_draws_after_those_of_the_guess():
    smoothed, x, draw = Smoothed(plane([1.0], 0.0), 0.5), torch.tensor([[0.1], [-0.2]], dtype=F64), stream(3)
    found = smoothed.certify(x, n=50, n_guess=20, generator=stream(3))
    guess = smoothed.counts(x, n=20, generator=draw).argmax(dim=1)
    count = smoothed.counts(x, n=50, generator=draw)[torch.arange(2), guess]
    wanted = [stats.binomtest(int(k), 50, alternative="greater").proportion_ci(0.999).low for k in count]
    assert np.allclose(found.probability, wanted, rtol=1e-9)


def test_log_probabilities_are_the_mean_softmax_and_have_its_gradient():
    layer = nn.Linear(3, 5, dtype=F64)
    with torch.no_grad():
        layer.weight.copy_(noise(5, 3))
        layer.bias.copy_(noise(5, seed=1))
    smoothed, x = Smoothed(layer, 0.7), noise(2, 3, seed=2).requires_grad_()
    found = smoothed.log_probabilities(x, n=7, generator=stream())
    draws = torch.randn(2, 7, 3, generator=stream(), dtype=F64)
    wanted = layer(x[:, None] + 0.7 * draws).softmax(dim=-1).mean(dim=1).log()
    torch.testing.assert_close(found, wanted)
    ours, theirs = (torch.autograd.grad(one[:, 0].sum(), x, retain_graph=True)[0] for one in (found, wanted))
    torch.testing.assert_close(ours, theirs)


def test_the_base_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    smoothed, x = Smoothed(model, 0.5), torch.zeros(2, 3)
    with torch.inference_mode():
        smoothed.predict(x, n=50, generator=stream())
    smoothed.certify(x, n=50, generator=stream())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_log_probabilities_use_evaluation_mode_and_the_callers_word_on_gradients():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    smoothed, x = Smoothed(model, 0.5), torch.zeros(2, 3)
    one, two = (smoothed.log_probabilities(x, n=5, generator=stream()) for _ in range(2))
    assert torch.equal(one, two)
    assert one.requires_grad
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():
        assert not smoothed.log_probabilities(x, n=5, generator=stream()).requires_grad
    with torch.inference_mode():
        assert torch.equal(smoothed.log_probabilities(x + 0, n=5, generator=stream()), one)


def test_images_of_any_axes_and_half_precision():
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 5 * 7, 2)).to(torch.bfloat16)
    counts = Smoothed(model, 0.5).counts(torch.zeros(2, 3, 5, 7, dtype=torch.bfloat16), n=11, generator=stream())
    assert counts.sum(dim=1).tolist() == [11, 11]


SMOOTHED, X = Smoothed(nn.Linear(3, 2), 1.0), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Smoothed(nn.Identity(), 0.0), "sigma is above 0 and size at least 1, found 0.0 and 1000"),
        (lambda: Smoothed(nn.Identity(), -1.0), "sigma is a finite size of at least 0"),
        (lambda: Smoothed(nn.Identity(), 1.0, size=0), "found 1.0 and 0"),
        (lambda: lower_bound(3, 2, alpha=0.1), r"successes lie in 0..2, found 3 to 3"),
        (lambda: lower_bound(-1, 2, alpha=0.1), r"successes lie in 0..2, found -1"),
        (lambda: lower_bound(0, 0, alpha=0.1), "n counts draws, at least 1, found 0"),
        (lambda: lower_bound(1, 2, alpha=0.0), "alpha is the share of errors allowed, between 0 and 1, found 0.0"),
        (lambda: lower_bound(1, 2, alpha=1.0), "found 1.0"),
        (lambda: SMOOTHED.predict(X, alpha=1.5, generator=stream()), "alpha .* found 1.5"),
        (lambda: SMOOTHED.certify(X, n=0, generator=stream()), "n counts draws, at least 1, found 0"),
        (lambda: SMOOTHED.certify(X, n_guess=0, generator=stream()), "n_guess counts draws"),
        (lambda: SMOOTHED.certify(X, alpha=-1, generator=stream()), "alpha .* found -1"),
        (
            lambda: SMOOTHED.counts(X.long(), n=2, generator=stream()),
            r"floats, at least one, found torch.int64 \(2, 3\)",
        ),
        (lambda: SMOOTHED.counts(X[0], n=2, generator=stream()), r"found torch.float32 \(3,\)"),
        (lambda: SMOOTHED.counts(X[:0], n=2, generator=stream()), r"found torch.float32 \(0, 3\)"),
        (lambda: SMOOTHED.log_probabilities(X, n=0, generator=stream()), "n counts draws"),
        (lambda: SMOOTHED.certify(X / 0, generator=stream()), "x is a batch of finite floats"),
        (lambda: SMOOTHED.log_probabilities(X + torch.inf, n=1, generator=stream()), "x is a batch of finite floats"),
        (lambda: Smoothed(lambda x: x / 0 * 0, 1.0).predict(X, generator=stream()), "the model returns NaN"),
        (lambda: radius(1.5, sigma=1.0), "p is a probability, found 1.5"),
        (lambda: radius([0.5, -0.5], sigma=1.0), "p is a probability, found -0.5"),
        (lambda: radius(torch.nan, sigma=1.0), "p is a probability, found nan"),
        (lambda: radius(0.3, sigma=-1.0), "sigma is a finite size"),
        (lambda: Smoothed(nn.Flatten(0), 1.0).counts(X, n=2, generator=stream()), "the model returns logits"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
