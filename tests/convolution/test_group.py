"""Group convolutions against filters turned by hand, the axioms of a group, plain convolutions, and worked rows."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.group import (
    GroupMaxPool,
    P1Conv2d,
    P4Conv2d,
    P4MConv2d,
    cayley_table,
    compose,
    filter_bank,
    inverse,
    transform,
    transform_maps,
)
from dlbook.convolution.probes import equivariance_error

LAYERS = {1: P1Conv2d, 4: P4Conv2d, 8: P4MConv2d}
ORDERS = pytest.mark.parametrize("order", [4, 8])


def layer(order, *sizes, **options):
    draw = stream(order)
    return LAYERS[order](*sizes, **options, generator=draw, dtype=F64)


# The group


def matrix(element):
    """Return the element as a matrix that maps (right, up) of the plane: an oracle that shares no code with ours."""
    quarter, mirror = torch.tensor([[0, -1], [1, 0]]), torch.tensor([[-1, 0], [0, 1]])
    product = mirror if element >= 4 else torch.eye(2, dtype=torch.int64)
    for _ in range(element % 4):
        product = quarter @ product
    return product


def test_compose_is_the_product_of_the_matrices_of_the_plane():
    for a, b in itertools.product(range(8), repeat=2):
        assert torch.equal(matrix(compose(a, b)), matrix(a) @ matrix(b))


def test_inverse_is_the_inverse_matrix():
    for a in range(8):
        assert torch.equal(matrix(inverse(a)) @ matrix(a), torch.eye(2, dtype=torch.int64))


@pytest.mark.parametrize("order", [1, 4, 8])
def test_the_table_satisfies_the_axioms(order):
    table = cayley_table(order)
    everything = torch.arange(order)
    assert torch.equal(table[0], everything)
    assert torch.equal(table[:, 0], everything)
    for a in range(order):
        assert torch.equal(table[a].sort().values, everything), "closed, and each element once a row"
        assert table[a, inverse(a)] == table[inverse(a), a] == 0
        for b, c in itertools.product(range(order), repeat=2):
            assert table[a, table[b, c]] == table[table[a, b], c]
    assert bool((table == table.T).all()) == (order < 8), "turns commute; turns and mirrors do not"


def test_table_of_the_mirrors_worked_by_hand():
    # A mirror reverses the turns that were done before it: 4·1 = 4 - 1 = 7; two mirrors are a turn: 5·4 = 1.
    assert cayley_table(8)[4].tolist() == [4, 7, 6, 5, 0, 3, 2, 1]
    assert cayley_table(8)[5, 4] == 1


# What the elements do


def test_transform_moves_the_pixels_of_a_small_image_as_drawn():
    image = torch.tensor([[1, 2], [3, 4]])
    drawn = ["1234", "2413", "4321", "3142", "2143", "1324", "3412", "4231"]
    assert ["".join(map(str, transform(image, g).flatten().tolist())) for g in range(8)] == drawn


def test_transform_is_an_action_and_leaves_its_input():
    image = noise(3, 5, 7)
    copy = image.clone()
    for a, b in itertools.product(range(8), repeat=2):
        assert torch.equal(transform(transform(image, b), a), transform(image, compose(a, b)))
    assert torch.equal(image, copy)


def test_transform_agrees_with_the_matrix_on_coordinates():
    # A pixel at (right, up) of a 3 x 3 image goes to matrix @ (right, up).
    for g, row, column in itertools.product(range(8), range(3), range(3)):
        image = torch.zeros(3, 3)
        image[row, column] = 1
        right, up = (matrix(g) @ torch.tensor([column - 1, 1 - row])).tolist()
        assert transform(image, g)[1 - up, right + 1] == 1


@ORDERS
def test_transform_maps_is_an_action_on_maps_that_are_not_square(order):
    maps = noise(2, 3, order, 5, 7)
    assert torch.equal(transform_maps(maps, 0), maps)
    for a, b in itertools.product(range(order), repeat=2):
        assert torch.equal(transform_maps(transform_maps(maps, b), a), transform_maps(maps, compose(a, b)))


def test_figures_1_and_2_of_the_paper_a_turn_shifts_the_circles():
    # r moves slice t to r t: along the turns for 0 to 3, against them for the mirrored 4 to 7 (r · 4 = 5).
    maps = noise(8, 3, 3)
    turned = transform_maps(maps, 1)
    for t in range(8):
        assert torch.equal(turned[t // 4 * 4 + (t + 1) % 4], torch.rot90(maps[t]))
    flipped = transform_maps(maps, 4)  # s moves slice t to s t
    for t, place in enumerate([4, 7, 6, 5, 0, 3, 2, 1]):
        assert torch.equal(flipped[place], maps[t].flip(-1))


# Filter bank and layers


def test_filter_bank_of_images_is_rot90_and_flip():
    weight = noise(2, 3, 5, 5)
    bank = filter_bank(weight, 8)
    for r in range(4):
        assert torch.equal(bank[:, r], weight.rot90(r, (-2, -1)))
        assert torch.equal(bank[:, 4 + r], weight.flip(-1).rot90(r, (-2, -1)))


def test_filter_bank_of_maps_turns_and_rolls():
    # Dieleman et al. (2016) say the same with a roll: the filter for pose r is turned r times, its slices rolled by r.
    weight = noise(2, 3, 4, 5, 5)
    bank = filter_bank(weight, 4)
    for r in range(4):
        assert torch.equal(bank[:, r], weight.rot90(r, (-2, -1)).roll(r, dims=2))


@ORDERS
@pytest.mark.parametrize("lifting", [True, False])
def test_layer_equals_the_sum_of_the_definition(order, lifting):
    # eqs. (10) and (11): out[k](p) = bias + sum over c, t, q of x[c, t](p + q) w[c, k^-1 t](k^-1 q), pixel by pixel
    ours = layer(order, 2, 3, 3, padding=1, lifting=lifting)
    x = noise(1, 2, 4, 5) if lifting else noise(1, 2, order, 4, 5)
    got = ours(x)
    padded = F.pad(x, (1, 1, 1, 1))
    for o, k, u, v in itertools.product(range(3), range(order), range(4), range(5)):
        total = ours.bias[o].item()
        for du, dv in itertools.product((-1, 0, 1), repeat=2):
            right, up = (matrix(inverse(k)) @ torch.tensor([dv, -du])).tolist()
            i, j = 1 - up, 1 + right
            pixel = padded[0, ..., u + 1 + du, v + 1 + dv]
            if lifting:
                total += (pixel * ours.weight[o, :, i, j]).sum().item()
            else:
                back = [compose(inverse(k), t) for t in range(order)]
                total += (pixel * ours.weight[o][:, back, i, j]).sum().item()
        assert abs(got[0, o, k, u, v].item() - total) < 1e-12


def test_lifting_one_pixel_worked_by_hand():
    # A single 1 in the middle: the output holds the filter turned around, in four poses; at the center always 5.
    weight = torch.arange(1.0, 10).reshape(1, 1, 3, 3)
    ours = P4Conv2d(1, 1, 3, padding=1, bias=False, lifting=True)
    with torch.no_grad():
        ours.weight.copy_(weight)
        out = ours(F.pad(torch.ones(1, 1, 1, 1), (1, 1, 1, 1)))[0, 0]
    assert out[0].tolist() == [[9, 8, 7], [6, 5, 4], [3, 2, 1]]
    assert out[1].tolist() == [[7, 4, 1], [8, 5, 2], [9, 6, 3]]
    assert out[2].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert out[3].tolist() == [[3, 6, 9], [2, 5, 8], [1, 4, 7]]


def test_the_trivial_group_is_a_plain_convolution():
    lift, ours = layer(1, 3, 5, 3, padding=1, lifting=True), layer(1, 3, 5, 3, stride=2)
    x = noise(2, 3, 7, 11)
    assert_close(lift(x)[:, :, 0], F.conv2d(x, lift.weight, lift.bias, padding=1), rtol=0, atol=1e-12)
    plain = F.conv2d(x, ours.weight[:, :, 0], ours.bias, stride=2)
    assert_close(ours(x[:, :, None])[:, :, 0], plain, rtol=0, atol=1e-12)


def test_slice_zero_of_a_lift_is_the_plain_convolution():
    ours, x = layer(8, 3, 5, 3, lifting=True), noise(2, 3, 7, 11)
    assert_close(ours(x)[:, :, 0], F.conv2d(x, ours.weight, ours.bias), rtol=0, atol=1e-12)


@ORDERS
@pytest.mark.parametrize("size", [2, 3])
def test_lift_layer_and_stack_are_equivariant_to_rounding(order, size):
    lift = layer(order, 2, 3, size, padding=1, lifting=True)
    group, strided = layer(order, 3, 5, 3), layer(order, 3, 5, size, stride=2, padding=int(size == 3))
    image, maps = noise(2, 2, 5, 7), noise(2, 3, order, 7 + size % 2 * 2, 7 + size % 2 * 2)
    maps = maps if size == 3 else noise(2, 3, order, 8, 6)
    for g in range(order):

        def there(y, g=g):
            return transform_maps(y, g)

        assert equivariance_error(lift, lambda z, g=g: transform(z, g), image, there) < 1e-12
        assert equivariance_error(group, there, maps) < 1e-12
        assert equivariance_error(strided, there, maps) < 1e-12
        pooled = nn.Sequential(lift, nn.ReLU(), group, GroupMaxPool())
        assert equivariance_error(pooled, lambda z, g=g: transform(z, g), image) < 1e-12


def test_the_error_is_large_where_there_is_no_symmetry():
    image = noise(1, 2, 7, 7)
    p4 = layer(4, 2, 3, 3, lifting=True)
    assert equivariance_error(lambda z: p4(z).amax((2, 3, 4)), lambda z: transform(z, 4), image, lambda y: y) > 0.01
    p1 = layer(1, 2, 3, 3, lifting=True)
    assert equivariance_error(lambda z: p1(z).amax((2, 3, 4)), lambda z: transform(z, 1), image, lambda y: y) > 0.01


def test_a_layer_that_turns_filters_but_leaves_their_slices_is_not_equivariant():
    weight, x = noise(1, 1, 4, 3, 3), noise(1, 1, 4, 7, 7)
    only_turned = torch.stack([transform(weight, k) for k in range(4)], dim=1).flatten(0, 1).flatten(1, 2)

    def wrong(z):
        return F.conv2d(z.flatten(1, 2), only_turned)[:, None]

    assert equivariance_error(wrong, lambda z: transform_maps(z, 1), x) > 0.1


@ORDERS
def test_batch_norm_and_spatial_pooling_keep_the_symmetry(order):
    maps = noise(3, 2, order, 6, 6)
    for between in (nn.BatchNorm3d(2, dtype=F64), nn.MaxPool3d((1, 2, 2)), nn.AvgPool3d((1, 2, 2))):
        for g in range(order):
            assert equivariance_error(between, lambda z, g=g: transform_maps(z, g), maps) < 1e-12


def test_group_max_pool_is_the_largest_over_the_poses():
    x = torch.tensor([3.0, 7, -1, 2]).reshape(1, 1, 4, 1, 1)
    assert GroupMaxPool()(x).tolist() == [[[[7.0]]]]


@ORDERS
@pytest.mark.parametrize("lifting", [True, False])
def test_gradients_match_central_differences(order, lifting):
    ours = layer(order, 1, 2, 2, lifting=lifting)
    x = (noise(1, 1, 3, 2) if lifting else noise(1, 1, order, 3, 2)).requires_grad_()

    def run(x, weight, bias):
        return torch.func.functional_call(ours, {"weight": weight, "bias": bias}, (x,))

    assert torch.autograd.gradcheck(
        run, (x, ours.weight.detach().requires_grad_(), ours.bias.detach().requires_grad_())
    )


@pytest.mark.parametrize(("order", "weights"), [(1, 54), (4, 216), (8, 432)])
def test_parameters_grow_with_the_group_only_after_the_lift(order, weights):
    assert layer(order, 2, 3, 3).weight.numel() == weights
    assert layer(order, 2, 3, 3, lifting=True).weight.numel() == 54


def test_weights_come_from_the_generator_within_the_bound_of_torch():
    twice = [P4Conv2d(7, 11, 3, generator=stream(5)) for _ in range(2)]
    assert torch.equal(twice[0].weight, twice[1].weight)
    bound = (7 * 4 * 9) ** -0.5
    assert 0.95 * bound < twice[0].weight.abs().max() <= bound
    assert abs(twice[0].weight.mean()) < 0.05 * bound
    assert P4Conv2d(1, 1, 3, bias=False).bias is None


def test_printed_layers_say_their_sizes():
    shown = "P4Conv2d(1, 2, kernel_size=3, stride=1, padding=0, lifting=True)"
    assert repr(P4Conv2d(1, 2, 3, lifting=True)) == shown


# What is refused


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compose(8, 0), "from 0 to 7"),
        (lambda: compose(0, -1), "from 0 to 7"),
        (lambda: inverse(1.0), "whole numbers"),
        (lambda: cayley_table(2), "order is 1, 4"),
        (lambda: transform(torch.zeros(3), 1), r"x is \(\.\.\., h, w\), found"),
        (lambda: transform(torch.zeros(3, 3), 8), "from 0 to 7"),
        (lambda: transform_maps(torch.zeros(4, 3, 3), 4), "from 0 to 3"),
        (lambda: transform_maps(torch.zeros(3, 3, 3), 1), "maps on a group"),
        (lambda: filter_bank(torch.zeros(1, 1, 3, 5), 4), "filters are"),
        (lambda: filter_bank(torch.zeros(1, 1, 8, 3, 3), 4), "on a group of order 4"),
        (lambda: filter_bank(torch.zeros(1, 1, 3, 3), 3), "order is 1, 4"),
        (lambda: GroupMaxPool()(torch.zeros(3, 3)), "maps on a group"),
        (lambda: P4Conv2d(1, 0, 3), "out_channels"),
        (lambda: P4Conv2d(1, 1, (3, 5)), "kernel_size"),
        (lambda: P4Conv2d(1, 1, 3, padding=-1), "padding"),
        (lambda: P4Conv2d(1, 1, 3)(torch.zeros(1, 1, 5, 5)), r"x is \(b, 1, 4, h, w\)"),
        (lambda: P4Conv2d(1, 1, 3)(torch.zeros(1, 1, 8, 5, 5)), r"x is \(b, 1, 4, h, w\)"),
        (lambda: P4Conv2d(1, 1, 3, lifting=True)(torch.zeros(1, 2, 5, 5)), r"x is \(b, 1, h, w\)"),
        (lambda: P4Conv2d(1, 1, 3, stride=2)(torch.zeros(1, 1, 4, 6, 6)), "multiple of the stride"),
        (lambda: P4Conv2d(1, 1, 3)(torch.zeros(1, 1, 4, 5, 2)), "not negative"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_a_stride_that_is_refused_would_have_done():
    weight, x = noise(1, 1, 3, 3), noise(1, 1, 6, 6)
    banked = filter_bank(weight, 4).flatten(0, 1)

    def strided(z):
        return F.conv2d(z, banked, stride=2)[:, None]

    assert equivariance_error(strided, lambda z: transform(z, 1), x, lambda y: transform_maps(y, 1)) > 0.1
