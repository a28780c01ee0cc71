"""Blurs and displacements against SciPy's, the strength of a field against its closed form."""

import math

import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.regularization.elastic import displace, elastic, gaussian_band, random_field, rms_displacement


@pytest.mark.parametrize("sigma", [0.7, 2.0, 4.0])
def test_band_is_scipys_gaussian_filter(sigma):
    radius = math.ceil(3 * sigma)
    x = noise(11 + 2 * radius)
    wanted = ndimage.gaussian_filter1d(x.numpy(), sigma, radius=radius)[radius:-radius]
    assert_close(gaussian_band(11, sigma) @ x, torch.from_numpy(wanted), rtol=0, atol=1e-12)


def test_field_is_scipys_blur_of_the_same_noise():
    field = random_field(2, 7, 11, alpha=5.0, sigma=1.5, generator=stream())
    raw = torch.rand(2, 2, 7 + 10, 11 + 10, generator=stream()) * 2 - 1
    for i in range(2):
        for axis in range(2):
            blurred = ndimage.gaussian_filter(raw[i, axis].double().numpy(), 1.5, radius=5)[5:-5, 5:-5]
            assert_close(field[i, axis].to(F64), 5 * torch.from_numpy(blurred), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("alpha", "sigma"), [(34.0, 4.0), (5.0, 2.0)])
def test_strength_is_the_closed_form_at_the_edge_as_in_the_middle(alpha, sigma):
    field = random_field(3000, 6, 5, alpha=alpha, sigma=sigma, generator=stream())
    rms = field.square().mean(dim=(0, 1)).sqrt()
    assert_close(rms, torch.full((6, 5), rms_displacement(alpha, sigma)), rtol=0.06, atol=0)
    assert field.mean().abs() < 0.05 * rms.mean()


def test_neighbors_move_together_and_more_so_the_smoother():
    # two independent Gaussians that are a distance apart overlap by exp(-distance² / 4σ²)
    for sigma in (2.0, 4.0):
        field = random_field(2000, 1, 9, alpha=1.0, sigma=sigma, generator=stream()).movedim(-1, 0).flatten(1)
        found = torch.corrcoef(field)[0]
        assert_close(found, torch.exp(-(torch.arange(9.0) ** 2) / (4 * sigma**2)), rtol=0, atol=0.08)


def test_displace_is_scipys_map_coordinates():
    images, field = noise(2, 3, 7, 11), 2 * noise(2, 2, 7, 11, seed=1)
    found = displace(images, field)
    rows, columns = torch.meshgrid(torch.arange(7), torch.arange(11), indexing="ij")
    for i in range(2):
        where = torch.stack([rows + field[i, 1], columns + field[i, 0]]).numpy()
        for c in range(3):
            wanted = ndimage.map_coordinates(images[i, c].numpy(), where, order=1, mode="grid-constant")
            assert_close(found[i, c], torch.from_numpy(wanted), rtol=0, atol=1e-12)


def test_whole_displacements_are_rolls_with_zeros():
    images = noise(1, 2, 5, 7)
    field = torch.tensor([2.0, -1.0], dtype=F64)[None, :, None, None].expand(1, 2, 5, 7)
    wanted = torch.roll(images, (1, -2), (-2, -1))
    wanted[..., 0, :], wanted[..., -2:] = 0, 0
    assert_close(displace(images, field), wanted, rtol=0, atol=1e-13)


def test_elastic_bends_each_image_by_its_own_field():
    images = noise(1, 1, 9, 13).expand(3, 2, 9, 13)
    bent = elastic(images, alpha=9, sigma=2, generator=stream())
    field = random_field(3, 9, 13, alpha=9, sigma=2, generator=stream())
    assert_close(bent, displace(images, field))
    assert not torch.equal(bent[0], bent[1])
    assert torch.equal(bent[:, 0], bent[:, 1])  # channels move together
    assert_close(elastic(images, alpha=0.0, sigma=2, generator=stream()), images, rtol=0, atol=1e-5)


def test_defaults_are_34_and_4():
    images = noise(1, 1, 9, 9)
    assert torch.equal(elastic(images, generator=stream()), elastic(images, alpha=34, sigma=4, generator=stream()))


@pytest.mark.parametrize(
    ("alpha", "sigma"), [(-1.0, 4.0), (34.0, 0.0), (math.nan, 4.0), (math.inf, 4.0), (34.0, math.inf)]
)
def test_impossible_fields_are_refused(alpha, sigma):
    with pytest.raises(ValueError, match="alpha is at least 0 and sigma above 0, both finite, found"):
        random_field(1, 3, 3, alpha=alpha, sigma=sigma, generator=stream())


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_bell_without_a_width_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma is above 0 and finite, found"):
        gaussian_band(3, sigma)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="field is"):
        displace(noise(1, 1, 5, 7), noise(1, 2, 7, 5))
    with pytest.raises(ValueError, match="images is"):
        elastic(noise(5, 7), generator=stream())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_follows_the_images(dtype):
    images = torch.rand(2, 1, 11, 7, generator=stream()).to(dtype)
    bent = elastic(images, generator=stream(1))
    assert bent.dtype == dtype
    assert (bent.to(F64) - elastic(images.to(F64), generator=stream(1))).abs().max() < 0.01
