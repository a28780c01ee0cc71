"""The checks: what passes is unchanged in value, what does not is named."""

import numpy as np
import pytest

from dlbook.checks import finite_table


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
