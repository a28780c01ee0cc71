"""Generated points against the sets that they are drawn from."""

import numpy as np
import pytest

from dlbook.data import blobs, playground, rings, two_moons, xor


def test_xor_is_its_truth_table():
    x, y = xor()
    assert [(int(a), int(b), int(label)) for (a, b), label in zip(x, y, strict=True)] == [
        (0, 0, -1),
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, -1),
    ]


def test_xor_with_noise_keeps_the_label_of_the_corner():
    x, y = xor(4000, noise=0.1, rng=np.random.default_rng(0))
    assert np.array_equal(np.where(np.round(x[:, 0]) == np.round(x[:, 1]), -1, 1), y)
    assert (x - np.round(x)).std() == pytest.approx(0.1, rel=0.05)


def test_moons_without_noise_lie_on_their_half_circles():
    x, y = two_moons(101, noise=0, rng=np.random.default_rng(0))
    upper, lower = x[y == 1], [1.0, 0.5] - x[y == -1]
    for moon in (upper, lower):
        assert np.allclose(np.hypot(*moon.T), 1)
        assert (moon[:, 1] >= 0).all()


def test_rings_without_noise_have_their_radii():
    x, y = rings(101, radii=(1.0, 3.0), noise=0, rng=np.random.default_rng(0))
    assert np.allclose(np.hypot(*x.T), np.where(y == 1, 1.0, 3.0))


def test_blobs_center_where_they_were_told():
    centers = np.array([[0.0, 0.0, 5.0], [9.0, -9.0, 0.0]])
    x, y = blobs(20_000, centers=centers, noise=2.0, rng=np.random.default_rng(0))
    for k in range(2):
        assert np.allclose(x[y == k].mean(axis=0), centers[k], atol=0.1)
        assert np.allclose(x[y == k].std(axis=0), 2.0, atol=0.05)


def test_the_playgrounds_circle_fills_a_disk_and_a_ring_evenly():
    x, y = playground("circle", 20_000, rng=np.random.default_rng(0))
    radius = np.hypot(*x.T)
    for label, low, high in ((1, 0.0, 2.5), (-1, 3.5, 5.0)):
        squares = (radius[y == label] ** 2 - low**2) / (high**2 - low**2)  # even over the area: uniform
        assert squares.min() >= 0
        assert squares.max() <= 1
        assert np.quantile(squares, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.02)
    assert np.abs(x.mean(axis=0)).max() < 0.1


def test_the_playgrounds_xor_is_the_sign_of_the_product_in_four_equal_quadrants():
    x, y = playground("xor", 1000, rng=np.random.default_rng(0))
    assert np.array_equal(np.sign(x.prod(axis=1)), y)
    assert np.abs(x).min() >= 0.3
    assert np.abs(x).max() <= 5
    _, counts = np.unique(np.sign(x), axis=0, return_counts=True)
    assert counts.tolist() == 4 * [250]


def test_the_playgrounds_clouds_are_standard_gaussians_about_their_centers():
    x, y = playground("gauss", 20_000, rng=np.random.default_rng(0))
    moved = x - 2 * y[:, None]
    assert np.allclose(moved.mean(axis=0), 0, atol=0.03)
    assert np.allclose(np.cov(moved.T), np.eye(2), atol=0.04)
    assert np.quantile(moved, 0.975) == pytest.approx(1.96, abs=0.05)


def test_the_playgrounds_spirals_are_two_archimedean_arms_half_a_turn_apart():
    x, y = playground("spiral", 500, rng=np.random.default_rng(0))
    radius = np.hypot(*x.T)
    turned = radius / 5 * 1.75 * 2 * np.pi
    arm = np.stack([np.cos(turned), np.sin(turned)], axis=1) * (radius * y)[:, None]
    assert np.allclose(x, arm)
    assert radius.min() >= 0.2
    assert radius.max() <= 5


@pytest.mark.parametrize("problem", ["circle", "xor", "gauss", "spiral"])
def test_noise_moves_the_playgrounds_points_and_not_their_labels(problem):
    (x, y), (moved, labels) = (
        playground(problem, 20_000, noise=noise, rng=np.random.default_rng(3)) for noise in (0, 0.5)
    )
    assert np.array_equal(y, labels)
    assert np.allclose(np.cov((moved - x).T), 0.25 * np.eye(2), atol=0.01)


@pytest.mark.parametrize("draw", [two_moons, rings])
def test_the_same_seed_draws_the_same_points(draw):
    first, again = (draw(11, rng=np.random.default_rng(5))[0] for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, draw(11, rng=np.random.default_rng(6))[0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rng: xor(0), "at least 1, found 0"),
        (lambda rng: xor(4, noise=0.1), "pass rng"),
        (lambda rng: two_moons(5, noise=-1, rng=rng), "found -1"),
        (lambda rng: two_moons(5, noise=float("nan"), rng=rng), "found nan"),
        (lambda rng: rings(5, radii=(0, 1), rng=rng), r"found \(0, 1\)"),
        (lambda rng: playground("moons", rng=rng), "circle, xor, gauss, spiral, found 'moons'"),
        (lambda rng: playground("xor", 0, rng=rng), "at least 1, found 0"),
        (lambda rng: blobs(5, centers=np.zeros(3), rng=rng), r"found shape \(3,\)"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(np.random.default_rng(0))
