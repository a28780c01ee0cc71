"""Measures of samples against SciPy's matrix root, scikit-learn's neighbors, closed forms and laws."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.neighbors import NearestNeighbors
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.generative import sample_quality
from dlbook.generative.sample_quality import (
    PrecisionRecall,
    covered,
    frechet_distance,
    precision_recall,
    symmetric_sqrt,
)


def cloud(n, d=5, seed=0):
    return noise(n, d, seed=seed) @ noise(d, d, seed=7) + noise(d, seed=seed + 1)


def by_scipy(a, b):
    """Heusel et al., eq. (6), as their program computes it."""
    a, b = a.double().numpy(), b.double().numpy()
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second)
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * np.real(root))


def by_sklearn(points, by, k, keep=1.0):
    tree = NearestNeighbors(n_neighbors=k + 1).fit(by.numpy())
    radius = tree.kneighbors(by.numpy())[0][:, k]
    distance = np.linalg.norm(points.numpy()[:, None] - by.numpy()[None], axis=-1)
    return ((distance <= radius) & (radius <= np.quantile(radius, keep))).any(axis=1)


def test_matches_scipys_square_root():
    a = cloud(50).T.cov()
    assert_close(symmetric_sqrt(a), torch.from_numpy(np.real(scipy.linalg.sqrtm(a.numpy()))), rtol=1e-9, atol=1e-9)
    root = symmetric_sqrt(torch.ones(3, 3, dtype=F64))  # of rank one
    assert_close(root @ root, torch.ones(3, 3, dtype=F64))
    assert_close(root, root.T)


def test_matches_scipys_frechet_distance():
    a, b = cloud(37), cloud(41, seed=3)
    assert math.isclose(frechet_distance(a, b), by_scipy(a, b), rel_tol=1e-8)
    assert math.isclose(frechet_distance(a, b), frechet_distance(b, a), rel_tol=1e-9)


def test_normal_laws_on_a_line_in_closed_form():
    a = torch.tensor([[-1.0], [1.0]]) / math.sqrt(2)  # mean 0, variance 1
    assert math.isclose(frechet_distance(a, 3 * a + 2), 2**2 + (3 - 1) ** 2, rel_tol=1e-6)


def test_a_set_is_at_distance_zero_of_itself_and_turns_do_not_matter():
    a, b = cloud(30), cloud(30, seed=3)
    assert abs(frechet_distance(a, a)) < 1e-6
    for seed in range(30):  # rounding must not make it negative
        again = cloud(30, seed=seed)
        assert frechet_distance(again, again) >= 0
    turn, _ = torch.linalg.qr(noise(5, 5, seed=9))
    assert math.isclose(frechet_distance(a @ turn, b @ turn), frechet_distance(a, b), rel_tol=1e-9)


def test_fewer_examples_than_features_are_no_trouble():
    a, b = noise(4, 9), noise(3, 9, seed=1)
    # rank-deficient covariances: tr (C C')^(1/2) is the sum of singular values of the product of centered tables
    u, v = (a - a.mean(0)) / math.sqrt(3), (b - b.mean(0)) / math.sqrt(2)
    shared = torch.linalg.svdvals(u @ v.T).sum()
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + (u**2).sum() + (v**2).sum() - 2 * shared
    assert math.isclose(frechet_distance(a, b), expected.item(), rel_tol=1e-6)


@pytest.mark.parametrize(("k", "keep"), [(1, 1.0), (3, 1.0), (3, 0.5), (5, 0.1)])
def test_matches_scikit_learns_neighbors(k, keep):
    real, fake = cloud(60), 0.7 * cloud(53, seed=3)
    inside, found = by_sklearn(fake, real, k, keep), by_sklearn(real, fake, k, keep)
    assert covered(fake, real, k=k, keep=keep).tolist() == inside.tolist()
    assert precision_recall(real, fake, k=k, keep=keep) == PrecisionRecall(inside.mean(), found.mean())
    assert 0 < inside.mean() < 1


def test_six_points_by_hand():
    real, fake = torch.tensor([[0.0], [1], [2], [3]]), torch.tensor([[0.4], [0.6]])
    assert precision_recall(real, fake, k=1) == PrecisionRecall(1.0, 0.0)


def test_an_outliers_ball_counts_only_if_kept():
    real = torch.tensor([[0.0], [1], [2], [3], [4], [100]])
    assert covered(torch.tensor([[150.0]]), real, k=1).all()
    assert not covered(torch.tensor([[150.0]]), real, k=1, keep=0.5).any()
    assert not covered(torch.tensor([[100.0]]), real, k=1, keep=0.5).any()  # not even its own center


def test_the_border_belongs_to_the_ball_and_copies_cover_their_originals():
    assert covered(torch.tensor([[2.0]]), torch.tensor([[0.0], [1.0]]), k=1).all()
    a = cloud(20)
    assert precision_recall(a, a.flip(0)) == PrecisionRecall(1.0, 1.0)
    repeated = a[:1].repeat(10, 1)
    assert covered(a, repeated).tolist() == [True] + [False] * 19  # balls of radius zero


def test_balls_of_copies_have_radius_zero_far_from_the_origin_too():
    pairs = (1e6 + cloud(30)).repeat(2, 1)
    assert covered(pairs, pairs, k=1).all()
    assert not covered(pairs + 1e-3, pairs, k=1).any()


def test_rows_are_taken_in_pieces_without_a_difference(monkeypatch):
    real, fake = cloud(60), cloud(53, seed=3)
    whole = covered(fake, real), precision_recall(real, fake)
    monkeypatch.setattr(sample_quality, "ROWS", 7)
    assert torch.equal(covered(fake, real), whole[0])
    assert precision_recall(real, fake) == whole[1]


def test_float32_and_bfloat16_and_histories_are_taken_and_left():
    a, b = cloud(30).float().requires_grad_(), cloud(30, seed=3).float()
    assert math.isclose(frechet_distance(a, b), by_scipy(a.detach(), b), rel_tol=1e-6)
    assert precision_recall(a.bfloat16(), b.bfloat16()).precision <= 1
    assert a.grad is None
    assert covered(torch.zeros(0, 5), cloud(9)).shape == (0,)


def test_precision_rises_and_recall_falls_as_a_set_shrinks_to_its_middle():
    real = torch.randn(300, 2, generator=stream())
    fake = torch.randn(300, 2, generator=stream(1))
    wide, narrow = precision_recall(real, fake), precision_recall(real, 0.2 * fake)
    assert narrow.precision >= wide.precision
    assert narrow.recall < 0.5 * wide.recall


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: frechet_distance(torch.zeros(1, 2), torch.zeros(3, 2)),
            r"a is \(n, d\) with n >= 2 and d >= 1, found shape \(1, 2\)",
        ),
        (lambda: frechet_distance(torch.zeros(3, 2), torch.zeros(1, 2)), r"b is \(n, d\) with n >= 2"),
        (lambda: frechet_distance(torch.zeros(3, 0), torch.zeros(3, 0)), "d >= 1"),
        (lambda: frechet_distance(torch.zeros(3, 2), torch.zeros(3, 4)), r"b is \(m, 2\), found shape \(3, 4\)"),
        (lambda: frechet_distance(torch.zeros(3), torch.zeros(3)), r"a is \(n, d\), found shape \(3,\)"),
        (lambda: frechet_distance(torch.zeros(3, 2).byte(), torch.zeros(3, 2)), "a holds features.*uint8"),
        (lambda: frechet_distance(torch.zeros(3, 2), torch.full((3, 2), math.nan)), "b is finite, found 6"),
        (lambda: precision_recall(torch.zeros(3, 2), torch.zeros(9, 2)), r"real is \(n, d\) with n >= 4"),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(3, 2)), r"fake is \(n, d\) with n >= 4"),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(9, 3)), r"fake is \(m, 2\), found shape \(9, 3\)"),
        (lambda: precision_recall(torch.zeros(9, 2), torch.zeros(9, 2), k=0), "k counts neighbors.*found 0"),
        (lambda: covered(torch.zeros(9, 2), torch.zeros(9, 2), keep=0.0), "keep is a share"),
        (lambda: covered(torch.zeros(9, 2), torch.zeros(9, 2), keep=1.5), "keep is a share"),
        (lambda: covered(torch.zeros(9, 2), torch.zeros(3, 2)), r"by is \(n, d\) with n >= 4"),
        (lambda: covered(torch.zeros(9, 3), torch.zeros(9, 2)), r"points is \(n, 2\), found shape \(9, 3\)"),
        (lambda: symmetric_sqrt(torch.zeros(2, 3)), r"a is \(d, d\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
