"""Recurrence through a network against the plain layer and against its equations."""

import copy

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.deep_transition import DeepTransitionRNN
from dlbook.sequences.rnn import recur


def test_with_one_product_it_is_the_plain_layer():
    layer = DeepTransitionRNN(3, 5, depth=1, generator=stream()).to(F64)
    x, state = noise(2, 7, 3), noise(1, 2, 5, seed=1)
    output, last = layer(x, state)
    assert_close(output, recur(x, state[0], layer.weight_in, layer.weights[0], layer.biases[0]))
    assert torch.equal(last[0], output[:, -1])


def test_with_three_it_is_its_equations():
    layer = DeepTransitionRNN(3, 5, depth=3, generator=stream()).to(F64)
    x, h = noise(2, 7, 3), torch.zeros(2, 5, dtype=F64)
    output, _ = layer(x)
    for t in range(7):
        first = torch.tanh(x[:, t] @ layer.weight_in.T + h @ layer.weights[0].T + layer.biases[0])
        second = torch.tanh(first @ layer.weights[1].T + layer.biases[1])
        h = torch.tanh(second @ layer.weights[2].T + layer.biases[2])
        assert_close(output[:, t], h)


def test_composes_with_torch():
    layer = DeepTransitionRNN(3, 5, generator=stream())
    x = noise(2, 7, 3, dtype=torch.float32)
    wanted = layer(x)[0]
    assert_close(torch.compile(lambda x: layer(x)[0], fullgraph=True, backend="eager")(x), wanted)
    assert torch.equal(copy.deepcopy(layer)(x)[0], wanted)
    assert_close(torch.func.vmap(lambda one: layer(one[None])[0][0])(x), wanted)
    assert layer.to(torch.bfloat16)(x.bfloat16())[0].dtype == torch.bfloat16
    assert DeepTransitionRNN(3, 5, device="meta")(torch.zeros(2, 7, 3, device="meta"))[0].shape == (2, 7, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DeepTransitionRNN(3, 5, 0), "found 3, 5 and depth 0"),
        (lambda: DeepTransitionRNN(3, 5)(torch.zeros(2, 7, 4)), r"x is \(b, t, 3\)"),
        (lambda: DeepTransitionRNN(3, 5)(torch.zeros(2, 7, 3), torch.zeros(1, 2, 4)), r"state is \(2, 5\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
