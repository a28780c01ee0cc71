"""Gated recurrent units against torch in float64, the paper's equations, and what tells the two forms apart."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.gru import GRU, step, step_chung

FORMS = [{}, {"num_layers": 3}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True, "bias": False}]


def test_one_unit_by_hand_in_both_forms():
    # r = z = 3/4, U = 2 in the candidate, h = 1, b = 1/2 behind U:
    # torch: candidate tanh(3/4 (2 + 1/2)), h' = 3/4 + candidate / 4;  Chung: tanh(2 * 3/4 + 1/2), h' = 1/4 + 3/4 candidate
    gate = math.log(3)
    drive, weight, bias = torch.tensor([[gate, gate, 0]]), torch.tensor([[0.0], [0], [2]]), torch.tensor([0, 0, 0.5])
    one = torch.ones(1, 1)
    assert_close(step(drive, one, weight, bias), torch.tensor([[0.75 + math.tanh(1.875) / 4]]))
    assert_close(step_chung(drive, one, weight, bias), torch.tensor([[0.25 + 0.75 * math.tanh(2.0)]]))


def test_a_step_is_chungs_equations_5_to_8():
    x, h, w, u, b = noise(2, 3), noise(2, 5, seed=1), noise(15, 3, seed=2), noise(15, 5, seed=3), noise(15, seed=4)
    (wr, wz, wc), (ur, uz, uc), (br, bz, bc) = w.split(5), u.split(5), b.split(5)
    z = torch.sigmoid(x @ wz.T + h @ uz.T + bz)
    r = torch.sigmoid(x @ wr.T + h @ ur.T + br)
    candidate = torch.tanh(x @ wc.T + (r * h) @ uc.T + bc)
    expected = (1 - z) * h + z * candidate
    assert_close(step_chung(x @ w.T + b, h, u), expected)
    assert_close(step_chung(x @ w.T, h, u, b), expected)
    layer = GRU(3, 5, form="chung", dtype=F64)
    with torch.no_grad():
        for name, value in (("weight_ih", w), ("weight_hh", u), ("bias_ih", b), ("bias_hh", 0 * b)):
            layer.get_parameter(f"{name}_l0").copy_(value)
    assert_close(layer(x[:, None], h[None])[0][:, 0], expected)


@pytest.mark.parametrize("form", FORMS)
def test_matches_torch_and_exchanges_states_with_it(form):
    ours = GRU(3, 5, **form, generator=stream()).to(F64)
    theirs = nn.GRU(3, 5, batch_first=True, **form, dtype=F64)
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


def test_the_papers_form_is_torchs_with_another_sign_of_z_only_where_the_reset_gate_is_open():
    paper, library = GRU(3, 5, form="chung", dtype=F64, generator=stream()), nn.GRU(3, 5, batch_first=True, dtype=F64)
    weights = {name: value.clone() for name, value in paper.state_dict().items()}
    for value in weights.values():
        value[5:10] *= -1  # z of one is 1 - z of the other
    library.load_state_dict(weights)
    x = noise(7, 11, 3)
    assert (paper(x)[0] - library(x)[0]).abs().max() > 1e-3
    for layer in (paper, library):
        with torch.no_grad():
            layer.bias_ih_l0[:5] = 1e3  # r = 1
    assert_close(paper(x)[0], library(x)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", ["torch", "chung"])
def test_gradients_by_finite_differences(form):
    layer = GRU(2, 3, 2, bidirectional=True, form=form, generator=stream(), dtype=F64)
    names = [name for name, _ in layer.named_parameters()]

    def run(x, state, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, state))

    inputs = [noise(2, 5, 2), noise(4, 2, 3, seed=1), *layer.parameters()]
    assert torch.autograd.gradcheck(run, [one.detach().requires_grad_() for one in inputs], fast_mode=True)


@pytest.mark.parametrize(("form", "keep"), [("torch", 1e3), ("chung", -1e3)])
def test_a_unit_told_to_keep_keeps(form, keep):
    layer = GRU(3, 5, form=form, generator=stream(), dtype=F64)
    with torch.no_grad():
        layer.bias_ih_l0[5:10] = keep
    state = noise(1, 2, 5, seed=1)
    assert_close(layer(noise(2, 11, 3), state)[1], state, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("form", ["torch", "chung"])
def test_a_sequence_in_two_pieces_is_the_sequence(form):
    layer = GRU(3, 5, 2, form=form, generator=stream()).to(F64)
    x = noise(2, 11, 3)
    whole, last = layer(x)
    first, state = layer(x[:, :4])
    second, end = layer(x[:, 4:], state)
    assert_close(torch.cat([first, second], dim=1), whole)
    assert_close(end, last)


def test_weights_are_drawn_as_torch_draws_them():
    for parameter in GRU(40, 64, 2, generator=stream()).parameters():
        assert 0.9 / 8 < parameter.abs().max() <= 1 / 8


@pytest.mark.parametrize("form", ["torch", "chung"])
def test_composes_with_torch(form):
    layer = GRU(3, 5, 2, bidirectional=True, form=form, generator=stream())
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
    meta = GRU(3, 5, form=form, device="meta")
    assert meta(torch.zeros(2, 7, 3, device="meta"))[0].shape == (2, 7, 5)
    assert repr(GRU(3, 5, form="chung")) == "GRU(3, 5, form='chung')"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GRU(3, 5, num_layers=0), "sizes are at least 1, found 3, 5 and 0 layers"),
        (lambda: GRU(3, 5, form="cho"), "form is one of torch, chung, found 'cho'"),
        (lambda: GRU(3, 5)(torch.zeros(2, 7, 4)), r"x is \(b, t, 3\) .*found shape \(2, 7, 4\)"),
        (lambda: GRU(3, 5)(torch.zeros(2, 0, 3)), "at least 1, found"),
        (
            lambda: GRU(3, 5, 2)(torch.zeros(2, 7, 3), torch.zeros(1, 2, 5)),
            r"state is \(2, 2, 5\), found shape \(1, 2, 5\)",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
