"""Shifts against `torch.roll`, turns against `torch.rot90`, warps against SciPy's, all maps against their inverses."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.regularization.geometric import (
    affine,
    centers,
    inverse_map,
    random_affine,
    random_shift,
    rotate,
    sample,
)

IMAGES = noise(2, 3, 7, 11)


def rolled(image, down, right):
    """Move by whole pixels, and clear what came round."""
    out = torch.roll(image, (down, right), (-2, -1))
    h, w = image.shape[-2:]
    rows = torch.arange(h)[:, None] - down
    columns = torch.arange(w) - right
    return out * ((rows >= 0) & (rows < h) & (columns >= 0) & (columns < w))


def scipy_affine(image, inverse):
    """Warp one (h, w) image by SciPy; its axes are (y, x), and its places start at the first pixel."""
    matrix, added = inverse[:, :2].flip((0, 1)).numpy(), inverse[:, 2].flip(0).numpy()
    middle = (np.array(image.shape) - 1) / 2
    offset = middle + added - matrix @ middle
    return torch.from_numpy(ndimage.affine_transform(image.numpy(), matrix, offset, order=1, mode="grid-constant"))


def test_random_shifts_are_rolls_with_zeros_and_all_of_them_come_up_evenly():
    images = noise(7000, 1, 5, 7)
    moved = random_shift(images, 2, generator=stream())
    counts = torch.zeros(5, 5)
    for down in range(-2, 3):
        for right in range(-2, 3):
            counts[down + 2, right + 2] = (moved == rolled(images, down, right)).flatten(1).all(dim=1).sum()
    assert counts.sum() == 7000
    assert (counts - 280).abs().max() < 5 * math.sqrt(280)


def test_rows_and_columns_of_a_shift_are_drawn_apart_and_each_image_by_itself():
    one = torch.zeros(2000, 1, 3, 3)
    one[:, :, 1, 1] = 1
    places = random_shift(one, 1, generator=stream()).flatten(1).argmax(dim=1)
    assert (places.bincount(minlength=9) - 2000 / 9).abs().max() < 75


def test_shift_keeps_bytes_channels_and_the_stream():
    images = torch.randint(256, (3, 2, 5, 7), dtype=torch.uint8, generator=stream())
    moved = random_shift(images, 0, generator=stream())
    assert moved.dtype == torch.uint8
    assert torch.equal(moved, images)
    assert torch.equal(random_shift(images, 3, generator=stream(1)), random_shift(images, 3, generator=stream(1)))
    assert not torch.equal(random_shift(images, 3, generator=stream(1)), random_shift(images, 3, generator=stream(2)))
    with pytest.raises(ValueError, match="at least 0, found -1"):
        random_shift(images, -1, generator=stream())


def test_centers_are_symmetric_and_one_pixel_apart():
    places = centers(3, 4, like=torch.zeros((), dtype=F64))
    assert places[0, :, 0].tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert places[:, 0, 1].tolist() == [-1.0, 0.0, 1.0]
    assert places.dtype == F64


def test_sample_is_scipys_map_coordinates():
    places = 4 * noise(2, 5, 13, 2, seed=1)
    found = sample(IMAGES, places)
    for i in range(2):
        where = torch.stack([places[i, ..., 1] + 3, places[i, ..., 0] + 5]).numpy()
        for c in range(3):
            wanted = ndimage.map_coordinates(IMAGES[i, c].numpy(), where, order=1, mode="grid-constant")
            assert_close(found[i, c], torch.from_numpy(wanted), rtol=0, atol=1e-12)


def test_affine_is_scipys_affine_transform():
    maps = 0.5 * noise(2, 2, 3, seed=1) + torch.eye(2, 3, dtype=F64)
    found = affine(IMAGES, maps)
    for i in range(2):
        for c in range(3):
            assert_close(found[i, c], scipy_affine(IMAGES[i, c], maps[i]), rtol=0, atol=1e-12)


def test_identity_and_whole_shifts_are_exact():
    still = torch.tensor([[1.0, 0, 0], [0, 1, 0]], dtype=F64).expand(2, 2, 3)
    assert_close(affine(IMAGES, still), IMAGES, rtol=0, atol=1e-14)
    there = inverse_map(torch.zeros(2), torch.ones(2), torch.tensor([[2.0, -1.0], [0.0, 3.0]])).to(F64)
    moved = affine(IMAGES, there)
    assert_close(moved[0], rolled(IMAGES[0], -1, 2), rtol=0, atol=1e-13)
    assert_close(moved[1], rolled(IMAGES[1], 3, 0), rtol=0, atol=1e-13)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_of_a_square_are_rot90(quarters):
    images = noise(3, 2, 5, 5)
    assert_close(rotate(images, 90 * quarters), images.rot90(quarters, (-2, -1)), rtol=0, atol=1e-13)


def test_each_image_turns_by_its_own_angle():
    images = noise(4, 1, 5, 5)
    turned = rotate(images, torch.tensor([0.0, 90.0, 180.0, 270.0], dtype=F64))
    for k in range(4):
        assert_close(turned[k], images[k].rot90(k, (-2, -1)), rtol=0, atol=1e-13)


def test_rotation_is_scipys_rotate():
    images = noise(1, 1, 9, 9)
    wanted = ndimage.rotate(images[0, 0].numpy(), 33, reshape=False, order=1, mode="grid-constant")
    assert_close(rotate(images, 33)[0, 0], torch.from_numpy(wanted), rtol=0, atol=1e-12)


def test_inverse_map_undoes_turn_scale_and_shift_of_a_place():
    degrees, scale, shift = noise(5, seed=1) * 50, noise(5, seed=2).exp(), noise(5, 2, seed=3)
    maps = inverse_map(degrees, scale, shift)
    place = noise(5, 2, seed=4)
    a = degrees * math.pi / 180
    turned = torch.stack(
        [a.cos() * place[:, 0] + a.sin() * place[:, 1], -a.sin() * place[:, 0] + a.cos() * place[:, 1]], 1
    )
    new = scale[:, None] * turned + shift  # counterclockwise where y points down
    back = (maps[:, :, :2] @ new[:, :, None])[:, :, 0] + maps[:, :, 2]
    assert_close(back, place)


def test_scale_two_doubles_a_ramp():
    ramp = centers(5, 5, like=torch.zeros((), dtype=F64))[..., 0].expand(1, 1, 5, 5)
    zero = torch.zeros(1, dtype=F64)
    doubled = affine(ramp, inverse_map(zero, zero + 2, torch.zeros(1, 2, dtype=F64)))
    assert_close(doubled, ramp / 2)


def test_random_affine_draws_uniformly_within_its_ranges():
    b = 4000
    places = torch.zeros(b, 1, 41, 41, dtype=F64)
    places[:, :, 20, 20] = 1  # a dot in the center shows the shift
    moved = random_affine(places, shift=3, degrees=170, scale=0.0, generator=stream())
    mass = moved.sum(dim=(1, 2, 3))
    x = (moved.sum(dim=2)[:, 0] * torch.arange(-20.0, 21)).sum(dim=1) / mass
    y = (moved.sum(dim=3)[:, 0] * torch.arange(-20.0, 21)).sum(dim=1) / mass
    draws = torch.rand(b, 4, generator=stream()).to(F64) * 2 - 1
    for found, wanted in ((x, 3 * draws[:, 2]), (y, 3 * draws[:, 3])):
        assert (found - wanted).abs().mean() < 0.15  # a turned dot is a little lopsided between the pixels
    exact = affine(places, inverse_map(170 * draws[:, 0], torch.ones(b, dtype=F64), 3 * draws[:, 2:]))
    assert_close(moved, exact, rtol=0, atol=1e-5)
    grown = random_affine(IMAGES, degrees=10, scale=0.3, generator=stream(2))
    two = torch.rand(2, 4, generator=stream(2)).to(F64) * 2 - 1
    wanted = affine(IMAGES, inverse_map(10 * two[:, 0], 1 + 0.3 * two[:, 1], torch.zeros(2, 2, dtype=F64)))
    assert_close(grown, wanted, rtol=0, atol=1e-5)
    assert torch.equal(
        random_affine(IMAGES, degrees=9, generator=stream()), random_affine(IMAGES, degrees=9, generator=stream())
    )


def test_nothing_asked_changes_nothing():
    assert_close(random_affine(IMAGES, generator=stream()), IMAGES, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "ranges",
    [
        {"degrees": -1.0},
        {"scale": 1.0},
        {"scale": -0.1},
        {"shift": -1.0},
        {"degrees": math.nan},
        {"degrees": math.inf},
        {"shift": math.inf},
    ],
)
def test_impossible_ranges_are_refused(ranges):
    with pytest.raises(ValueError, match="ranges are at least 0 and finite, scale below 1"):
        random_affine(IMAGES, **ranges, generator=stream())


def test_shapes_and_bytes_are_refused():
    with pytest.raises(ValueError, match="images are floats, found torch.uint8"):
        rotate(IMAGES.to(torch.uint8), 10)
    with pytest.raises(ValueError, match="maps is"):
        affine(IMAGES, torch.zeros(3, 2, 3))
    with pytest.raises(ValueError, match="shift is"):
        inverse_map(torch.zeros(2), torch.ones(2), torch.zeros(2, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_follows_the_images_and_half_precision_looks_in_the_same_places(dtype):
    images = torch.rand(3, 1, 28, 28, generator=stream()).to(dtype)
    turned = random_affine(images, degrees=15, scale=0.1, shift=2, generator=stream(1))
    assert turned.dtype == dtype
    wide = random_affine(images.to(F64), degrees=15, scale=0.1, shift=2, generator=stream(1))
    assert (turned.to(F64) - wide).abs().max() < 0.01
    assert random_shift(images, 1, generator=stream()).dtype == dtype


def test_compiles_to_one_graph_and_lets_gradients_through():
    maps = 0.2 * noise(2, 2, 3, seed=5) + torch.eye(2, 3, dtype=F64)
    assert_close(torch.compile(affine, fullgraph=True, backend="eager")(IMAGES, maps), affine(IMAGES, maps))
    small = noise(1, 1, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: affine(x, maps[:1]), small)


def test_an_angle_an_image_or_one_for_all():
    with pytest.raises(ValueError, match="degrees is"):
        rotate(torch.zeros(2, 1, 3, 3), torch.tensor([1.0, 2.0, 3.0]))


def test_places_angles_and_scales_are_one_an_image():
    with pytest.raises(ValueError, match="places is"):
        sample(IMAGES, torch.zeros(3, 1, 1, 2, dtype=F64))
    with pytest.raises(ValueError, match="scale is"):
        inverse_map(torch.zeros(2), torch.ones(1), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="degrees is"):
        inverse_map(torch.zeros(2, 1), torch.ones(2), torch.zeros(2, 2))
