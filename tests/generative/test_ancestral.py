"""Likelihood and drawing pixel by pixel against hand-worked numbers, SciPy, enumeration, and frequencies."""

import itertools
import math

import pytest
import torch
from scipy.stats import bernoulli
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative.ancestral import complete, log_likelihood, sample, whole_image
from dlbook.generative.gated_pixelcnn import GatedPixelCNN
from dlbook.generative.pixelcnn import PixelCNN
from dlbook.generative.pixelrnn import PixelRNN

MODELS = {
    "plain": lambda size, **options: PixelCNN(size, channels=3, layers=2, first=3, **options),
    "gated": lambda size, **options: GatedPixelCNN(size, channels=3, layers=3, first=5, **options),
    "row": lambda size, **options: PixelRNN(size, layer="row", hidden=3, first=3, **options),
    "diagonal": lambda size, **options: PixelRNN(size, layer="diagonal", hidden=3, first=3, **options),
}
each_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def lively(make, size, seed=0):
    """Return a model in float64 whose probabilities are far from one half."""
    model = make(size, generator=stream(seed), dtype=F64)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 2.5
    return model


def all_images(h, w):
    """Return all binary images of a size."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=h * w)), dtype=F64).view(-1, 1, h, w)


def test_log_likelihood_of_two_pixels_by_hand():
    # probabilities 3/4 and 1/4 of a 1; pixels 1 and 0: 3/4 * 3/4
    logits = torch.tensor([[[[math.log(3), -math.log(3)]]]])
    assert_close(log_likelihood(logits, torch.tensor([[[[1.0, 0.0]]]])), torch.tensor([2 * math.log(0.75)]))


def test_log_likelihood_is_scipys():
    logits, x = noise(3, 1, 5, 7), (noise(3, 1, 5, 7, seed=1) > 0).to(F64)
    expected = bernoulli.logpmf(x.numpy(), logits.sigmoid().numpy()).sum(axis=(1, 2, 3))
    assert_close(log_likelihood(logits, x), torch.tensor(expected))


def test_half_precision_is_summed_in_single():
    logits = torch.full((1, 1, 28, 28), 0.3, dtype=torch.bfloat16)
    found = log_likelihood(logits, torch.ones(1, 1, 28, 28, dtype=torch.bfloat16))
    p = 1 / (1 + math.exp(-logits[0, 0, 0, 0].item()))
    assert_close(found, torch.tensor([784 * math.log(p)]), rtol=1e-5, atol=0)


@each_model
def test_probabilities_of_all_images_sum_to_one(make):
    model = lively(make, 3)
    probabilities = model.log_prob(all_images(3, 3)).exp()
    assert_close(probabilities.sum(), torch.tensor(1.0, dtype=F64))
    assert probabilities.max() > 10 * 2**-9  # not by being uniform


@each_model
def test_frequencies_of_samples_are_the_models_probabilities(make):
    model = lively(make, (2, 3))
    n = 20_000
    drawn = model.sample(n, generator=stream(3))
    places = (drawn.flatten(1) @ (2.0 ** torch.arange(5, -1, -1, dtype=F64))).long()
    found = torch.bincount(places, minlength=64) / n
    p = model.log_prob(all_images(2, 3)).exp()
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-4).all()


@each_model
def test_a_completion_follows_the_conditional_by_enumeration(make):
    model = lively(make, (2, 3))
    n, known = 20_000, torch.tensor([[True, True, True], [True, False, False]])
    x = torch.tensor([[1.0, 0, 1], [0, 1, 1]], dtype=F64).expand(n, 1, 2, 3)
    done = complete(model, x, known, generator=stream(4))
    assert torch.equal(done[:, 0][:, known], x[:, 0][:, known])
    found = torch.bincount((2 * done[:, 0, 1, 1] + done[:, 0, 1, 2]).long(), minlength=4) / n
    four = x[:4].clone()
    four[:, 0, 1, 1:] = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=F64)
    joint = model.log_prob(four).exp()
    p = joint / joint.sum()
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt()).all()


@each_model
def test_the_head_is_two_matrices_with_a_rectifier_before_each(make):
    model = lively(make, 3)
    one, two = (layer for layer in model.head if isinstance(layer, torch.nn.Conv2d))
    expected = features = noise(2, one.in_channels, 3, 3)
    for layer in (one, two):
        moved = torch.einsum("oc,bchw->bohw", layer.weight[:, :, 0, 0], expected.clamp(min=0))
        expected = moved + layer.bias[:, None, None]
    assert_close(model.head(features), expected)


@each_model
def test_fast_and_slow_predictors_draw_the_same_images(make):
    model = lively(make, (7, 11))
    x, known = (noise(5, 1, 7, 11) > 0).to(F64), noise(5, 1, 7, 11, seed=1) > 0.7
    fast = complete(model, x, known, generator=stream(5))
    assert torch.equal(fast, complete(whole_image(model), x, known, generator=stream(5)))
    assert torch.equal(fast[known], x[known])
    assert fast.unique().tolist() == [0, 1]
    predict = model.predictor()
    with torch.no_grad():
        for i, j in itertools.product(range(7), range(11)):
            assert_close(predict(x, i, j), model(x)[:, 0, i, j], rtol=1e-10, atol=1e-12)
        assert_close(predict(x, 5, 0), model(x)[:, 0, 5, 0])  # a row may be begun anew


@each_model
def test_what_is_not_known_has_no_say_and_arguments_stay(make):
    model, known = lively(make, (3, 5)), torch.zeros(3, 5, dtype=torch.bool)
    known[0] = True
    x = (noise(2, 1, 3, 5) > 0).to(F64)
    x[..., 1:, :] = torch.nan
    before = x.clone()
    done = complete(model, x, known, generator=stream())
    assert torch.equal(done, complete(model, x.nan_to_num(1.0), known, generator=stream()))
    assert torch.equal(x.nan_to_num(7.0), before.nan_to_num(7.0))
    assert not done.requires_grad
    everything = complete(model, before.nan_to_num(1.0), torch.tensor(True), generator=stream())
    assert torch.equal(everything, before.nan_to_num(1.0))


@each_model
def test_same_stream_same_draw_in_either_mode(make):
    model = make((3, 5), generator=stream())
    first = model.sample(7, generator=stream(1))
    assert first.shape == (7, 1, 3, 5)
    assert first.dtype == torch.float32
    model.eval()
    assert torch.equal(model.sample(7, generator=stream(1)), first)
    assert not model.training
    assert not torch.equal(model.sample(7, generator=stream(2)), first)
    assert model.sample(0).shape == (0, 1, 3, 5)
    assert model.log_prob(first[:0]).shape == (0,)
    torch.manual_seed(0)
    by_default = model.sample(7)
    torch.manual_seed(0)
    assert torch.equal(by_default, model.sample(7))


def test_a_predictor_may_be_any_function():
    checkers = sample(lambda x, i, j: 100.0 - 200 * ((i + j) % 2) + 0 * x[:, 0, 0, 0], 2, (3, 3), like=noise(1))
    assert checkers[0, 0].tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert checkers.dtype == F64


def test_nothing_is_recorded_for_gradients():
    recorded = []

    def predict(x, i, j):
        recorded.append(torch.is_grad_enabled())
        return x[:, 0, i, j]

    sample(predict, 2, (2, 3), like=noise(1))
    assert recorded == [False] * 6


X = torch.zeros(2, 1, 3, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_likelihood(X, torch.zeros(2, 3, 3)), r"x is \(b, 1, h, w\), found shape \(2, 3, 3\)"),
        (lambda: log_likelihood(torch.zeros(2, 1, 1, 3), X), r"logits is \(2, 1, 3, 3\), found shape \(2, 1, 1, 3\)"),
        (lambda: log_likelihood(X, X.byte()), "floating numbers, found torch.uint8"),
        (lambda: complete(lambda x, i, j: x, X, torch.zeros(3, 3)), "a tensor of bool, found torch.float32"),
        (lambda: complete(lambda x, i, j: x, X, torch.zeros(4, 3) > 0), r"broadcasts to \(2, 1, 3, 3\), found shape"),
        (lambda: complete(lambda x, i, j: x, X.byte(), X > 0), "floating numbers"),
        (lambda: complete(PixelCNN(5), X, X > 0), r"x is \(b, 1, 5, 5\), found shape \(2, 1, 3, 3\)"),
        (lambda: sample(lambda x, i, j: x, -1, (3, 3), like=X), "at least 0, found -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
