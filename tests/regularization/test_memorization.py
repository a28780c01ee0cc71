"""Labels and pixels that were spoiled, counted; the memorizer against least squares; margins and complexity by hand."""

import copy
import math

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch.testing import assert_close

from common import F64, noise, size, stream
from dlbook.regularization.memorization import (
    Memorizer,
    corrupt_labels,
    gaussian_images,
    margins,
    memorize,
    random_pixels,
    shuffle_pixels,
    spectral_complexity,
)

IMAGES = torch.arange(5 * 3 * 7 * 11, dtype=F64).reshape(5, 3, 7, 11)  # every number once


def test_as_many_labels_change_as_the_binomial_distribution_says():
    n, classes, share = 20_000, 7, 0.3
    labels = torch.arange(n) % classes
    spoiled = corrupt_labels(labels, share, classes=classes, generator=stream())
    wrong = int((spoiled != labels).sum())
    low, high = binom.interval(1 - 1e-6, n, share * (classes - 1) / classes)
    assert low <= wrong <= high
    drawn = spoiled[spoiled != labels].bincount(minlength=classes) / wrong
    assert (drawn - 1 / classes).abs().max() < 0.03
    moves = (spoiled - labels)[spoiled != labels] % classes  # the new label does not depend on the old
    assert moves.bincount(minlength=classes)[1:].min() > wrong / classes


def test_no_label_changes_at_zero_and_at_one_they_know_nothing_of_the_old_ones():
    labels = torch.zeros(20_000, dtype=torch.int64)
    before = labels.clone()
    assert torch.equal(corrupt_labels(labels, 0.0, classes=10, generator=stream()), labels)
    low, high = binom.interval(1 - 1e-6, 20_000, 0.9)
    assert low <= int((corrupt_labels(labels, 1.0, classes=10, generator=stream()) != 0).sum()) <= high
    assert torch.equal(labels, before)


@pytest.mark.parametrize(
    ("labels", "share", "match"),
    [([0, 1], 1.5, "share"), ([0, 1], -0.1, "share"), ([0, 3], 0.5, "classes - 1 = 2"), ([-1, 1], 0.5, "labels")],
)
def test_refuses_labels_and_shares_that_there_cannot_be(labels, share, match):
    with pytest.raises(ValueError, match=match):
        corrupt_labels(torch.tensor(labels), share, classes=3, generator=stream())


def test_refuses_labels_that_are_no_whole_numbers():
    with pytest.raises(ValueError, match="int64, found torch.float32"):
        corrupt_labels(torch.tensor([0.5, 1.0]), 0.5, classes=3, generator=stream())


def test_shuffled_pixels_are_one_bijection_for_all_images_and_colors():
    order = torch.randperm(77, generator=stream())
    mixed = shuffle_pixels(IMAGES, order)
    flat, before = mixed.flatten(2), IMAGES.flatten(2)
    for image in range(5):
        for color in range(3):
            assert torch.equal(flat[image, color], before[image, color][order])
    assert torch.equal(shuffle_pixels(mixed, order.argsort()), IMAGES)  # the inverse undoes it
    assert torch.equal(shuffle_pixels(IMAGES, torch.arange(77)), IMAGES)


def test_refuses_an_order_that_is_no_permutation():
    with pytest.raises(ValueError, match="each number from 0 to 76 once"):
        shuffle_pixels(IMAGES, torch.arange(77).clamp(max=75))
    with pytest.raises(ValueError, match="order"):
        shuffle_pixels(IMAGES, torch.arange(76))


def test_random_pixels_keep_the_pixels_and_their_colors_and_draw_one_order_an_image():
    mixed = random_pixels(IMAGES, generator=stream()).flatten(2)
    before = IMAGES.flatten(2)
    orders = [(before[i, 0][None] == mixed[i, 0][:, None]).int().argmax(dim=1) for i in range(5)]
    for i, order in enumerate(orders):
        assert torch.equal(mixed[i], before[i][:, order])  # the three colors move together
        assert torch.equal(order.sort().values, torch.arange(77))
    assert len({tuple(order.tolist()) for order in orders}) == 5


def test_random_pixels_put_every_pixel_everywhere_equally_often():
    images = torch.zeros(6000, 1, 2, 3)
    images[:, 0, 0, 0] = 1
    share = random_pixels(images, generator=stream()).mean(dim=0)
    assert_close(share, torch.full((1, 2, 3), 1 / 6), rtol=0, atol=6 * math.sqrt(1 / 6 / 6000))


def test_gaussian_images_have_mean_and_deviation_of_the_set_and_normal_quantiles():
    images = 3 + 5 * torch.rand(53, 3, 17, 19, generator=stream())
    drawn = gaussian_images(images, generator=stream(1))
    count = images.numel()
    assert drawn.shape == images.shape
    assert abs(drawn.mean() - images.mean()) < 5 * images.std() / count**0.5
    assert abs(drawn.std() / images.std() - 1) < 5 / (2 * count) ** 0.5
    inside = ((drawn - images.mean()).abs() < images.std()).double().mean()
    assert abs(inside - math.erf(2**-0.5)) < 0.01
    with pytest.raises(ValueError, match="floats"):
        gaussian_images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), generator=stream())


def test_three_points_memorized_by_hand():
    # thresholds 0, 1, 2; slopes 5, -6, 5; each weight is a slope less the one before
    x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([5.0, -1.0, 4.0])
    net = memorize(x, y, torch.ones(1))
    assert_close(net.threshold.detach(), torch.tensor([0.0, 1, 2]))
    assert_close(net.weight.detach(), torch.tensor([5.0, -11, 11]))
    assert_close(net(torch.tensor([[1.5], [2.5], [4.0], [-7.0]])), torch.tensor([2.0, 1.5, 9.0, 0.0]))


@pytest.mark.parametrize(("n", "d"), [(1, 1), (13, 3), (101, 7)])
def test_fits_any_labels_with_2n_plus_d_weights(n, d):
    x, y = noise(n, d), noise(n, seed=1)
    net = memorize(x, y, noise(d, seed=2))
    assert size(net) == 2 * n + d
    assert_close(net(x), y, rtol=0, atol=1e-9)


def test_is_the_polygon_that_numpy_interpolates():
    x, y, direction = noise(31, 3), noise(31, seed=1), noise(3, seed=2)
    new = noise(53, 3, seed=3)
    places, order = (x @ direction).sort()
    inside = (new @ direction).clamp(places[0], places[-1])
    scale = (inside / (new @ direction))[:, None]  # moved along its own ray until it lies between the examples
    expected = np.interp(inside.numpy(), places.numpy(), y[order].numpy())
    assert_close(memorize(x, y, direction)(new * scale), torch.from_numpy(expected), rtol=1e-8, atol=1e-8)


def test_output_weights_are_those_of_least_squares():
    x, y, direction = noise(17, 3), noise(17, seed=1), noise(3, seed=2)
    net = memorize(x, y, direction)
    hidden = torch.relu((x @ direction)[:, None] - net.threshold)
    expected = torch.linalg.lstsq(hidden, y[:, None]).solution[:, 0]
    assert_close(net.weight.detach(), expected.detach(), rtol=1e-6, atol=1e-6)


def test_refuses_examples_with_one_projection_and_names_them():
    x = noise(5, 3)
    x[4] = x[1]
    with pytest.raises(ValueError, match=r"found examples \[(1, 4|4, 1)\]"):
        memorize(x, noise(5), noise(3, seed=2))
    with pytest.raises(ValueError, match="n and d are at least 1"):
        Memorizer(0, 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_refuses_numbers_that_are_not_finite(bad):
    for place in range(3):
        given = [noise(5, 3), noise(5, seed=1), noise(3, seed=2)]
        given[place].flatten()[2] = bad
        with pytest.raises(ValueError, match="finite"):
            memorize(*given)


def test_the_memorizer_composes_with_torch():
    net = memorize(noise(7, 3), noise(7, seed=1), noise(3, seed=2))
    x = noise(11, 3, seed=3)
    again = Memorizer(7, 3, dtype=F64)
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(x), net(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    assert_close(torch.compile(net, fullgraph=True, backend="eager")(x), net(x))
    assert_close(torch.func.vmap(lambda one: net(one[None])[0])(x), net(x))
    assert Memorizer(7, 3, device="meta")(torch.zeros(2, 3, device="meta")).shape == (2,)
    assert net.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    assert torch.autograd.gradcheck(again, x.requires_grad_())


def test_margins_by_hand():
    score = torch.tensor([[1.0, 4.0, 2.0], [1.0, 4.0, 2.0], [-3.0, -5.0, -3.5]])
    before = score.clone()
    assert_close(margins(score, torch.tensor([1, 0, 0])), torch.tensor([2.0, -3.0, 0.5]))
    assert torch.equal(score, before)
    with pytest.raises(ValueError, match="score"):
        margins(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="target"):
        margins(torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64))


def test_a_margin_is_positive_where_the_prediction_is_right_and_falls_with_the_rival():
    score, target = noise(101, 7), torch.randint(7, (101,), generator=stream(1))
    found = margins(score, target)
    assert torch.equal(found > 0, score.argmax(dim=1) == target)
    assert torch.autograd.gradcheck(lambda s: margins(s, target), score.requires_grad_())
    assert_close(torch.func.vmap(lambda s, y: margins(s[None], y[None])[0])(score, target), found)


def test_spectral_complexity_by_hand():
    # norms 3 and 4; rows of the differences 3 + 1 and 2 + 4: 12 ((4/3)^(2/3) + (6/4)^(2/3))^(3/2)
    weights = [torch.diag(torch.tensor([3.0, 1.0])).double(), torch.tensor([[0.0, 2.0], [4.0, 0.0], [0, 0]]).double()]
    expected = 12 * ((4 / 3) ** (2 / 3) + (6 / 4) ** (2 / 3)) ** 1.5
    found = spectral_complexity(weights, [torch.zeros_like(w) for w in weights])
    assert math.isclose(found.item(), expected, rel_tol=1e-12)


def test_spectral_complexity_sums_the_lengths_of_the_units_and_not_of_the_inputs():
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]]).double()  # one unit of length 5; columns 3 + 4
    assert math.isclose(spectral_complexity([weight], [0 * weight]).item(), 5.0)
    assert spectral_complexity([weight], [weight]).item() == 0  # nothing moved
    assert math.isclose(spectral_complexity([weight], [0.5 * weight]).item(), 2.5)


def test_no_pair_of_inputs_is_stretched_by_more_than_the_norms_that_the_complexity_begins_with():
    weights = [noise(11, 7), noise(5, 11, seed=1)]
    norms = math.prod(torch.linalg.svdvals(w).max().item() for w in weights)
    found = spectral_complexity(weights, [0 * w for w in weights])
    assert found > norms  # the factor behind the norms is above one: the units' lengths add up to more than the norm
    first, second = noise(101, 7, seed=2), noise(101, 7, seed=3)
    gap = torch.relu(first @ weights[0].T) @ weights[1].T - torch.relu(second @ weights[0].T) @ weights[1].T
    assert ((gap.norm(dim=1) / (first - second).norm(dim=1)) <= norms).all()
    assert spectral_complexity([0 * weights[0]], [weights[0]]).isnan()


def test_spectral_complexity_scales_with_each_layer():
    weights, zeros = [noise(5, 3), noise(7, 5, seed=1)], [torch.zeros(5, 3, dtype=F64), torch.zeros(7, 5, dtype=F64)]
    one = spectral_complexity(weights, zeros)
    assert_close(spectral_complexity([2 * weights[0], 3 * weights[1]], zeros), 6 * one)
    with pytest.raises(ValueError, match="found 2 and 1"):
        spectral_complexity(weights, zeros[:1])
    with pytest.raises(ValueError, match="references"):
        spectral_complexity(weights, [zeros[0], zeros[0]])


def test_examples_far_from_the_origin_are_learned():
    x, y = torch.tensor([[1e9], [2e9], [3e9]]), torch.tensor([1.0, 2.0, 3.0])
    assert_close(memorize(x, y, torch.ones(1))(x), y)


def test_labels_are_int64_in_one_axis_and_none_are_enough():
    with pytest.raises(ValueError, match="int64, found torch.uint8"):
        corrupt_labels(torch.tensor([0, 1], dtype=torch.uint8), 0.5, classes=3, generator=stream())
    with pytest.raises(ValueError, match=r"labels is \(n,\)"):
        corrupt_labels(torch.zeros(2, 2, dtype=torch.int64), 0.5, classes=3, generator=stream())
    none = torch.zeros(0, dtype=torch.int64)
    assert corrupt_labels(none, 0.5, classes=3, generator=stream()).shape == (0,)
    with pytest.raises(ValueError, match="classes"):
        corrupt_labels(none, 0.5, classes=0, generator=stream())


def test_one_pixel_has_no_spread_and_no_image_no_pixels():
    assert gaussian_images(torch.full((1, 1, 1, 1), 3.0), generator=stream()).item() == 3
    with pytest.raises(ValueError, match="sizes at least 1"):
        gaussian_images(torch.zeros(0, 1, 2, 2), generator=stream())
