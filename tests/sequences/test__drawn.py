"""Layers drawn from a stream, against torch's own deviations."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import stream
from dlbook.sequences._drawn import embedding, linear


def test_rows_of_an_embedding_have_length_one():
    layer = embedding(101, 67, stream(), None, None)
    assert_close(layer.weight.norm(dim=1).mean(), torch.tensor(1.0), rtol=0.02, atol=0)
    assert torch.equal(layer.weight, embedding(101, 67, stream(), None, None).weight)


def test_an_embedding_is_torchs_and_names_a_word_that_it_does_not_have():
    layer = embedding(11, 5, stream(), None, None)
    theirs = nn.Embedding(11, 5)
    theirs.load_state_dict(layer.state_dict())
    words = torch.tensor([[3, 10], [0, 7]])
    assert torch.equal(layer(words), theirs(words))
    assert torch.equal(torch.compile(layer, fullgraph=True, backend="eager")(words), theirs(words))
    with pytest.raises(ValueError, match="words are numbered 0 to 10, found 3 to 11"):
        layer(torch.tensor([3, 11]))


def test_a_linear_layer_is_drawn_like_torchs():
    layer, theirs = linear(67, 101, stream(), None, torch.float64), nn.Linear(67, 101)
    assert layer.weight.dtype == torch.float64
    assert_close(layer.weight.std().item(), theirs.weight.std().item(), rtol=0.03, atol=0)
    assert 0.95 * 67**-0.5 < layer.bias.abs().max() <= 67**-0.5
    assert linear(3, 5, None, "meta", None).weight.is_meta
