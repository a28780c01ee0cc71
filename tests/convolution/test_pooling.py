"""Pooling and unpooling against torch in values, indices and gradients."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import noise
from dlbook.convolution.pooling import GlobalMaxPool2d, max_pool2d, max_unpool2d
from dlbook.convolution.probes import equivariance_error

X = torch.zeros(1, 4, 7, 7)
POOLINGS = [
    {"kernel_size": 2},
    {"kernel_size": (2, 3), "stride": (1, 2)},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (3, 2), "padding": (1, 1), "dilation": (2, 3)},
]


@pytest.mark.parametrize("options", POOLINGS, ids=str)
def test_max_pool2d_matches_torch_in_values_indices_and_gradients(options):
    x = noise(2, 3, 11, 13).requires_grad_()
    ours, theirs = (f(x, **options, return_indices=True) for f in (max_pool2d, F.max_pool2d))
    assert_close(ours.values, theirs[0])
    assert torch.equal(ours.indices, theirs[1])
    assert_close(max_pool2d(x, **options), theirs[0])
    upstream = noise(*theirs[0].shape, seed=3)
    assert_close(*(torch.autograd.grad(y[0], x, upstream)[0] for y in (ours, theirs)))


@pytest.mark.parametrize("options", POOLINGS, ids=str)
@pytest.mark.parametrize("number", [-math.inf, math.nan])
def test_max_pool2d_of_numbers_that_are_none_is_torchs_and_points_into_the_image(options, number):
    for x in (torch.full((1, 1, 11, 13), number), torch.where(noise(1, 1, 11, 13) > 1.2, noise(1, 1, 11, 13), number)):
        ours, theirs = (f(x, **options, return_indices=True) for f in (max_pool2d, F.max_pool2d))
        assert_close(ours.values, theirs[0], equal_nan=True)
        assert torch.equal(ours.indices, theirs[1])


def test_max_pool2d_gives_a_tie_to_the_first_as_torch_does():
    x = torch.ones(1, 1, 4, 6)
    assert torch.equal(max_pool2d(x, 2, return_indices=True).indices, F.max_pool2d(x, 2, return_indices=True)[1])


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (X[0], {"kernel_size": 2}, "x is"),
        (X.long(), {"kernel_size": 2}, "floats"),
        (X, {"kernel_size": 2, "padding": 2}, "half"),
        (X, {"kernel_size": 8}, "does not fit"),
        (X, {"kernel_size": 0}, "kernel_size"),
        (X, {"kernel_size": 2, "stride": 0}, "stride"),
    ],
)
def test_max_pool2d_refuses(x, options, message):
    with pytest.raises(ValueError, match=message):
        max_pool2d(x, **options)


def test_max_unpool2d_takes_the_whole_shape_as_torch_does():
    x = noise(2, 3, 5, 7)
    pooled, indices = max_pool2d(x, 2, return_indices=True)
    ours = max_unpool2d(pooled, indices, 2, output_size=x.shape)
    assert torch.equal(ours, F.max_unpool2d(pooled, indices, 2, output_size=x.shape))
    with pytest.raises(ValueError, match=r"\(h, w\) or \(b, c, h, w\), found \(5,\)"):
        max_unpool2d(pooled, indices, 2, output_size=(5,))


@pytest.mark.parametrize("options", POOLINGS[:3], ids=str)
def test_max_unpool2d_matches_torch(options):
    x = noise(2, 3, 11, 13)
    values, indices = max_pool2d(x, **options, return_indices=True)
    theirs = F.max_unpool2d(values, indices, **options, output_size=(11, 13))
    assert_close(max_unpool2d(values, indices, **options, output_size=(11, 13)), theirs)


def test_max_unpool2d_finds_torchs_size_by_itself():
    x = noise(1, 2, 7, 9)
    values, indices = max_pool2d(x, 3, 2, 1, return_indices=True)
    assert max_unpool2d(values, indices, 3, 2, 1).shape == F.max_unpool2d(values, indices, 3, 2, 1).shape


def test_pooling_an_unpooled_map_gives_it_back_only_without_negative_numbers():
    y, indices = max_pool2d(noise(1, 2, 6, 8), 2, return_indices=True)
    back = max_pool2d(max_unpool2d(y, indices, 2), 2)
    assert_close(back, y.relu())  # the zeros beside a negative number are larger than it
    assert (y < 0).any()


@pytest.mark.parametrize(
    ("x", "indices", "message"),
    [
        (torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3, dtype=torch.int64), r"indices is \(1, 1, 2, 2\), found"),
        (torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), "int64"),
    ],
)
def test_max_unpool2d_refuses(x, indices, message):
    with pytest.raises(ValueError, match=message):
        max_unpool2d(x, indices, 2)


def test_global_max_pool_keeps_the_largest_and_forgets_where():
    x = noise(2, 3, 5, 7)
    assert torch.equal(GlobalMaxPool2d()(x), x.flatten(2).max(dim=2).values)
    assert equivariance_error(GlobalMaxPool2d(), lambda z: z.roll((2, 3), (-2, -1)), x, lambda z: z) == 0


@pytest.mark.parametrize("index", [16, -1])
def test_torch_refuses_an_index_outside_of_the_result(index):
    with pytest.raises(RuntimeError, match="out of bounds"):
        max_unpool2d(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), index), 2)


def test_unpooling_compiles_and_vmaps_since_it_looks_at_no_value():
    y, indices = max_pool2d(noise(3, 2, 5, 6, 8).flatten(0, 1), 2, return_indices=True)
    ours = max_unpool2d(y, indices, 2)
    compiled = torch.compile(max_unpool2d, fullgraph=True, backend="eager")
    assert torch.equal(compiled(y, indices, 2), ours)
    mapped = torch.vmap(lambda y, i: max_unpool2d(y, i, 2))(y.unflatten(0, (3, 2)), indices.unflatten(0, (3, 2)))
    assert torch.equal(mapped.flatten(0, 1), ours)
