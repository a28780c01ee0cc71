"""Multiply-adds against counts by hand, and of every layer of the book."""

import pytest
from torch import nn

from dlbook.convolution.convolution import Conv2d
from dlbook.convolution.counting import multiply_adds
from dlbook.convolution.group import P4Conv2d
from dlbook.convolution.table_conv import TableConv2d, connection_table
from dlbook.perceptron.linear import SoftmaxRegression


def test_multiply_adds_by_hand():
    model = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1),  # 11 · 7 places, 5 maps, 27 weights each
        nn.Conv2d(5, 10, 3, stride=2, groups=5),  # 5 · 3 places, 10 maps, 9 weights each
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(150, 13),
    )
    assert multiply_adds(model, (3, 11, 7)) == {"0": 77 * 5 * 27, "1": 15 * 10 * 9, "4": 150 * 13}
    assert model.training
    assert model[3].training
    assert not model[0]._forward_hooks


def test_multiply_adds_of_the_books_layers_by_hand():
    # 8 x 8 places, 8 maps, kernels of 3 x 5 x 5
    assert multiply_adds(Conv2d(3, 8, 5), (3, 12, 12)) == multiply_adds(nn.Conv2d(3, 8, 5), (3, 12, 12)) == {"": 38400}
    # four turned copies of each of 5 maps, kernels of 2 x 4 x 3 x 3, 5 x 7 places
    assert multiply_adds(P4Conv2d(2, 5, 3), (2, 4, 7, 9)) == {"": 4 * 5 * 35 * 2 * 4 * 9}
    # 60 kernels of 5 x 5 at 10 x 10 places
    assert multiply_adds(TableConv2d(connection_table(), 5), (6, 14, 14)) == {"": 60 * 25 * 100}
    assert multiply_adds(SoftmaxRegression(12, 5), (12,)) == {"": 60}


def test_multiply_adds_refuses_weights_that_it_does_not_know():
    model = nn.Sequential(nn.Linear(3, 5), nn.Bilinear(5, 5, 2))
    with pytest.raises(ValueError, match="layer '1', Bilinear, multiplies is not known"):
        multiply_adds(model, (3,))


def test_multiply_adds_counts_a_shared_layer_at_every_call():
    layer = nn.Linear(7, 7)
    assert sum(multiply_adds(nn.Sequential(layer, layer), (7,)).values()) == 2 * 49


def test_multiply_adds_rejects():
    with pytest.raises(ValueError, match="one input"):
        multiply_adds(nn.Linear(3, 5), ())
    model = nn.Linear(3, 5)
    with pytest.raises(ValueError, match="no input of shape"):
        multiply_adds(model, (7,))
    assert not model._forward_hooks
