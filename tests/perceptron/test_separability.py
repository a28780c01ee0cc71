"""Hulls and hyperplanes against Qhull, a support vector machine, each other, and counts that mathematics knows."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial import ConvexHull
from sklearn.svm import SVC

from dlbook.perceptron.separability import (
    common_point,
    in_hull,
    is_separable,
    nearest_hull_points,
    separable_prefix,
    separating_hyperplane,
)

grid = st.integers(-4, 4).map(float)  # whole numbers, so that touching hulls and repeated points come up


def clouds(width: int):
    return hnp.arrays(float, st.tuples(st.integers(1, 8), st.just(width)), elements=grid)


@pytest.mark.parametrize("width", [2, 3])
def test_in_hull_equals_qhulls_inequalities(width):
    rng = np.random.default_rng(0)
    cloud, points = rng.normal(size=(23, width)), rng.normal(size=(300, width))
    facets = ConvexHull(cloud).equations
    expected = (points @ facets[:, :-1].T + facets[:, -1] <= 0).all(axis=1)
    assert 30 < expected.sum() < 270
    assert np.array_equal(in_hull(points, cloud), expected)


def test_corners_and_borders_belong_to_a_hull_and_the_answer_does_not_depend_on_scale_or_place():
    square = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    points = np.array([[0.0, 0], [0.5, 0], [1, 0.3], [0.5, -1e-6], [1 + 1e-6, 0.5]])
    for scale, shift in ((1, 0), (1e-6, 0), (1e6, 0), (1, 1e4)):
        assert in_hull(points * scale + shift, square * scale + shift).tolist() == [True, True, True, False, False]


@settings(deadline=None, max_examples=100, derandomize=True)
@given(clouds(2), clouds(2))
def test_line_linear_program_and_common_point_agree_and_prove_themselves(c, d):
    plane, common = separating_hyperplane(c, d), common_point(c, d)
    assert is_separable(c, d) == (plane is not None) == (common is None)
    if plane is not None:
        assert (c @ plane.a + plane.b > 0).all()
        assert (d @ plane.a + plane.b < 0).all()
    if common is not None:
        for weights, cloud in ((common.p_weights, c), (common.q_weights, d)):
            assert (weights >= 0).all()
            assert weights.sum() == pytest.approx(1, abs=1e-12)
            assert np.allclose(weights @ cloud, common.p, atol=1e-7)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(clouds(3), clouds(3))
def test_nearest_points_are_nearest(c, d):
    p, q, p_weights, q_weights = nearest_hull_points(c, d)
    assert np.allclose(p_weights @ c, p)
    assert np.allclose(q_weights @ d, q)
    assert min(p_weights.min(), q_weights.min()) >= 0
    # the variational inequality: no corner of either hull lies nearer along p - q; this is equivalent to optimality
    a = p - q
    assert (c @ a).min() >= p @ a - 1e-9
    assert (d @ a).max() <= q @ a + 1e-9


def test_nearest_points_by_hand():
    # a segment over a point: its foot; two parallel segments that overlap: distance 2 wherever they are nearest
    p, q, p_weights, _ = nearest_hull_points([[-1.0, 1.0], [3.0, 1.0]], [[0.0, 0.0]])
    assert np.allclose(p, [0, 1])
    assert np.allclose(p_weights, [0.75, 0.25])
    p, q, *_ = nearest_hull_points([[0.0, 2.0], [5.0, 2.0]], [[3.0, 0.0], [9.0, 0.0]])
    assert np.allclose(p - q, [0, 2])


@pytest.mark.parametrize("width", [1, 2, 7, 31])
def test_the_margin_is_that_of_a_hard_margin_support_vector_machine(width):
    rng = np.random.default_rng(width)
    c, d = rng.normal(size=(37, width)) + 4.5, rng.normal(size=(29, width))
    plane = separating_hyperplane(c, d)
    assert plane is not None
    machine = SVC(kernel="linear", C=1e8, tol=1e-9).fit(np.vstack([c, d]), np.repeat([1, -1], [37, 29]))
    scale = 2 / (plane.a @ plane.a)  # the machine scores its support vectors +1 and -1
    assert np.allclose(plane.a * scale, machine.coef_[0], rtol=1e-4, atol=1e-5)
    assert plane.b * scale == pytest.approx(machine.intercept_[0], rel=1e-4)


def test_the_formula_of_the_lecture_on_the_nearest_points():
    rng = np.random.default_rng(5)
    c, d = rng.normal(size=(30, 2)) + [5, 0], rng.normal(size=(30, 2))
    p, q, *_ = nearest_hull_points(c, d)
    a, b = separating_hyperplane(c, d)
    half = (p - q) @ (p - q) / 2
    assert (c @ a + b).min() == pytest.approx(half, rel=1e-9)
    assert (d @ a + b).max() == pytest.approx(-half, rel=1e-9)


@pytest.mark.parametrize(("inputs", "separable"), [(2, 14), (3, 104)])
def test_boolean_functions_that_a_line_can_compute(inputs, separable):
    # 14 of 16 and 104 of 256: Minsky and Papert (1969); constants count, an empty side is separated by any far line
    corners = np.array(list(itertools.product([0.0, 1.0], repeat=inputs)))
    found = 0
    for values in itertools.product([False, True], repeat=len(corners)):
        on = np.array(values)
        found += on.all() or not on.any() or is_separable(corners[on], corners[~on])
    assert found == separable


def test_the_separable_labelings_of_points_in_general_position_are_covers_count():
    # Cover (1965): 2 sum_{k <= d} C(n - 1, k) of the 2^n labelings
    n, width = 7, 2
    x = np.random.default_rng(2).normal(size=(n, width))
    signs = np.array(list(itertools.product([False, True], repeat=n)))
    found = sum(s.all() or not s.any() or is_separable(x[s], x[~s]) for s in signs)
    assert found == 2 * sum(comb(n - 1, k) for k in range(width + 1))


@pytest.mark.parametrize("n", [3, 13, 29])
def test_separable_prefix_is_the_last_n_that_a_linear_program_separates(n):
    rng = np.random.default_rng(n)
    for _ in range(10):
        x, positive = rng.normal(size=(n, 2)), rng.random(n) < 0.5
        whole = [m for m in range(1, n + 1) if positive[:m].all() or not positive[:m].any()]
        separable = [
            m for m in range(1, n + 1) if m in whole or is_separable(x[:m][positive[:m]], x[:m][~positive[:m]])
        ]
        assert separable_prefix(x, positive) == max(separable) == len(separable)


def test_separable_prefix_of_separable_examples_is_all_of_them_and_labels_are_bool():
    x = np.arange(11.0)[:, None]
    assert separable_prefix(x, x[:, 0] > 6) == 11 == separable_prefix(x, np.ones(11, bool))
    with pytest.raises(ValueError, match="positive is bool"):
        separable_prefix(x, np.ones(11))


def test_touching_hulls_are_not_strictly_separable():
    assert not is_separable([[0.0, 0], [1, 0]], [[0.5, 0], [0.5, 3]])
    assert separating_hyperplane([[0.0, 0], [1, 0]], [[1.0, 0], [2, 0]]) is None


@pytest.mark.parametrize("call", [is_separable, separating_hyperplane, nearest_hull_points, in_hull, common_point])
@pytest.mark.parametrize(
    ("c", "d", "words"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2)), r"found shape \(0, 2\)"),
        (np.zeros(2), np.zeros((3, 2)), r"found shape \(2,\)"),
        (np.zeros((3, 2)), np.zeros((3, 4)), "found 2 and 4"),
        (np.zeros((3, 2)), [[0, 0], [0, np.nan]], "found nan in row 1, column 1"),
    ],
)
def test_bad_input_is_named(call, c, d, words):
    with pytest.raises(ValueError, match=words):
        call(c, d)
