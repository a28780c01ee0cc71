"""Crops against slices cut by hand, colors against an eigenvalue decomposition."""

import math
import re

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.regularization.augmentation import (
    Components,
    color_components,
    pca_color_augmentation,
    random_crop_and_flip,
    ten_crops,
)


def test_each_crop_is_a_square_of_its_own_image_or_its_mirror():
    images = torch.arange(200 * 2 * 7 * 11.0).reshape(200, 2, 7, 11)
    crops = random_crop_and_flip(images, 5, generator=stream())
    assert crops.shape == (200, 2, 5, 5)
    seen = set()
    for image, crop in zip(images, crops, strict=True):
        found = [
            (top, left, mirrored)
            for top in range(3)
            for left in range(7)
            for mirrored, turned in ((False, crop), (True, crop.flip(-1)))
            if torch.equal(turned, image[:, top : top + 5, left : left + 5])
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) == 3 * 7 * 2  # every place, and both coins, come up among 200


def test_places_are_drawn_evenly_and_rows_apart_from_columns():
    images = torch.arange(9.0).reshape(1, 1, 3, 3).expand(9000, 1, 3, 3)
    counts = random_crop_and_flip(images, 1, generator=stream()).flatten().long().bincount(minlength=9)
    assert (counts - 1000).abs().max() < 5 * math.sqrt(1000)


def test_crops_of_full_size_are_only_mirrored():
    images = noise(50, 3, 5, 5)
    crops = random_crop_and_flip(images, 5, generator=stream())
    same = (crops == images).flatten(1).all(dim=1)
    assert 10 < same.sum() < 40
    assert torch.equal(crops[~same], images[~same].flip(-1))
    assert torch.equal(random_crop_and_flip(images, 5, generator=stream()), crops)


def test_ten_crops_by_hand():
    images = torch.arange(2 * 20.0).reshape(2, 1, 4, 5)
    crops = ten_crops(images, 2)
    assert crops.shape == (2, 10, 1, 2, 2)
    first = [[0, 1, 5, 6], [3, 4, 8, 9], [10, 11, 15, 16], [13, 14, 18, 19], [6, 7, 11, 12]]
    mirrored = [[b, a, d, c] for a, b, c, d in first]
    assert crops[0].flatten(1).tolist() == first + mirrored
    assert torch.equal(crops[1], crops[0] + 20)


@pytest.mark.parametrize("size", [3, 4])  # with margins that are even, and odd
def test_ten_crops_are_slices_where_no_axis_is_like_another(size):
    images = noise(2, 3, 7, 11)
    bottom, right = 7 - size, 11 - size
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    slices = torch.stack([images[:, :, top : top + size, left : left + size] for top, left in places], dim=1)
    assert torch.equal(ten_crops(images, size), torch.cat([slices, slices.flip(-1)], dim=1))


@pytest.mark.parametrize("crop", [lambda x, n: random_crop_and_flip(x, n, generator=stream()), ten_crops])
@pytest.mark.parametrize(("shape", "n"), [((3, 5, 5), 3), ((2, 3, 5, 7), 6), ((2, 3, 5, 7), 0), ((0, 3, 5, 5), 3)])
def test_impossible_crops_are_refused(crop, shape, n):
    with pytest.raises(ValueError, match=re.escape(f"h, w >= {n} >= 1, found {shape}")):
        crop(torch.zeros(shape), n)


def test_components_are_those_of_numpys_svd():
    mixing = torch.tensor([[1.0, 0.2, 0.1], [0.8, -0.3, 0.2], [0.7, 0.1, -0.4]], dtype=F64)
    images = 5 + torch.einsum("dc,bchw->bdhw", mixing, noise(3, 3, 5, 7))
    vectors, values = color_components(images)
    pixels = images.movedim(1, -1).reshape(-1, 3)
    _, s, vt = torch.linalg.svd(pixels - pixels.mean(dim=0))
    assert_close(values, s.square() / (len(pixels) - 1))
    assert_close((vectors.T @ vt.T).abs(), torch.eye(3, dtype=F64), rtol=0, atol=1e-9)
    assert (vectors.sum(dim=0) >= 0).all()


def test_shift_is_the_equation_of_the_paper():
    images = noise(4, 3, 5, 7)
    p, lam = color_components(images)
    shifted = pca_color_augmentation(images, Components(p, lam), std=0.3, generator=stream(3))
    draws = torch.randn(4, 3, generator=stream(3)).to(F64) * 0.3
    for image, after, a in zip(images, shifted, draws, strict=True):
        added = sum(p[:, i] * a[i] * lam[i] for i in range(3))
        assert_close(after, image + added[:, None, None])
    assert torch.equal(pca_color_augmentation(images, Components(p, lam), std=0.0, generator=stream()), images)


def test_shifts_have_the_deviations_that_were_asked_for():
    components = Components(torch.eye(3, dtype=F64), torch.tensor([4.0, 2.0, 1.0], dtype=F64))
    shifts = pca_color_augmentation(torch.zeros(20_000, 3, 1, 1, dtype=F64), components, generator=stream())
    assert_close(shifts.flatten(1).std(dim=0), 0.1 * components.values, rtol=0.03, atol=0)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), "floats .*, found torch.uint8"),
        (torch.zeros(2, 1, 4, 4), r"found torch.float32 of shape \(2, 1, 4, 4\)"),
        (torch.zeros(3, 4, 4), r"\(3, 4, 4\)"),
    ],
)
def test_other_colors_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        color_components(images)
    with pytest.raises(ValueError, match=message):
        pca_color_augmentation(images, Components(torch.eye(3), torch.ones(3)), generator=stream())


def test_hopeless_colors_are_refused():
    with pytest.raises(ValueError, match="two pixels or more"):
        color_components(torch.zeros(1, 3, 1, 1))
    with pytest.raises(ValueError, match="finite"):
        color_components(torch.full((1, 3, 2, 2), math.inf))
    draws = Components(torch.eye(3), torch.ones(3))
    with pytest.raises(ValueError, match="std is at least 0, found -0.1"):
        pca_color_augmentation(torch.zeros(1, 3, 2, 2), draws, std=-0.1, generator=stream())
