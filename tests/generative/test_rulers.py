"""Models without training, against sums over all images and against the share with which they draw each."""

import copy
import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative import rulers
from dlbook.generative.rulers import IndependentPixels, Mixture, StoredImages

ALL = torch.tensor(list(itertools.product([0.0, 1.0], repeat=6)), dtype=F64).reshape(-1, 1, 2, 3)  # 64 images of 2 x 3
FEW = (noise(5, 1, 2, 3) > 0.3).to(F64)
MORE = (noise(7, 1, 2, 3, seed=1) > -0.4).to(F64)


def models():
    stored = StoredImages(FEW, flip=0.2)
    pixels = IndependentPixels(MORE)
    return [stored, pixels, Mixture([stored, pixels], [0.3, 0.7])]


@pytest.mark.parametrize("model", models())
def test_the_probabilities_of_all_images_sum_to_one(model):
    assert_close(model.log_prob(ALL).exp().sum().item(), 1.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("model", models())
def test_images_are_drawn_as_often_as_their_probability_says(model):
    drawn = model.sample(40_000, generator=stream())
    code = (drawn.flatten(1) @ 2.0 ** torch.arange(6, dtype=F64)).long()
    expected = (ALL.flatten(1) @ 2.0 ** torch.arange(6, dtype=F64)).long()
    share = torch.bincount(code, minlength=64)[expected] / 40_000
    p = model.log_prob(ALL).exp()
    assert ((share - p).abs() < 5 * (p * (1 - p) / 40_000).sqrt() + 1e-9).all()


def test_independent_pixels_are_counts_with_one_of_each_added():
    x = torch.tensor([0.0, 1, 1, 1])[:, None, None, None]
    assert_close(IndependentPixels(x).log_prob(x).exp(), torch.tensor([2 / 6, 4 / 6, 4 / 6, 4 / 6]))


def test_stored_images_are_a_mean_over_their_flips_written_out():
    model, x = StoredImages(FEW, flip=0.2), MORE
    for image, nats in zip(x, model.log_prob(x), strict=True):
        each = [0.2 ** (k := int((image != s).sum())) * 0.8 ** (6 - k) for s in FEW]
        assert math.isclose(nats.exp(), sum(each) / 5, rel_tol=1e-12)


def test_a_mixture_loses_at_most_the_log_of_its_share():
    stored, pixels, mixture = models()
    p, q, both = (model.log_prob(ALL) for model in (stored, pixels, mixture))
    assert (both > p + math.log(0.3)).all()
    assert (both > q + math.log(0.7)).all()
    assert_close(both.exp(), 0.3 * p.exp() + 0.7 * q.exp())


def test_a_mixture_shuffles_and_draws_each_model_by_its_weight():
    dark = IndependentPixels(torch.ones(998, 1, 1, 1))
    light = IndependentPixels(torch.zeros(998, 1, 1, 1))
    x = Mixture([dark, light], [0.25, 0.75]).sample(4_000, generator=stream()).flatten()
    for half in x.split(2_000):
        assert_close(half.mean().item(), 0.25, rtol=0, atol=0.04)


def test_draws_follow_the_generator_and_may_be_none():
    for model in models():
        assert torch.equal(model.sample(11, generator=stream()), model.sample(11, generator=stream()))
        before = torch.get_rng_state()
        model.sample(3, generator=stream())
        assert torch.equal(torch.get_rng_state(), before)
        assert model.sample(0).shape == (0, 1, 2, 3)
        with pytest.raises(ValueError, match="at least 0, found -1|n counts"):
            model.sample(-1)


def test_what_was_given_is_copied_and_moves_with_the_model():
    x = FEW.clone()
    model = StoredImages(x, flip=0.2)
    x.zero_()
    assert torch.equal(model.stored, FEW)
    assert Mixture([model, IndependentPixels(FEW)], [0.5, 0.5]).to(torch.float32).sample(2).dtype == torch.float32


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="torch.uint8"):
        IndependentPixels(torch.zeros(2, 1, 3, 3, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"\(b, c, h, w\), found shape \(3, 3\)"):
        StoredImages(torch.zeros(3, 3), flip=0.1)
    for flip in (0.0, 1.0):
        with pytest.raises(ValueError, match=f"found 5 and {flip}"):
            StoredImages(FEW, flip=flip)
    with pytest.raises(ValueError, match="found 0 and 0.1"):
        StoredImages(FEW[:0], flip=0.1)
    for model in models():
        with pytest.raises(ValueError, match=r"found shape \(2, 1, 3, 3\)"):
            model.log_prob(torch.zeros(2, 1, 3, 3, dtype=F64))
        with pytest.raises(ValueError, match="torch.int64"):
            model.log_prob(torch.zeros(2, 1, 2, 3, dtype=torch.int64))
    for weights in ([1.0], [0.5, 0.6], [1.5, -0.5], [math.nan, 0.5], [0.0, 1.0], []):
        with pytest.raises(ValueError, match="of sum 1"):
            Mixture(models()[:2], weights)


def test_half_precision_is_summed_in_single_and_mixed_precision_is_no_error():
    big = torch.zeros(70_000, 1, 1, 1, dtype=torch.float16)
    big[:60_000] = 1  # more than half precision can count to
    assert_close(IndependentPixels(big).probability.item(), 60_001 / 70_002, rtol=1e-6, atol=0)
    x = (noise(3, 1, 28, 28) > 0).to(F64)
    fine, coarse = (StoredImages(1 - x.to(dtype), flip=0.001) for dtype in (F64, torch.float16))
    for dtype in (torch.float16, torch.float32, F64):
        assert_close(coarse.log_prob(x.to(dtype)).double(), fine.log_prob(x), rtol=1e-6, atol=0)
    assert coarse.sample(2).dtype == torch.float16


def test_no_images_have_no_probabilities_and_arguments_stay_as_they_are():
    for model in models():
        assert model.log_prob(ALL[:0]).shape == (0,)
        x = ALL.clone()
        model.log_prob(x)
        model.sample(4)
        assert torch.equal(x, ALL)
    model = StoredImages(FEW, flip=0.2)
    model.sample(50, generator=stream())
    assert torch.equal(model.stored, FEW)


def test_a_mixture_takes_its_modules_along_and_needs_none():
    class Coin:
        def log_prob(self, x):
            return x.new_full((len(x),), -6 * math.log(2))

        def sample(self, n, *, generator=None):
            assert n > 0  # nobody asks for no images
            return torch.ones(n, 1, 2, 3, dtype=F64)

    stored = StoredImages(FEW, flip=0.2)
    mixture = Mixture([Coin(), stored], [0.5, 0.5])
    assert_close(mixture.log_prob(ALL).exp(), 0.5 / 64 + 0.5 * stored.log_prob(ALL).exp())
    for seed in range(9):
        assert mixture.sample(1, generator=stream(seed)).shape == (1, 1, 2, 3)
    assert [module for module in mixture.modules() if module is not mixture] == [stored]


def test_rare_flips_are_as_rare_in_half_precision():
    model = StoredImages(torch.zeros(1, 1, 1, 1_000, dtype=torch.float16), flip=1e-4)
    assert 60 < model.sample(1_000, generator=stream()).float().sum() < 140  # 100 expected, with a deviation of 10


def test_a_share_that_rounds_up_to_one_draws_the_last_stored_image(monkeypatch):
    monkeypatch.setattr(rulers, "_uniform", lambda n, like, generator: torch.ones(n, *like.shape, dtype=F64))
    assert torch.equal(StoredImages(FEW, flip=0.2).sample(2), FEW[[-1, -1]])


@pytest.mark.parametrize("kind", [IndependentPixels, lambda x: StoredImages(x, flip=0.1)])
@pytest.mark.parametrize("pixel", [0.5, 255.0, -1.0, torch.nan])
def test_other_pixels_than_zero_and_one_are_named(kind, pixel):
    x = FEW.clone()
    x[1, 0, 1, 2] = pixel
    with pytest.raises(ValueError, match=f"0 or 1, found {pixel}"):
        kind(x)
    assert kind(FEW.to("meta")).log_prob(FEW.to("meta")).shape == (5,)


@pytest.mark.parametrize("kind", [IndependentPixels, lambda x: StoredImages(x, flip=0.1)])
def test_what_is_stored_has_no_history(kind):
    model = kind(FEW.clone().requires_grad_())
    assert not model.sample(2).requires_grad
    assert_close(copy.deepcopy(model).log_prob(FEW), kind(FEW).log_prob(FEW), rtol=0, atol=0)


def test_independent_pixels_in_half_precision_are_summed_in_single():
    x = (noise(3, 1, 28, 28) > 0).bfloat16()
    model = IndependentPixels(x).bfloat16()
    p = model.probability.double()
    expected = torch.where(x == 1, p, 1 - p).log().sum(dim=(1, 2, 3))
    assert_close(model.log_prob(x).double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("weights", [torch.tensor([0.3, 0.7], dtype=F64), torch.tensor([0.3, 0.7], dtype=F64).numpy()])
def test_weights_may_be_a_tensor_or_an_array(weights):
    stored, pixels, mixture = models()
    assert torch.equal(Mixture([stored, pixels], weights).log_prob(ALL), mixture.log_prob(ALL))
