"""Oracles: `nn.Sequential` with the same weights, the network written out in NumPy, and the lecture's XOR by hand."""

import numpy as np
import pytest
import torch
from torch import Generator, nn

from dlbook.backprop.activations import relu, sigmoid, tanh
from dlbook.backprop.mlp import MLP, Pointwise, xor_network

CORNERS = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64)


def test_equals_sequential_and_exchanges_weights_with_it():
    torch.manual_seed(3)
    theirs = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 11), nn.Tanh(), nn.Linear(11, 3)).double()
    torch.manual_seed(3)
    ours = MLP((5, 7, 11, 3), activation=torch.tanh).double()
    x = torch.randn(13, 5, dtype=torch.float64)
    assert torch.equal(ours(x), theirs(x)), "the same stream draws the same weights"
    other = MLP((5, 7, 11, 3), activation=nn.Tanh(), generator=Generator().manual_seed(0), dtype=torch.float64)
    assert not torch.equal(other(x), theirs(x))
    other.load_state_dict(theirs.state_dict())
    assert torch.equal(other(x), theirs(x))
    theirs.load_state_dict(ours.state_dict())


def test_equals_the_equations():
    net = MLP((2, 3, 4), activation=tanh, dtype=torch.float64)
    W, b, W2, b2 = (p.detach().numpy() for p in net.parameters())
    x = np.random.default_rng(0).normal(size=2)
    h = np.tanh(W @ x + b)
    np.testing.assert_allclose(net(torch.tensor(x)).detach().numpy(), W2 @ h + b2, rtol=1e-12)


def test_states_are_the_inputs_the_hidden_layers_and_the_scores():
    net = MLP((2, 5, 3, 1), generator=Generator().manual_seed(0))
    x = torch.randn(7, 2, generator=Generator().manual_seed(1))
    states = net.states(x)
    assert [tuple(state.shape) for state in states] == [(7, 2), (7, 5), (7, 3), (7, 1)]
    torch.testing.assert_close(states[1], torch.relu(net[0](x)))
    torch.testing.assert_close(states[2], torch.relu(net[2](states[1])))
    assert torch.equal(states[3], net(x))
    assert torch.equal(MLP((2, 1)).states(x)[0], x)
    assert len(MLP((2, 1)).states(x)) == 2


def test_weights_are_drawn_from_the_generator_and_as_linear_draws():
    a, b = (MLP((100, 50, 2), generator=Generator().manual_seed(5)) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    first = a[0].weight
    assert 0.098 < first.abs().max() <= 0.1
    before = torch.random.get_rng_state()
    MLP((3, 2), generator=Generator().manual_seed(0))
    assert a[0].weight.requires_grad
    assert torch.equal(before, torch.random.get_rng_state()), "the global stream is left alone"


@pytest.mark.parametrize(
    ("activation", "scores"),
    [
        (relu, [-1, 1, 1, -1]),
        (lambda u: (u > 0).double(), [-1, 3, 3, -1]),
        (tanh, [-4.697, -2.772, -2.772, -4.697]),
        (sigmoid, [2.020, 2.220, 2.220, 2.020]),
    ],
    ids=["relu", "step", "tanh", "sigmoid"],
)
def test_the_lecture_s_xor(activation, scores):
    torch.testing.assert_close(
        xor_network(activation)(CORNERS)[:, 0], torch.tensor(scores, dtype=torch.float64), rtol=0, atol=5e-4
    )


def test_a_network_without_activation_is_one_affine_map():
    net = MLP((5, 7, 11, 3), activation=lambda u: u, generator=Generator().manual_seed(0), dtype=torch.float64)
    W1, b1, W2, b2, W3, b3 = net.parameters()
    x = torch.randn(13, 5, generator=Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(net(x), x @ (W3 @ W2 @ W1).T + W3 @ (W2 @ b1 + b2) + b3)


def test_it_prints_its_activation():
    assert "Pointwise(tanh)" in repr(MLP((2, 2, 1), activation=torch.tanh))
    assert "Tanh()" in repr(MLP((2, 2, 1), activation=nn.Tanh()))
    assert Pointwise(torch.relu)(torch.tensor([-1.0])) == 0


BAD = {
    r"two positive integers or more, found \(3,\)": lambda: MLP((3,)),
    r"found \(3, 0\)": lambda: MLP((3, 0)),
    r"found \(3, 2.5\)": lambda: MLP((3, 2.5)),
    r"x is \(..., 2\), found shape \(4, 3\)": lambda: MLP((2, 1))(torch.zeros(4, 3)),
    r"found shape \(\)": lambda: MLP((2, 1))(torch.tensor(1.0)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
