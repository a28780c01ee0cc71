# ruff: noqa: E731 (a question is a lambda, as on the page)
"""Looking into networks: against transposed layers of torch, backward hooks, loops, and answers worked by hand."""

import pytest
import torch
from torch.testing import assert_close

from common import noise
from dlbook.convolution.dreams import deep_dream
from dlbook.convolution.rectifiers import back, deconvnet, gradient, guided_backpropagation
from dlbook.convolution.visualization import occlusion, saliency, top_activations


def test_saliency_of_a_linear_model_is_its_largest_weight():
    weights = noise(2, 3, 5, 7)
    f = lambda x: (x * weights[0]).sum(dim=(1, 2, 3))
    assert torch.equal(saliency(f, noise(1, 3, 5, 7, seed=1)), weights[:1].abs().max(dim=1).values)


def test_occlusion_finds_a_planted_square():
    x = torch.zeros(1, 1, 12, 15)
    x[:, :, 4:8, 6:10] = 1
    answers = occlusion(lambda x: x.sum(dim=(1, 2, 3)), x, size=4, stride=1)
    assert answers.shape == (9, 12)
    assert answers.argmin() == 4 * 12 + 6
    assert answers[4, 6] == 0
    assert answers[4, 7] == 4  # one column of the square shows
    assert answers[0, 0] == 16


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_occlusion_matches_a_loop(batch):
    x, weights = noise(1, 3, 9, 11), noise(3, 9, 11, seed=1)
    f = lambda x: (x * weights).sum(dim=(1, 2, 3)).tanh()
    found = occlusion(f, x, size=3, stride=2, value=0.5, batch=batch)
    for i in range(4):
        for j in range(5):
            covered = x.clone()
            covered[0, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] = 0.5
            assert_close(found[i, j], f(covered)[0])
    assert found.shape == (4, 5)
    assert torch.equal(x, noise(1, 3, 9, 11))


def test_strongest_images_match_a_sort():
    maps = noise(11, 3, 2, 5)
    best = top_activations(maps, 4)
    for c in range(3):
        peaks = sorted(((maps[n, c].max().item(), n) for n in range(11)), reverse=True)[:4]
        assert best.images[c].tolist() == [n for _, n in peaks]
        assert best.values[c].tolist() == [value for value, _ in peaks]
        for value, n, i, j in zip(*(found[c] for found in best), strict=True):
            assert maps[n, c, i, j] == value
    in_batches = top_activations(iter(maps.split(4)), 4)
    assert all(torch.equal(a, b) for a, b in zip(best, in_batches, strict=True))


IMAGE = torch.zeros(1, 1, 5, 5)


MEAN = lambda x: x.mean(dim=(1, 2, 3))


NAN = torch.full((1, 1, 5, 5), torch.nan)


@pytest.mark.parametrize("x", [torch.zeros(1, 5, 5), torch.zeros(1, 1, 0, 5), IMAGE.byte(), NAN])
def test_rejects_what_is_no_image(x):
    calls = [gradient, deconvnet, guided_backpropagation, saliency, deep_dream]
    calls.append(lambda f, x: occlusion(f, x, size=1, stride=1))
    for call in calls:
        with pytest.raises(ValueError, match="images are"):
            call(MEAN, x)


def test_rejects_two_images_where_one_is_asked_for():
    with pytest.raises(ValueError, match=r"\(1, c, h, w\)"):
        deep_dream(MEAN, IMAGE.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match=r"\(1, c, h, w\)"):
        occlusion(MEAN, IMAGE.repeat(2, 1, 1, 1), size=1, stride=1)


def test_rejects_unknown_rules_and_questions_with_more_than_one_answer():
    with pytest.raises(ValueError, match="rule is one of .* found 'relu'"):
        back(MEAN, IMAGE, "relu")
    for f in (lambda x: x, lambda x: x.mean(), lambda x: x.mean(dim=(2, 3))):
        with pytest.raises(ValueError, match=r"one number an image, \(1,\), found shape"):
            gradient(f, IMAGE)
    with pytest.raises(ValueError, match="one number an image"):
        occlusion(lambda x: x.mean(), IMAGE, size=2, stride=1)


@pytest.mark.parametrize("options", [(0, 1, 1), (6, 1, 1), (2, 0, 1), (2, 1, 0)])
def test_occlusion_rejects_squares_that_do_not_fit(options):
    size, stride, batch = options
    with pytest.raises(ValueError, match="size is from 1 to 5"):
        occlusion(MEAN, IMAGE, size=size, stride=stride, batch=batch)


@pytest.mark.parametrize("maps", [torch.zeros(3, 5, 5), torch.zeros(0, 3, 5, 5), [], [IMAGE, torch.zeros(1, 2, 5, 5)]])
def test_top_activations_rejects_what_is_no_maps(maps):
    with pytest.raises(ValueError, match="maps are"):
        top_activations(maps, 1)


@pytest.mark.parametrize("k", [0, 3])
def test_top_activations_rejects_more_images_than_there_are(k):
    with pytest.raises(ValueError, match="k is from 1 to 2"):
        top_activations(torch.zeros(2, 1, 3, 3), k)
