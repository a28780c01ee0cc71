"""Long short-term memory against torch in float64, the equations of the paper, and laws of a cell."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.lstm import LSTM, recur, step

FORMS = [{}, {"num_layers": 3}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True, "bias": False}]


def outputs(layer, x, state=None):
    states, (last, cell) = layer(x, state)
    return states, last, cell


def test_one_cell_by_hand():
    # sigma(ln 3) = 3/4; all gates are at 3/4 and the candidate is 0: the cell goes from 2 to 3/2
    gate = math.log(3)
    state, cell, gates = step(
        torch.tensor([[gate, gate, 0, gate]]), torch.zeros(1, 1), torch.tensor([[2.0]]), torch.zeros(4, 1)
    )
    assert_close(cell, torch.tensor([[1.5]]))
    assert_close(state, torch.tensor([[0.75 * math.tanh(1.5)]]))
    assert_close(torch.cat(gates), torch.full((3, 1), 0.75))


def test_one_step_is_graves_equations_7_to_11():
    x, h, c = noise(2, 3), noise(2, 5, seed=1), noise(2, 5, seed=2)
    w_x, w_h, b, w_c = noise(20, 3, seed=3), noise(20, 5, seed=4), noise(20, seed=5), noise(3, 5, seed=6)
    (xi, xf, xc, xo), (hi, hf, hc, ho), (bi, bf, bc, bo) = w_x.split(5), w_h.split(5), b.split(5)
    i = torch.sigmoid(x @ xi.T + h @ hi.T + c @ torch.diag(w_c[0]) + bi)
    f = torch.sigmoid(x @ xf.T + h @ hf.T + c @ torch.diag(w_c[1]) + bf)
    new = f * c + i * torch.tanh(x @ xc.T + h @ hc.T + bc)
    o = torch.sigmoid(x @ xo.T + h @ ho.T + new @ torch.diag(w_c[2]) + bo)
    trace = recur(x[:, None], h, c, w_x, w_h, b, w_c)
    expected = (o * torch.tanh(new), new, i, f, o)
    for found, wanted in zip(trace, expected, strict=True):
        assert_close(found[:, 0], wanted)


@pytest.mark.parametrize("form", FORMS)
def test_matches_torch_and_exchanges_states_with_it(form):
    ours = LSTM(3, 5, **form, generator=stream()).to(F64)
    theirs = nn.LSTM(3, 5, batch_first=True, **form, dtype=F64)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    chains = len(ours.chains)
    x = noise(7, 11, 3).requires_grad_()
    state = tuple(noise(chains, 7, 5, seed=seed).requires_grad_() for seed in (1, 2))
    for start in (None, state):
        for a, b in zip(outputs(ours, x, start), outputs(theirs, x, start), strict=True):
            assert_close(a, b, rtol=1e-12, atol=1e-12)
    targets = [noise(*out.shape, seed=3 + place) for place, out in enumerate(outputs(ours, x))]
    gradients = [
        torch.autograd.grad(
            sum((out * target).sum() for out, target in zip(outputs(m, x, state), targets, strict=True)),
            [x, *state, *m.parameters()],
        )
        for m in (ours, theirs)
    ]
    for a, b in zip(*gradients, strict=True):
        assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_loop_is_the_kernel(form):
    layer = LSTM(3, 5, **form, generator=stream()).to(F64)
    looped = LSTM(3, 5, **form, peephole=True, dtype=F64)
    looped.load_state_dict(layer.state_dict(), strict=False)
    for name, parameter in looped.named_parameters():
        if name.startswith("peephole"):
            nn.init.zeros_(parameter)
    x, state = noise(7, 11, 3), (noise(len(layer.chains), 7, 5, seed=1), noise(len(layer.chains), 7, 5, seed=2))
    for a, b in zip(outputs(layer, x, state), outputs(looped, x, state), strict=True):
        assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_gradients_with_peepholes_by_finite_differences():
    layer = LSTM(2, 3, 2, bidirectional=True, peephole=True, generator=stream(), dtype=F64)
    names = [name for name, _ in layer.named_parameters()]

    def run(x, state, cell, *weights):
        return outputs(
            lambda x, s: torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, s)),
            x,
            (state, cell),
        )

    inputs = [noise(2, 5, 2), noise(4, 2, 3, seed=1), noise(4, 2, 3, seed=2), *layer.parameters()]
    assert torch.autograd.gradcheck(run, [one.detach().requires_grad_() for one in inputs], fast_mode=True)


def test_a_closed_gate_keeps_a_cell_and_an_open_one_lets_it_go():
    layer = LSTM(3, 5, generator=stream(), dtype=F64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias_ih_l0.copy_(torch.tensor([-1e3, 1e3, 0, 1e3], dtype=F64).repeat_interleave(5))
    cell = noise(1, 2, 5, seed=1)
    _, (_, kept) = layer(noise(2, 11, 3), (torch.zeros_like(cell), cell))
    assert torch.equal(kept, cell)
    with torch.no_grad():
        layer.bias_ih_l0[5:10] = 0  # half of it a step
    _, (_, faded) = layer(noise(2, 11, 3), (torch.zeros_like(cell), cell))
    assert_close(faded, cell / 2**11)


def test_peepholes_see_cells_and_nothing_else():
    layer = LSTM(3, 5, peephole=True, generator=stream(), dtype=F64)
    state, cell = noise(1, 2, 5, seed=1), torch.zeros(1, 2, 5, dtype=F64)
    x = noise(2, 1, 3)
    trace = recur(x, state[0], cell[0], *layer.chain("l0"))
    without = recur(x, state[0], cell[0], *layer.chain("l0")[:3])
    assert torch.equal(trace.input_gates, without.input_gates)  # the cell was empty
    assert torch.equal(trace.forget_gates, without.forget_gates)
    assert not torch.isclose(trace.output_gates, without.output_gates).any()  # it is empty no more
    with pytest.raises(ValueError, match=r"peepholes is \(3, 5\), found shape \(5, 3\)"):
        recur(x, state[0], cell[0], *layer.chain("l0")[:3], torch.zeros(5, 3, dtype=F64))


def test_forget_bias_is_the_sum_of_both_biases_and_touches_nothing_else():
    plain = LSTM(3, 5, 2, bidirectional=True, generator=stream())
    open_ = LSTM(3, 5, 2, bidirectional=True, forget_bias=2.5, generator=stream())
    forget = torch.zeros(20, dtype=torch.bool)
    forget[5:10] = True
    for chain in open_.chains:
        bias = open_.chain(chain)[2]
        assert (bias[forget] == 2.5).all()
        assert torch.equal(bias[~forget], plain.chain(chain)[2][~forget])
        assert torch.equal(open_.get_parameter(f"weight_hh_{chain}"), plain.get_parameter(f"weight_hh_{chain}"))


def test_weights_are_drawn_as_torch_draws_them():
    layer = LSTM(40, 64, 2, peephole=True, generator=stream())
    for parameter in layer.parameters():
        assert 0.9 / 8 < parameter.abs().max() <= 1 / 8


@pytest.mark.parametrize("peephole", [False, True])
def test_a_sequence_in_two_pieces_is_the_sequence(peephole):
    layer = LSTM(3, 5, 2, peephole=peephole, generator=stream()).to(F64)
    x = noise(2, 11, 3)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, end = layer(x[:, 4:], state)
    assert_close(torch.cat([first, second], dim=1), whole)
    assert_close(torch.stack(end), torch.stack(last))


@pytest.mark.parametrize("peephole", [False, True])
def test_composes_with_torch(peephole):
    layer = LSTM(3, 5, 2, bidirectional=True, peephole=peephole, generator=stream())
    x = noise(2, 7, 3, dtype=torch.float32)
    wanted = layer(x)[0]
    assert_close(torch.compile(lambda x: layer(x)[0], fullgraph=True, backend="eager")(x), wanted)
    assert torch.equal(copy.deepcopy(layer)(x)[0], wanted)
    assert_close(torch.func.vmap(lambda one: layer(one[None])[0][0])(x), wanted)
    weights = {k: 2 * v for k, v in layer.state_dict().items()}
    doubled = copy.deepcopy(layer)
    doubled.load_state_dict(weights)
    assert_close(torch.func.functional_call(layer, weights, (x,))[0], doubled(x)[0])
    assert layer.to(torch.bfloat16)(x.bfloat16())[0].dtype == torch.bfloat16
    meta = LSTM(3, 5, peephole=peephole, forget_bias=1.0, device="meta")
    assert meta(torch.zeros(2, 7, 3, device="meta"))[0].shape == (2, 7, 5)
    assert repr(LSTM(3, 5, 2, peephole=True)) == "LSTM(3, 5, num_layers=2, peephole=True)"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LSTM(3, 0), "sizes are at least 1, found 3, 0 and 1 layers"),
        (lambda: LSTM(3, 5).chain("l1"), "the chains are l0, found 'l1'"),
        (lambda: LSTM(3, 5, bias=False, forget_bias=1.0), "forget_bias is 1.0 of a layer without biases"),
        (lambda: LSTM(3, 5)(torch.zeros(2, 7, 4)), r"x is \(b, t, 3\) .*found shape \(2, 7, 4\)"),
        (lambda: LSTM(3, 5)(torch.zeros(2, 0, 3)), "at least 1, found"),
        (
            lambda: LSTM(3, 5)(torch.zeros(2, 7, 3), (torch.zeros(1, 2, 5), torch.zeros(1, 2, 4))),
            r"cell is \(1, 2, 5\), found shape \(1, 2, 4\)",
        ),
        (
            lambda: LSTM(3, 5)(torch.zeros(2, 7, 3), (torch.zeros(2, 2, 5), torch.zeros(1, 2, 5))),
            r"state is \(1, 2, 5\), found shape \(2, 2, 5\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
