"""Gabor kernels against scikit-image and closed forms."""

import math

import numpy as np
import pytest
import torch
from skimage.filters import gabor_kernel
from torch.testing import assert_close

from common import F64, stream
from dlbook.convolution.gabor import complex_cells, gabor, gabor_bank, simple_cells


def positive(*shape, seed=0):
    return torch.rand(*shape, generator=stream(seed), dtype=F64)


def grating(size, orientation, wavelength, phase):
    place = np.arange(size) - size // 2
    y, x = np.meshgrid(place, place, indexing="ij")
    k = 2 * np.pi / wavelength
    return torch.tensor(np.cos(k * (x * np.cos(orientation) + y * np.sin(orientation)) + phase))


@pytest.mark.parametrize(("orientation", "phase", "aspect"), [(0.0, 0.0, 1.0), (0.7, 1.1, 0.6), (2.3, -0.4, 1.7)])
def test_gabor_is_scikit_images(orientation, phase, aspect):
    wavelength, width = 7.3, 2.9
    theirs = gabor_kernel(
        1 / wavelength, theta=orientation, sigma_x=width, sigma_y=width / aspect, n_stds=4, offset=phase
    ).real
    half = theirs.shape[0] // 2, theirs.shape[1] // 2
    size = 2 * max(half) + 1
    ours = gabor(size, orientation=orientation, wavelength=wavelength, width=width, phase=phase, aspect=aspect)
    inner = ours[size // 2 - half[0] : size // 2 + half[0] + 1, size // 2 - half[1] : size // 2 + half[1] + 1]
    assert_close(inner, torch.tensor(theirs, dtype=F64), rtol=1e-9, atol=1e-12)


def envelope(kx, ky, orientation, width, aspect):
    """Fourier transform of the Gaussian, at a wave vector."""
    along = kx * math.cos(orientation) + ky * math.sin(orientation)
    across = ky * math.cos(orientation) - kx * math.sin(orientation)
    return math.exp(-((along * width) ** 2 + (across * width / aspect) ** 2) / 2)


@pytest.mark.parametrize("turn", [0.0, 0.2, 0.9, math.pi / 2])
@pytest.mark.parametrize("phase", [0.0, 0.8, 4.0])  # at the last one the odd kernel answers below zero
def test_tuning_of_simple_and_complex_cells_is_the_closed_form(turn, phase):
    wavelength, width, aspect, size = 9.0, 3.1, 0.7, 61
    options = {"wavelength": wavelength, "width": width, "aspect": aspect}
    even, odd = gabor(size, orientation=0.4, **options), gabor(size, orientation=0.4, phase=math.pi / 2, **options)
    image = grating(size, 0.4 + turn, wavelength, phase)[None, None]
    k0 = 2 * math.pi / wavelength * np.array([math.cos(0.4), math.sin(0.4)])
    k = 2 * math.pi / wavelength * np.array([math.cos(0.4 + turn), math.sin(0.4 + turn)])
    near, far = envelope(*(k0 - k), 0.4, width, aspect), envelope(*(k0 + k), 0.4, width, aspect)
    expected = [(near * math.cos(f - phase) + far * math.cos(f + phase)) / 2 for f in (0, math.pi / 2)]
    responses = simple_cells(image, torch.stack([even, odd]))[0, :, 0, 0]
    assert_close(responses, torch.tensor(expected, dtype=F64).clamp_min(0), rtol=1e-6, atol=1e-9)
    cell = complex_cells(image, even[None], odd[None]).item()
    assert cell == pytest.approx(math.hypot(*expected), abs=1e-8)
    assert cell == pytest.approx(math.sqrt(near**2 + far**2 + 2 * near * far * math.cos(2 * phase)) / 2, abs=1e-8)


def test_a_bank_is_gabors_at_even_turns():
    bank = gabor_bank(11, 3, wavelength=5.0, width=2.0, aspect=0.5)
    assert bank.shape == (3, 2, 11, 11)
    for i in range(3):
        for j in range(2):
            one = gabor(11, orientation=i * math.pi / 3, wavelength=5.0, width=2.0, aspect=0.5, phase=j * math.pi / 2)
            assert torch.equal(bank[i, j], one)


def test_simple_cells_are_a_loop():
    images, kernels = positive(2, 1, 7, 5), positive(3, 2, 3, seed=1) - 0.5
    out = simple_cells(images, kernels)
    assert out.shape == (2, 3, 6, 3)
    for n, k, y, x in np.ndindex(*out.shape):
        sums = (images[n, 0, y : y + 2, x : x + 3] * kernels[k]).sum()
        assert out[n, k, y, x].item() == pytest.approx(max(0.0, sums.item()))
