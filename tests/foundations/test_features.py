"""Histograms of oriented gradients against scikit-image's, a loop over pixels, hand-worked votes and laws."""

import numpy as np
import pytest
from skimage.feature import hog as scikit_hog

from dlbook.data import cifar10, mnist
from dlbook.foundations.features import cell_histograms, gradient, hog, normalize_blocks

RNG = np.random.default_rng(2005)
IMAGES = RNG.random((3, 1, 35, 21))  # 5 x 3 cells of 7 pixels
COLOR = RNG.random((3, 3, 35, 21))


def votes_by_loop(image, cell, orientations, signed, interpolate):
    """Return the histograms of one image (c, h, w), one pixel, one cell and one bin at a time."""
    channels, h, w = image.shape
    rows, columns = h // cell, w // cell
    out = np.zeros((rows, columns, orientations))
    width = (2 * np.pi if signed else np.pi) / orientations
    for y in range(h):
        for x in range(w):
            best = (0.0, 0.0, 0.0)
            for c in range(channels):
                down = image[c, y + 1, x] - image[c, y - 1, x] if 0 < y < h - 1 else 0.0
                across = image[c, y, x + 1] - image[c, y, x - 1] if 0 < x < w - 1 else 0.0
                best = max(best, (np.hypot(down, across), down, across), key=lambda t: t[0])
            length, down, across = best
            angle = np.arctan2(down, across) % (width * orientations)
            if not interpolate:
                out[y // cell, x // cell, int(angle // width) % orientations] += length / cell**2
                continue
            for r in range(rows):
                for s in range(columns):
                    # distance to the cell's center, in cells; a pixel beyond the outermost centers counts as on them
                    dy = abs(min(max((y + 0.5) / cell - 0.5, 0), rows - 1) - r)
                    dx = abs(min(max((x + 0.5) / cell - 0.5, 0), columns - 1) - s)
                    for k in range(orientations):
                        turn = abs(angle / width - 0.5 - k)
                        turn = min(turn, orientations - turn)
                        share = max(0, 1 - dy) * max(0, 1 - dx) * max(0, 1 - turn)
                        out[r, s, k] += share * length / cell**2
    return out


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("images", [IMAGES, COLOR], ids=["gray", "color"])
def test_histograms_are_those_of_a_loop_over_pixels(images, signed, interpolate):
    ours = cell_histograms(images, cell=7, orientations=11, signed=signed, interpolate=interpolate)
    assert ours.shape == (3, 5, 3, 11)
    np.testing.assert_allclose(ours[1], votes_by_loop(images[1], 7, 11, signed, interpolate), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("cell", "block", "orientations"), [(4, 2, 9), (7, 3, 8), (14, 1, 5)])
def test_hog_is_scikit_images_on_digits_without_interpolation(cell, block, orientations):
    x = mnist().x_train[:20].double().numpy() / 256  # exact binary fractions: no vote lies on an edge by rounding
    ours = hog(x, cell=cell, block=block, orientations=orientations, interpolate=False).reshape(20, -1)
    theirs = [scikit_hog(image[0], orientations, (cell, cell), (block, block)) for image in x]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)  # they add up votes in float32


def test_hog_is_scikit_images_on_color_photographs():
    x = cifar10().x_train[::500].double().numpy() / 256
    x += RNG.random(x.shape) / 512  # no two channels tie
    ours = hog(x, interpolate=False).reshape(len(x), -1)
    theirs = [scikit_hog(i.transpose(1, 2, 0), 9, (8, 8), (2, 2), channel_axis=2) for i in x]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_gradient_of_a_plane_by_hand():
    # 3 down and 4 across: differences over two pixels are 6 and 8, length 10; none across the border
    y, x = np.mgrid[:5, :7]
    found = gradient((3.0 * y + 4.0 * x)[None, None])
    assert found.magnitude.shape == (1, 5, 7)
    np.testing.assert_allclose(found.magnitude[0, 1:-1, 1:-1], 10)
    np.testing.assert_allclose(found.angle[0, 1:-1, 1:-1], np.arctan2(3, 4))
    np.testing.assert_allclose(found.magnitude[0, 0, 1:-1], 8)
    assert found.magnitude[0, 0, 0] == 0


def test_in_color_the_longest_gradient_counts_and_not_the_sum():
    ramp = np.tile(np.arange(5.0), (5, 1))
    found = gradient(np.stack([ramp, -3 * ramp, 2 * ramp.T])[None])
    assert found.magnitude[0, 2, 2] == 6
    assert abs(found.angle[0, 2, 2]) == np.pi


def test_a_vote_between_two_centers_is_shared_by_hand():
    # 45 degrees among bins centered at 45 and 135: all to the first; at 90, half to each
    y, x = np.mgrid[:6, :6].astype(float)
    both = cell_histograms((x + y)[None, None, 1:-1, 1:-1], cell=4, orientations=2)[0, 0, 0]
    inner = 4 * 2 * np.sqrt(2) / 16  # the four inner pixels
    edge = 4 * 2 / 16  # four pixels on each pair of sides see one difference only: at 90 or 0 degrees, shared evenly
    np.testing.assert_allclose(both, [inner + edge, edge])


@pytest.mark.parametrize("interpolate", [False, True])
def test_no_vote_is_lost(interpolate):
    for orientations in (1, 2, 9):
        ours = cell_histograms(COLOR, cell=7, orientations=orientations, interpolate=interpolate)
        np.testing.assert_allclose(49 * ours.sum(axis=(1, 2, 3)), gradient(COLOR).magnitude.sum(axis=(1, 2)))


def test_brightness_and_contrast_are_forgotten_and_by_unsigned_gradients_their_sign():
    np.testing.assert_allclose(hog(IMAGES, cell=7), hog(0.3 * IMAGES + 5, cell=7), atol=1e-6)
    np.testing.assert_allclose(hog(IMAGES, cell=7), hog(1 - IMAGES, cell=7), atol=1e-12)
    signed = hog(IMAGES, cell=7, orientations=18, signed=True)
    inverted = hog(1 - IMAGES, cell=7, orientations=18, signed=True)
    assert abs(signed - inverted).max() > 0.1
    np.testing.assert_allclose(np.roll(signed, 9, axis=-1), inverted, atol=1e-12)  # half a turn


def test_unsigned_votes_are_signed_ones_folded():
    signed = cell_histograms(IMAGES, cell=7, orientations=18, signed=True)
    unsigned = cell_histograms(IMAGES, cell=7, orientations=9)
    np.testing.assert_allclose(signed[..., :9] + signed[..., 9:], unsigned, rtol=1e-12)


def test_a_quarter_turn_moves_cells_and_bins():
    square = RNG.random((1, 1, 21, 21))
    turned = cell_histograms(np.rot90(square, 1, (2, 3)), cell=7, orientations=12, signed=True)
    upright = cell_histograms(square, cell=7, orientations=12, signed=True)
    # counterclockwise on the screen is against the angle, which grows from right to below
    np.testing.assert_allclose(turned, np.roll(np.rot90(upright, 1, (1, 2)), -3, axis=-1), atol=1e-12)


def test_l2_hys_by_hand():
    # (3, 4) / 5 = (0.6, 0.8), cut at 0.7: (0.6, 0.7) / sqrt(0.85)
    found = normalize_blocks([[[[3.0, 4.0]]]], block=1, clip=0.7)[0, 0, 0, 0, 0]
    np.testing.assert_allclose(found, np.array([0.6, 0.7]) / np.sqrt(0.85), rtol=1e-9)


def test_blocks_overlap_by_all_but_one_cell_and_have_length_one():
    cells = RNG.random((2, 5, 3, 7))
    blocks = normalize_blocks(cells, block=2, clip=1)
    assert blocks.shape == (2, 4, 2, 2, 2, 7)
    window = cells[1, 2:4, 1:3]
    np.testing.assert_allclose(blocks[1, 2, 1], window / np.linalg.norm(window), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(blocks.reshape(-1, 28), axis=1), 1, atol=1e-8)


def test_a_blank_image_is_zero_and_a_faint_one_is_lifted_as_by_scikit_image():
    assert not hog(np.full((1, 1, 21, 21), 0.7), cell=7).any()
    faint = 1e-5 * IMAGES[:1]  # the second norm divides by a length that the first has made
    theirs = scikit_hog(faint[0, 0], 9, (7, 7), (2, 2))
    ours = hog(faint, cell=7, interpolate=False)
    np.testing.assert_allclose(ours.ravel(), theirs, atol=1e-6)
    assert ours.max() > 0.1


def test_dtype_follows_float32_and_nothing_else_and_inputs_stay():
    images = IMAGES.astype(np.float32)
    before = images.copy()
    ours = hog(images, cell=7)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(images, before)
    np.testing.assert_allclose(ours, hog(images.astype(float), cell=7), atol=1e-4)
    assert hog((255 * IMAGES).astype(np.uint8), cell=7).dtype == np.float64


def test_many_images_are_worked_as_few():
    many = RNG.random((130, 1, 14, 14))
    alone = np.concatenate([cell_histograms(many[k : k + 1], cell=7) for k in range(130)])
    np.testing.assert_allclose(cell_histograms(many, cell=7), alone, rtol=1e-12)


NAN = IMAGES.copy()
NAN[1, 0, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("images", "sizes", "words"),
    [
        (IMAGES[:, 0], {}, r"\(n, c, h, w\).*\(3, 35, 21\)"),
        (IMAGES[:0], {}, "found shape"),
        (IMAGES[..., :2], {}, "3 x 3"),
        (NAN, {}, r"nan at \(1, 0, 2, 3\)"),
        (IMAGES, {"cell": 8}, "do not divide an image of 35 x 21"),
        (IMAGES, {"cell": 0}, "cell is an integer"),
        (IMAGES, {"cell": 3.5}, "cell is an integer"),
        (IMAGES, {"orientations": 0}, "orientations is an integer"),
        (IMAGES, {"block": 4}, "does not fit into 5 x 3"),
        (IMAGES, {"block": 0}, "block is an integer"),
        (IMAGES, {"clip": 0}, "clip is in"),
    ],
)
def test_bad_input_is_named(images, sizes, words):
    with pytest.raises(ValueError, match=words):
        hog(images, **{"cell": 7, **sizes})


@pytest.mark.parametrize("cells", [np.ones((2, 3, 4)), np.ones((0, 3, 3, 9)), -np.ones((1, 3, 3, 9))])
def test_bad_cells_are_named(cells):
    with pytest.raises(ValueError, match=r"cells (is|are)"):
        normalize_blocks(cells)


def test_gradient_refuses_what_is_no_image():
    with pytest.raises(ValueError, match="found shape"):
        gradient(np.ones((5, 5)))
