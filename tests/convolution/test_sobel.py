"""Sobel's gradients against SciPy, and on a plane whose slope is known."""

import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from common import noise
from dlbook.convolution.sobel import sobel


def test_sobel_matches_scipy():
    image = noise(2, 11, 13)
    found = sobel(image)
    for k in range(2):
        assert_close(found.right[k], torch.from_numpy(ndimage.sobel(image[k].numpy(), axis=1)))
        assert_close(found.down[k], torch.from_numpy(ndimage.sobel(image[k].numpy(), axis=0)))
    assert_close(found.magnitude**2, found.right**2 + found.down**2)


def test_sobel_is_eight_times_the_slope_of_a_plane():
    plane = 2 * torch.arange(5.0)[:, None] - 3 * torch.arange(7.0)
    found = sobel(plane)
    assert found.down[1:-1, 1:-1].unique().tolist() == [16]
    assert found.right[1:-1, 1:-1].unique().tolist() == [-24]


@pytest.mark.parametrize("image", [torch.zeros(5), torch.zeros(0, 5), torch.zeros(5, 5, dtype=torch.uint8)])
def test_sobel_refuses(image):
    with pytest.raises(ValueError, match="image is"):
        sobel(image)
