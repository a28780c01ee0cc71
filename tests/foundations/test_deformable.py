"""The generalized distance transform against the maximum over all pairs, SciPy's transform of masks, and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from dlbook.foundations.deformable import distance_transform, dpm_score, place_part

RNG = np.random.default_rng(2008)


def over_all_pairs(score, stiffness, linear=0.0, shift=0):
    """Return the transform (..., n) by n² comparisons."""
    n = score.shape[-1]
    d = np.arange(n) - (np.arange(n)[:, None] + shift)  # (p, q)
    return (score[..., None, :] - stiffness * d**2 - linear * d).max(axis=-1)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    scores=st.lists(st.floats(-50, 50), min_size=1, max_size=13),
    stiffness=st.sampled_from([1e-3, 0.1, 0.5, 1.0, 7.0]),
    linear=st.floats(-9, 9),
    shift=st.integers(-15, 15),
)
def test_value_is_the_maximum_over_all_pairs_and_the_source_attains_it(scores, stiffness, linear, shift):
    score = np.array(scores)
    value, source = distance_transform(score, stiffness=stiffness, linear=linear, shift=shift)
    np.testing.assert_allclose(value, over_all_pairs(score, stiffness, linear, shift), rtol=1e-9, atol=1e-9)
    d = source - np.arange(len(score)) - shift
    np.testing.assert_allclose(value, score[source] - stiffness * d**2 - linear * d, rtol=1e-12, atol=1e-12)


def test_rows_are_transformed_alone():
    score = RNG.normal(size=(3, 5, 37)) * 10 ** RNG.uniform(-1, 2, (3, 5, 1))
    value, source = distance_transform(score, stiffness=0.3, linear=0.2, shift=2)
    np.testing.assert_allclose(value, over_all_pairs(score, 0.3, 0.2, 2), rtol=1e-12)
    alone = distance_transform(score[1, 2], stiffness=0.3, linear=0.2, shift=2)
    np.testing.assert_array_equal(source[1, 2], alone.source)


def test_on_a_mask_it_is_scipys_squared_euclidean_distance():
    mask = RNG.random((23, 31)) < 0.05
    far = np.where(mask, 0.0, -1e7)
    value, rows, columns = place_part(far, anchor=(0, 0), stiffness=1.0)
    np.testing.assert_allclose(-value, distance_transform_edt(~mask) ** 2, atol=1e-6)
    assert mask[rows, columns].all()


def test_stiff_it_is_the_score_itself_and_loose_the_maximum():
    score = RNG.normal(size=29)
    np.testing.assert_array_equal(distance_transform(score, stiffness=1e6).value, score)
    np.testing.assert_allclose(distance_transform(score, stiffness=1e-9).value, score.max(), atol=1e-5)


def test_a_linear_cost_moves_the_rest():
    # -d² + 4 d is largest at d = 2, where it is 4: a peak is best seen from two to its left
    score = np.full(9, -100.0)
    score[5] = 0
    value, _ = distance_transform(score, stiffness=1.0, linear=-4.0)
    assert value.argmax() == 3
    assert value.max() == 4


def test_a_part_is_placed_as_by_a_search_over_all_places():
    response, anchor, linear = RNG.normal(size=(7, 11)), (2, -3), (0.1, -0.4)
    value, rows, columns = place_part(response, anchor=anchor, stiffness=0.2, linear=linear)
    y, x = np.mgrid[:7, :11]
    for p in range(7):
        for q in range(11):
            dy, dx = y - p - anchor[0], x - q - anchor[1]
            score = response - 0.2 * (dy**2 + dx**2) - linear[0] * dy - linear[1] * dx
            assert np.isclose(value[p, q], score.max())
            assert (rows[p, q], columns[p, q]) == np.unravel_index(score.argmax(), score.shape)


def test_planted_parts_are_found_where_they_were_moved():
    root, parts = np.zeros((13, 17)), RNG.uniform(-0.1, 0.1, (3, 13, 17))
    anchors, moves = np.array([(-3, -4), (-3, 4), (4, 0)]), np.array([(1, 0), (0, -2), (-1, 1)])
    root[6, 8] = 5.0
    for part, place in zip(parts, (6, 8) + anchors + moves, strict=True):
        part[tuple(place)] = 10.0
    placed = dpm_score(root, parts, anchors, stiffness=0.5, bias=-1.0)
    assert np.unravel_index(placed.score.argmax(), root.shape) == (6, 8)
    found = np.column_stack([placed.rows[:, 6, 8], placed.columns[:, 6, 8]])
    np.testing.assert_array_equal(found, (6, 8) + anchors + moves)
    assert np.isclose(placed.score[6, 8], 5 + 3 * 10 - 0.5 * (1 + 4 + 2) - 1)


def test_without_parts_the_root_speaks_alone():
    root = RNG.normal(size=(5, 7))
    placed = dpm_score(root, np.zeros((0, 5, 7)), np.zeros((0, 2)), stiffness=1.0, bias=2.0)
    np.testing.assert_array_equal(placed.score, root + 2)
    assert placed.rows.shape == (0, 5, 7)


@pytest.mark.parametrize(
    ("score", "springs", "words"),
    [
        ([], {}, r"at least 1, found shape \(0,\)"),
        (3.0, {}, "found shape"),
        ([1.0, np.nan], {}, "score is finite, found nan"),
        ([1.0, -np.inf], {}, "score is finite, found -inf"),
        ([1.0, 2.0], {"stiffness": 0.0}, "stiffness is above zero"),
        ([1.0, 2.0], {"stiffness": -1.0}, "stiffness is above zero"),
        ([1.0, 2.0], {"stiffness": np.inf}, "found inf"),
        ([1.0, 2.0], {"linear": np.nan}, "linear finite"),
    ],
)
def test_bad_scores_and_springs_are_named(score, springs, words):
    with pytest.raises(ValueError, match=words):
        distance_transform(score, **{"stiffness": 1.0, **springs})


@pytest.mark.parametrize(
    ("root", "parts", "anchors", "words"),
    [
        (np.zeros((4, 5)), np.zeros((2, 5, 4)), np.zeros((2, 2)), r"parts is \(p, 4, 5\), found shape \(2, 5, 4\)"),
        (np.zeros((4, 5)), np.zeros((2, 4, 5)), np.zeros((3, 2)), r"\(3, 2\)"),
        (np.zeros(4), np.zeros((2, 4, 5)), np.zeros((2, 2)), r"root is \(h, w\)"),
        (np.zeros((4, 5)), np.zeros((1, 4, 5)), [(0.5, 1)], "whole numbers"),
        (np.full((4, 5), np.nan), np.zeros((1, 4, 5)), [(0, 1)], "root and bias are finite"),
    ],
)
def test_bad_models_are_named(root, parts, anchors, words):
    with pytest.raises(ValueError, match=words):
        dpm_score(root, parts, anchors, stiffness=1.0)


def test_place_part_wants_a_map():
    with pytest.raises(ValueError, match="response is"):
        place_part(np.zeros(5), anchor=(0, 0), stiffness=1.0)
