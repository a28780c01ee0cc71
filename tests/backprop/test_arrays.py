"""Oracles: the law of the transpose, <g, J x> = <J' g, x>, where J is what NumPy does forward."""

import numpy as np
import pytest

from common import draw
from dlbook.backprop.arrays import add_patches, as_array, lay_out, scatter, sum_to


@pytest.mark.parametrize(
    ("small", "large"),
    [((), (3, 5)), ((5,), (3, 5)), ((3, 1), (3, 5)), ((1, 5), (7, 3, 5)), ((3, 1, 1), (2, 3, 5, 7)), ((3, 5), (3, 5))],
)
def test_summing_is_the_transpose_of_broadcasting(small, large):
    x, g = draw(*small), draw(*large, seed=1)
    assert sum_to(g, small).shape == small
    np.testing.assert_allclose((g * np.broadcast_to(x, large)).sum(), (sum_to(g, small) * x).sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("once", "index"),
    [
        (True, (1,)),
        (True, (slice(None, None, 2), 3)),
        (True, (..., None, slice(1, 4))),
        (False, (np.array([2, 0, 2, 2]),)),
        (False, (np.array([2, 0, 2]), np.array([1, 1, 1]))),
    ],
)
def test_scattering_is_the_transpose_of_indexing(once, index):
    x = draw(3, 5)
    g = draw(*x[index].shape, seed=1)
    np.testing.assert_allclose((g * x[index]).sum(), (scatter(g, x.shape, once, *index) * x).sum(), rtol=1e-12)


def test_entries_that_were_taken_twice_add_up():
    assert scatter(np.array([1.0, 10.0, 100.0]), (4,), False, [2, 0, 2]).tolist() == [10, 0, 101, 0]


def test_adding_patches_is_the_transpose_of_cutting_them_out():
    x, stride = draw(2, 3, 7, 11), 2
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), axis=(2, 3))[:, :, ::stride, ::stride]
    windows = windows.transpose(0, 1, 4, 5, 2, 3)
    g = draw(*windows.shape, seed=1)
    np.testing.assert_allclose((g * windows).sum(), (add_patches(g, x.shape, stride) * x).sum(), rtol=1e-12)


def test_what_is_laid_out_lies_there_and_nowhere_else():
    places = [(..., slice(0, 4, 2)), (..., slice(1, 4, 2))]
    assert lay_out((2, 5), places, np.ones((2, 2)), np.full((2, 2), 7.0)).tolist() == [[1, 7, 1, 7, 0]] * 2


def test_an_array_stays_the_same_object_and_an_array_of_another_kind_stays_itself():
    class Other:
        def __array_function__(self, function, types, arguments, options):
            return function.__name__, arguments

    array, other = draw(3), Other()
    assert as_array(array) is array
    assert as_array(array, np.float32).dtype == np.float32
    assert as_array(other) is other
    assert scatter(other, (3,), True, 0) == ("scatter", (other, (3,), True, 0))
