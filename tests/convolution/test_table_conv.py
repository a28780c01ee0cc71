"""The table of connections against the paper's counts, its layer against a dense one."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.table_conv import TableConv2d, connection_table


def test_table_is_made_as_section_ii_b_says():
    rows = [set(row.nonzero()[:, 0].tolist()) for row in connection_table()]
    assert rows[:6] == [{i % 6 for i in range(start, start + 3)} for start in range(6)]  # every contiguous three
    assert rows[6:12] == [{i % 6 for i in range(start, start + 4)} for start in range(6)]  # every contiguous four
    assert rows[12:15] == [{0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}]
    assert rows[15] == set(range(6))
    assert connection_table().sum(dim=0).tolist() == [10] * 6


TABLE = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 1, 1], [1, 1, 0]], dtype=torch.bool)


def table_layer():
    layer = TableConv2d(TABLE, 3, generator=stream(1), dtype=F64)
    with torch.no_grad():
        layer.bias.copy_(noise(5, seed=2))
    return layer


def test_table_convolution_is_a_convolution_of_the_chosen_maps():
    layer, x = table_layer(), noise(2, 3, 7, 11)
    out, first = layer(x), 0
    for row, chosen in enumerate(TABLE):
        kernels = layer.weight[first : first + int(chosen.sum())]
        first += len(kernels)
        assert_close(out[:, [row]], F.conv2d(x[:, chosen], kernels[None], layer.bias[[row]]))


def test_table_convolution_is_a_masked_dense_one_and_so_is_its_gradient():
    layer, x, up = table_layer(), noise(2, 3, 7, 11), noise(2, 5, 5, 9, seed=3)
    dense = layer.dense_weight().detach().requires_grad_()
    assert not dense[~TABLE].any()
    (F.conv2d(x, dense * TABLE[:, :, None, None], layer.bias) * up).sum().backward()
    (layer(x) * up).sum().backward()
    assert_close(layer.weight.grad, dense.grad[TABLE])


def test_gradient_flows_only_through_connected_maps():
    layer = table_layer()
    for row, chosen in enumerate(TABLE):
        x = noise(1, 3, 7, 11).requires_grad_()
        layer(x)[:, row].sum().backward()
        assert x.grad.abs().sum(dim=(0, 2, 3)).bool().tolist() == chosen.tolist()


def test_a_full_table_is_torch_conv2d():
    layer = TableConv2d(torch.ones(5, 3, dtype=torch.bool), 3, generator=stream(), dtype=F64)
    theirs = nn.Conv2d(3, 5, 3, dtype=F64)
    theirs.load_state_dict({"weight": layer.weight.reshape(5, 3, 3, 3), "bias": layer.bias})
    x = noise(2, 3, 7, 11)
    assert_close(layer(x), theirs(x))
