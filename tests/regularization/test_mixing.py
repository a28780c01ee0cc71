"""Shares against SciPy's beta distribution, mixtures against rows by hand, squares against a count of all places."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.regularization.mixing import cutout, mix, mixup, symmetric_beta


@pytest.mark.parametrize("alpha", [0.1, 0.4, 0.5, 1.0, 3.0])
def test_shares_follow_scipys_beta(alpha):
    shares = symmetric_beta(alpha, 20_000, generator=stream())
    assert shares.min() >= 0
    assert shares.max() <= 1
    points = torch.linspace(0.01, 0.99, 50)  # not nearer to the ends, where float32 rounds to 0 and 1
    found = (shares <= points[:, None]).double().mean(dim=1)
    assert_close(found, torch.from_numpy(stats.beta(alpha, alpha).cdf(points.double().numpy())), rtol=0, atol=0.015)
    assert_close(shares.mean().item(), 0.5, rtol=0, atol=0.015)
    assert_close(shares.var().item(), 1 / (4 * (2 * alpha + 1)), rtol=0.04, atol=0)


def test_tiny_alpha_gives_zeros_and_ones_and_no_nan():
    shares = symmetric_beta(0.001, 1000, generator=stream())
    assert shares.isfinite().all()
    assert ((shares < 1e-3) | (shares > 1 - 1e-3)).float().mean() > 0.97


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_impossible_alphas_are_refused(alpha):
    with pytest.raises(ValueError, match="alpha is above 0 and finite, found"):
        symmetric_beta(alpha, 3, generator=stream())


def test_mix_by_hand_and_linear_in_the_shares():
    a, b = torch.tensor([[8.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [3.0, 5.0]])
    assert mix(a, b, torch.tensor([0.25, 1.0])).tolist() == [[2.0, 3.0], [1.0, 1.0]]
    a, b = noise(3, 2, 5, 7), noise(3, 2, 5, 7, seed=1)
    low, high = torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64)
    assert torch.equal(mix(a, b, low), b)
    assert torch.equal(mix(a, b, high), a)
    assert_close(mix(a, b, 0.3 * high), 0.3 * mix(a, b, high) + 0.7 * mix(a, b, low))


def test_mixup_mixes_pixels_and_targets_with_the_same_partner_in_the_same_shares():
    labels = torch.arange(7)
    images = F.one_hot(labels, 7).to(F64)[:, :, None, None].expand(7, 7, 3, 5)  # an image that says its label
    x, y = mixup(images, F.one_hot(labels, 7).to(F64), alpha=1.0, generator=stream())
    assert_close(x, y[:, :, None, None].expand_as(x))
    shares, partners = symmetric_beta(1.0, 7, generator=(g := stream())), torch.randperm(7, generator=g)
    assert_close(y, mix(F.one_hot(labels, 7).to(F64), F.one_hot(partners, 7).to(F64), shares.to(F64)))
    assert_close(y.sum(dim=1), torch.ones(7, dtype=F64))


def test_partners_are_a_permutation_so_no_example_is_lost():
    y = mixup(noise(11, 1, 2, 2), torch.eye(11, dtype=F64), alpha=50.0, generator=stream())[1]
    assert ((y > 0).sum(dim=0) <= 2).all()
    assert ((y > 0).sum(dim=0) >= 1).all()


def test_cross_entropy_of_mixed_targets_is_the_mixture_of_cross_entropies():
    logits, a, b, share = (
        noise(5, 3),
        torch.tensor([0, 1, 2, 0, 1]),
        torch.tensor([1, 1, 0, 2, 0]),
        noise(5, seed=3).sigmoid(),
    )
    mixed = mix(F.one_hot(a, 3).to(F64), F.one_hot(b, 3).to(F64), share)
    apart = share * F.cross_entropy(logits, a, reduction="none") + (1 - share) * F.cross_entropy(
        logits, b, reduction="none"
    )
    assert_close(F.cross_entropy(logits, mixed), apart.mean())


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 9])
def test_cutout_covers_what_a_count_over_all_places_says(size):
    h, w = 5, 7
    holes = cutout(torch.ones(20_000, 1, h, w), size, generator=stream()) == 0

    def share(n):  # of each row, how often it is covered, counted over all centers
        return torch.tensor(
            [sum(i in range(c - size // 2, c - size // 2 + size) for c in range(n)) / n for i in range(n)]
        )

    assert_close(holes.float().mean(dim=0)[0], share(h)[:, None] * share(w), rtol=0, atol=0.02)


def test_a_hole_is_a_square_cut_off_at_the_edge_in_all_channels():
    images = 1 + noise(200, 3, 7, 11).abs()
    cut = cutout(images, 4, generator=stream())
    holes = cut == 0
    assert torch.equal(cut[~holes], images[~holes])
    assert torch.equal(holes[:, :1].expand_as(holes), holes)
    for hole in holes[:, 0]:
        rows, columns = hole.any(dim=1).nonzero()[:, 0], hole.any(dim=0).nonzero()[:, 0]
        assert hole.sum() == len(rows) * len(columns)
        for seen, n in ((rows, 7), (columns, 11)):
            assert len(seen) == 4 or seen[0] == 0 or seen[-1] == n - 1
            assert seen[-1] - seen[0] + 1 == len(seen) <= 4


def test_cutout_keeps_bytes_and_the_stream_and_refuses_what_it_cannot():
    images = torch.randint(1, 256, (3, 1, 5, 7), dtype=torch.uint8, generator=stream())
    assert cutout(images, 3, generator=stream()).dtype == torch.uint8
    assert torch.equal(cutout(images, 3, generator=stream(1)), cutout(images, 3, generator=stream(1)))
    for size in (-1, 2.5):
        with pytest.raises(ValueError, match=f"size is a whole number of pixels, at least 0, found {size}"):
            cutout(images, size, generator=stream())


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="shares is"):
        mix(noise(3, 2), noise(3, 2), noise(2))
    with pytest.raises(ValueError, match="a and b have one shape"):
        mix(noise(3, 2), noise(3, 1), noise(3))
    with pytest.raises(ValueError, match="targets is"):
        mixup(noise(3, 1, 2, 2), torch.zeros(3), generator=stream())


def test_whole_numbers_are_refused_where_a_share_would_become_0_or_1():
    with pytest.raises(ValueError, match=r"images and targets are floats, found torch.float32 and torch.int64"):
        mixup(torch.rand(3, 1, 2, 2), torch.eye(3, dtype=torch.long), generator=stream())
    with pytest.raises(ValueError, match=r"images and targets are floats, found torch.uint8"):
        mixup(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.eye(3), generator=stream())
    with pytest.raises(ValueError, match=r"shares are floats, found torch.int64"):
        mix(noise(3, 2), noise(3, 2), torch.ones(3, dtype=torch.long))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_follows_images_and_targets(dtype):
    x, y = mixup(noise(5, 1, 2, 2).to(dtype), torch.eye(5), generator=stream())
    assert (x.dtype, y.dtype) == (dtype, torch.float32)


def test_shares_of_another_precision_leave_the_images_theirs():
    images = noise(3, 1, 2, 2, dtype=torch.float32)
    assert mix(images, images, torch.rand(3, dtype=F64, generator=stream())).dtype == torch.float32
    assert mix(images.bfloat16(), images.bfloat16(), torch.rand(3, generator=stream())).dtype == torch.bfloat16


def test_by_default_all_shares_are_equally_likely():
    x, t = noise(5, 1, 2, 2), torch.eye(5, dtype=F64)
    assert_close(mixup(x, t, generator=stream()), mixup(x, t, alpha=1.0, generator=stream()))
