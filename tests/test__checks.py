"""The checks: what passes is unchanged in value, what does not is named."""

import numpy as np
import pytest
import torch

from dlbook._checks import finite_table, image_batch


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint8, bool])
def test_a_table_keeps_its_values_in_float64(dtype):
    values = np.array([[1, 0, 1], [0, 1, 1]], dtype=dtype)
    table = finite_table("x", values.T)
    assert table.dtype == np.float64
    assert table.flags.c_contiguous
    assert np.array_equal(table, values.T)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 2.0], r"found shape \(2,\) of float64: x\[:, None\]"),
        (np.zeros((0, 3)), r"found shape \(0, 3\)"),
        (np.zeros((3, 0)), r"found shape \(3, 0\)"),
        ([[1j]], "complex"),
        ([["a"]], "<U1"),
        ([[0, np.inf], [np.nan, 0]], "found inf in row 0, column 1"),
    ],
)
def test_anything_else_is_named(values, words):
    with pytest.raises(ValueError, match=words):
        finite_table("x", values)


def test_images_of_the_right_kind_pass():
    image_batch(torch.zeros(0, 3, 5, 7, dtype=torch.float16), 3)
    image_batch(torch.zeros(2, 1, 5, 7, dtype=torch.float64), 1, least=5)


@pytest.mark.parametrize(
    ("images", "least", "words"),
    [
        (torch.zeros(3, 5, 5), 1, r"are \(b, 3, h, w\) with h, w >= 1, found shape \(3, 5, 5\)"),
        (torch.zeros(1, 1, 5, 5), 1, r"found shape \(1, 1, 5, 5\)"),
        (torch.zeros(1, 3, 5, 4), 5, r"h, w >= 5, found shape \(1, 3, 5, 4\)"),
        (torch.zeros(1, 3, 0, 4), 1, r"found shape \(1, 3, 0, 4\)"),
        (torch.zeros(1, 3, 5, 5, dtype=torch.uint8), 1, "found torch.uint8: images / 255"),
        (torch.zeros(1, 3, 5, 5, dtype=torch.int64), 1, "found torch.int64$"),
    ],
)
def test_other_images_are_named(images, least, words):
    with pytest.raises(ValueError, match=words):
        image_batch(images, 3, least=least)
