"""Recurrent layers against torch in float64, sums by hand, and laws of time."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.rnn import RNN, recur

FORMS = [
    {},
    {"num_layers": 3},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
    {"nonlinearity": "relu", "num_layers": 2},
]


def test_half_of_the_state_and_what_comes_in_by_hand():
    # 1, then 1/2, then 1/4, then 1/8 + 2
    states = recur(
        torch.tensor([[[1.0], [0], [0], [2]]]), torch.zeros(1, 1), torch.tensor([[1.0]]), torch.tensor([[0.5]]),
        activation=lambda a: a,
    )  # fmt: skip
    assert states.flatten().tolist() == [1, 0.5, 0.25, 2.125]


def test_one_step_is_its_equation():
    x, h, w_in, w, b = noise(2, 1, 3), noise(2, 5, seed=1), noise(5, 3, seed=2), noise(5, 5, seed=3), noise(5, seed=4)
    assert_close(recur(x, h, w_in, w, b)[:, 0], torch.tanh(x[:, 0] @ w_in.T + h @ w.T + b))


@pytest.mark.parametrize("form", FORMS)
def test_matches_torch_and_exchanges_states_with_it(form):
    ours = RNN(3, 5, **form, generator=stream()).to(F64)
    theirs = nn.RNN(3, 5, batch_first=True, **form, dtype=F64)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    chains = len(ours.chains)
    x, state = noise(7, 11, 3).requires_grad_(), noise(chains, 7, 5, seed=1).requires_grad_()
    for start in (None, state):
        for a, b in zip(ours(x, start), theirs(x, start), strict=True):
            assert_close(a, b, rtol=1e-12, atol=1e-12)
    target = noise(*ours(x)[0].shape, seed=2)
    gradients = [
        torch.autograd.grad((m(x, state)[0] * target).sum(), [x, state, *m.parameters()]) for m in (ours, theirs)
    ]
    for a, b in zip(*gradients, strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_weights_are_drawn_as_torch_draws_them():
    layer = RNN(40, 64, 2, generator=stream())
    for parameter in layer.parameters():
        assert parameter.abs().max() <= 1 / 8
        assert parameter.abs().max() > 0.9 / 8
    again = RNN(40, 64, 2, generator=stream())
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), again.parameters(), strict=True))


def test_a_sequence_in_two_pieces_is_the_sequence():
    layer = RNN(3, 5, 2, generator=stream()).to(F64)
    x = noise(2, 11, 3)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, end = layer(x[:, 4:], state)
    assert_close(torch.cat([first, second], dim=1), whole)
    assert_close(end, last)


def test_the_past_ignores_the_future():
    layer = RNN(3, 5, 2, generator=stream()).to(F64)
    x = noise(2, 11, 3)
    changed = x.clone()
    changed[:, 6:] += 1
    assert torch.equal(layer(x)[0][:, :6], layer(changed)[0][:, :6])
    assert not torch.isclose(layer(x)[0][:, 6], layer(changed)[0][:, 6]).all()


def test_reading_backwards_is_reading_the_reverse():
    layer = RNN(3, 5, bidirectional=True, generator=stream()).to(F64)
    with torch.no_grad():  # both chains get the same weights
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            layer.get_parameter(f"{name}_l0_reverse").copy_(layer.get_parameter(f"{name}_l0"))
    x = noise(2, 11, 3)
    output, flipped = layer(x)[0], layer(x.flip(1))[0].flip(1)
    assert_close(output, torch.cat([flipped[..., 5:], flipped[..., :5]], dim=-1))


def test_composes_with_torch():
    layer = RNN(3, 5, 2, bidirectional=True, generator=stream())
    x = noise(2, 7, 3, dtype=torch.float32)
    wanted = layer(x)[0]
    assert_close(torch.compile(lambda x: layer(x)[0], fullgraph=True, backend="eager")(x), wanted)
    assert torch.equal(copy.deepcopy(layer)(x)[0], wanted)
    each = torch.func.vmap(lambda one: layer(one[None])[0][0])(x)
    assert_close(each, wanted)
    weights = {k: 2 * v for k, v in layer.state_dict().items()}
    doubled = copy.deepcopy(layer)
    doubled.load_state_dict(weights)
    assert_close(torch.func.functional_call(layer, weights, (x,))[0], doubled(x)[0])
    assert layer.to(torch.bfloat16)(x.bfloat16())[0].dtype == torch.bfloat16
    assert RNN(3, 5, device="meta")(torch.zeros(2, 7, 3, device="meta"))[0].shape == (2, 7, 5)
    assert repr(RNN(3, 5, 2, "relu")) == "RNN(3, 5, num_layers=2, nonlinearity='relu')"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RNN(0, 5), "sizes are at least 1, found 0, 5 and 1 layers"),
        (lambda: RNN(3, 5, nonlinearity="gelu"), "one of tanh, relu, found 'gelu'"),
        (lambda: RNN(3, 5)(torch.zeros(2, 7, 4)), r"x is \(b, t, 3\) .*found shape \(2, 7, 4\)"),
        (lambda: RNN(3, 5)(torch.zeros(2, 0, 3)), "at least 1, found"),
        (lambda: RNN(3, 5)(torch.zeros(7, 3)), r"found shape \(7, 3\)"),
        (
            lambda: RNN(3, 5, 2)(torch.zeros(2, 7, 3), torch.zeros(1, 2, 5)),
            r"state is \(2, 2, 5\), found shape \(1, 2, 5\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
