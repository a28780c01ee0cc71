"""Attention against torch's own, loops over one query and one key, rows by hand, and laws of averages."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.attention import (
    AdditiveAttention,
    MultiplicativeAttention,
    dot_product_attention,
    fused_attention,
    weighted_average,
)

# a prime per axis: 2 in the batch, 3 queries, 7 keys, 5 features, values of 11
QUERY, KEY, VALUE = noise(2, 3, 5), noise(2, 7, 5, seed=1), noise(2, 7, 11, seed=2)
CAUSAL = torch.ones(3, 7, dtype=torch.bool).tril()
RAGGED = torch.arange(7) < torch.tensor([4, 7])[:, None, None]  # (2, 1, 7)
MASKS = [None, CAUSAL, RAGGED, CAUSAL & RAGGED]
BLIND = CAUSAL.clone().index_fill_(0, torch.tensor([1]), False)


def layers():
    return [
        (AdditiveAttention(5, 13, 17, generator=stream()).to(F64), noise(2, 7, 13, seed=3)),
        (MultiplicativeAttention(5, 13, generator=stream()).to(F64), noise(2, 7, 13, seed=3)),
    ]


@pytest.mark.parametrize("mask", MASKS)
def test_matches_torch_scaled_dot_product_attention(mask):
    inputs = [x.clone().requires_grad_() for x in (QUERY, KEY, VALUE)]
    theirs = F.scaled_dot_product_attention(*inputs, attn_mask=mask)
    wanted = torch.autograd.grad((theirs * noise(2, 3, 11, seed=4)).sum(), inputs)
    for call in (lambda *x: dot_product_attention(*x)[0], fused_attention):
        ours = call(*inputs, mask)
        assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
        found = torch.autograd.grad((ours * noise(2, 3, 11, seed=4)).sum(), inputs)
        for a, b in zip(found, wanted, strict=True):
            assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_two_keys_worked_by_hand():
    # scores (2 ln 3, 0) / √4 = (ln 3, 0); weights (3/4, 1/4); output 3/4 · 8 + 1/4 · 4 = 7
    query, key = torch.tensor([[2.0, 0, 0, 0]]), torch.tensor([[math.log(3), 0, 0, 0], [0.0] * 4])
    value = torch.tensor([[8.0], [4.0]])
    output, weights = dot_product_attention(query, key, value)
    assert_close(weights, torch.tensor([[0.75, 0.25]]))
    assert_close(output, torch.tensor([[7.0]]))
    assert_close(fused_attention(query, key, value), torch.tensor([[7.0]]))


def test_weighted_average_by_hand():
    # odds 1 : 2 : 5 of the first three, the fourth is hidden
    scores, value = torch.tensor([1.0, 2, 5, 99]).log()[None], torch.tensor([[8.0, 0], [0, 8], [8, 8], [99, 99]])
    output, weights = weighted_average(scores, value, torch.tensor([True, True, True, False]))
    assert_close(weights, torch.tensor([[1, 2, 5, 0]]) / 8)
    assert_close(output, torch.tensor([[6.0, 7]]))


def test_additive_score_is_its_equation_one_query_and_one_key_at_a_time():
    (look, memory), _ = layers()
    _, weights = look(QUERY, memory, VALUE, RAGGED)
    for b in range(2):
        for i in range(3):
            scores = []
            for j in range((4, 7)[b]):
                hidden = torch.tanh(look.query.weight @ QUERY[b, i] + look.key.weight @ memory[b, j])
                scores.append(look.score.weight[0] @ hidden)
            wanted = torch.stack(scores).exp() / sum(s.exp() for s in scores)
            assert_close(weights[b, i, : len(scores)], wanted)
            assert (weights[b, i, len(scores) :] == 0).all()


def test_multiplicative_score_is_its_equation_one_query_and_one_key_at_a_time():
    _, (look, memory) = layers()
    _, weights = look(QUERY, memory, VALUE)
    for b in range(2):
        for i in range(3):
            scores = torch.stack([QUERY[b, i] @ look.key.weight @ h for h in memory[b]]) / math.sqrt(5)
            assert_close(weights[b, i], scores.exp() / scores.exp().sum())


@pytest.mark.parametrize(("scaled", "scale"), [(True, 5**-0.5), (False, 1.0)])
def test_multiplicative_with_the_identity_is_the_dot_product(scaled, scale):
    look = MultiplicativeAttention(5, 5, scaled=scaled).to(F64)
    with torch.no_grad():
        look.key.weight.copy_(torch.eye(5))
    wanted = F.scaled_dot_product_attention(QUERY, KEY, VALUE, attn_mask=RAGGED, scale=scale)
    assert_close(look(QUERY, KEY, VALUE, RAGGED)[0], wanted)


@pytest.mark.parametrize("place", [0, 1])
def test_gradients_are_those_of_finite_differences(place):
    look, memory = layers()[place]
    names = list(dict(look.named_parameters()))

    def call(query, key, value, *weights):
        return torch.func.functional_call(look, dict(zip(names, weights, strict=True)), (query, key, value, RAGGED))

    inputs = [QUERY, memory, VALUE, *look.parameters()]
    assert torch.autograd.gradcheck(call, [x.detach().clone().requires_grad_() for x in inputs])


@pytest.mark.parametrize("mask", [None, RAGGED])
def test_rows_sum_to_one_and_permuted_keys_change_nothing(mask):
    order = torch.tensor([3, 0, 6, 1, 5, 2, 4])
    calls = [(dot_product_attention, KEY), *layers()]
    for call, memory in calls:
        output, weights = call(QUERY, memory, VALUE, mask)
        assert_close(weights.sum(dim=-1), torch.ones(2, 3, dtype=F64))
        assert (weights >= 0).all()
        assert_close(weights @ VALUE, output)
        shuffled = None if mask is None else mask[..., order]
        again, moved = call(QUERY, memory[:, order], VALUE[:, order], shuffled)
        assert_close(again, output)
        assert_close(moved, weights[..., order])


def test_what_is_hidden_has_no_influence():
    for call, memory in [(dot_product_attention, KEY), (lambda *x: (fused_attention(*x),), KEY), *layers()]:
        changed, other = memory.clone(), VALUE.clone()
        changed[0, 4:], other[0, 4:] = 1e3, 1e3
        assert_close(call(QUERY, changed, other, RAGGED)[0], call(QUERY, memory, VALUE, RAGGED)[0])


def test_scores_of_any_size_do_not_overflow_in_half_precision():
    query, key = torch.full((3, 5), 200.0, dtype=torch.float16), torch.full((7, 5), 0.5, dtype=torch.float16)
    _, weights = dot_product_attention(query, key, VALUE[0].half(), CAUSAL)
    assert_close(weights.float(), CAUSAL / CAUSAL.sum(dim=-1, keepdim=True), rtol=1e-3, atol=1e-3)


def test_prepared_keys_are_keys():
    for look, memory in layers():
        prepared = look.prepare(memory)
        for i in range(3):
            one = look.attend(QUERY[:, i : i + 1], prepared, VALUE, RAGGED)
            for a, b in zip(one, look(QUERY, memory, VALUE, RAGGED), strict=True):
                assert_close(a[:, 0], b[:, i])


def test_weights_are_drawn_as_linear_layers_draw_them():
    look = AdditiveAttention(16, 64, 256, generator=stream())
    for weight, inputs in ((look.query.weight, 16), (look.key.weight, 64), (look.score.weight, 256)):
        bound = inputs**-0.5
        assert 0.9 * bound < weight.abs().max() <= bound
    again = AdditiveAttention(16, 64, 256, generator=stream())
    assert all(torch.equal(a, b) for a, b in zip(look.parameters(), again.parameters(), strict=True))
    other = MultiplicativeAttention(16, 64, generator=stream()).key.weight
    assert other.shape == (16, 64)
    assert 0.9 / 8 < other.abs().max() <= 1 / 8


def test_composes_with_torch():
    calls = [(dot_product_attention, KEY), (lambda *x: (fused_attention(*x),), KEY), *layers()]
    for call, memory in calls:
        wanted = call(QUERY, memory, VALUE, RAGGED)
        compiled = torch.compile(call, fullgraph=True, backend="eager")(QUERY, memory, VALUE, RAGGED)
        each = torch.func.vmap(call)(QUERY, memory, VALUE, RAGGED)
        for found in (compiled, each, copy.deepcopy(call)(QUERY, memory, VALUE, RAGGED)):
            for a, b in zip(found, wanted, strict=True):
                assert_close(a, b)
    for kind, sizes in ((AdditiveAttention, (5, 13, 17)), (MultiplicativeAttention, (5, 13))):
        look = kind(*sizes, device="meta", dtype=torch.bfloat16)
        query, memory = torch.zeros(2, 3, 5).to(look.key.weight), torch.zeros(2, 7, 13).to(look.key.weight)
        assert look(query, memory, memory, RAGGED.to("meta"))[0].shape == (2, 3, 13)
        look = kind(*sizes).to(torch.bfloat16)
        assert look(QUERY.bfloat16(), noise(2, 7, 13).bfloat16(), VALUE.bfloat16())[0].dtype == torch.bfloat16


@pytest.mark.parametrize(
    "mask", [BLIND, torch.zeros(7, dtype=torch.bool), RAGGED & torch.tensor([False, True])[:, None, None]]
)
def test_even_one_query_that_sees_no_key_is_named(mask):
    for call, memory in [(dot_product_attention, KEY), (fused_attention, KEY), *layers()]:
        with pytest.raises(ValueError, match=r"a query sees no key: the mask .* has a row without any True"):
            call(QUERY, memory, VALUE, mask)


def test_where_no_value_is_read_a_query_that_sees_no_key_gives_nan():
    def call(*inputs):
        return dot_product_attention(*inputs)[0]

    compiled = torch.compile(call, fullgraph=True, backend="eager")(QUERY, KEY, VALUE, BLIND)
    each = torch.func.vmap(call)(QUERY, KEY, VALUE, BLIND.expand(2, 3, 7))
    for found in (compiled, each):
        assert found[:, 1].isnan().all()
        assert not found[:, ::2].isnan().any()
    fused = torch.func.vmap(fused_attention)(QUERY, KEY, VALUE, BLIND.expand(2, 3, 7))
    assert (fused[:, 1] == 0).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dot_product_attention(QUERY, KEY[..., :4], VALUE), r"key is \(..., k, 5\) .*found shape \(2, 7, 4\)"),
        (lambda: dot_product_attention(QUERY, KEY, VALUE[:, :6]), r"value is \(..., 7, v\), found shape \(2, 6, 11\)"),
        (lambda: dot_product_attention(QUERY, KEY[:, :0], VALUE[:, :0]), "at least 1, found"),
        (lambda: dot_product_attention(QUERY, KEY, VALUE, CAUSAL.float()), "mask is bool .* found torch.float32"),
        (lambda: dot_product_attention(QUERY, KEY, VALUE, CAUSAL[:2]), r"\(..., 3, 7\), found torch.bool \(2, 7\)"),
        (lambda: fused_attention(QUERY, KEY, VALUE, CAUSAL.T), r"\(..., 3, 7\), found torch.bool \(7, 3\)"),
        (lambda: fused_attention(QUERY, KEY[..., :4], VALUE), r"key is \(..., k, 5\) .*found shape \(2, 7, 4\)"),
        (lambda: weighted_average(QUERY, VALUE), r"value is \(..., 5, v\), found shape \(2, 7, 11\)"),
        (lambda: weighted_average(QUERY[..., :0], VALUE[:, :0]), r"at least 1, found shape \(2, 3, 0\)"),
        (lambda: AdditiveAttention(3, 0, 5), "sizes are at least 1, found 3, 0 and 5"),
        (lambda: MultiplicativeAttention(3, 0), "sizes are at least 1, found 3 and 0"),
        (lambda: layers()[0][0](QUERY, KEY, VALUE), r"key is \(..., k, 13\), found shape \(2, 7, 5\)"),
        (lambda: layers()[0][0](KEY[..., :4], KEY, VALUE), "found shape"),
        (lambda: layers()[1][0](QUERY, KEY, VALUE), r"key is \(..., k, 13\), found shape \(2, 7, 5\)"),
        (lambda: layers()[1][0].attend(KEY[..., :4], KEY, VALUE), r"query is \(..., q, 5\), found shape \(2, 7, 4\)"),
        (lambda: layers()[0][0].attend(KEY[..., :4], KEY, VALUE), r"query is \(..., q, 5\), found shape \(2, 7, 4\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
