"""Many heads against torch's module in float64, against a loop over heads, and laws of masks."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, shaken, stream
from dlbook.sequences.attention import dot_product_attention
from dlbook.sequences.multi_head import MultiHeadAttention

EXACT = {"rtol": 1e-12, "atol": 1e-12}
QUERY, MEMORY, OTHER = noise(2, 5, 6), noise(2, 7, 6, seed=1), noise(2, 7, 6, seed=2)
LENGTHS = torch.arange(7) < torch.tensor([[7], [4]])  # (b, k): what is real


def pair(bias=True):
    ours = shaken(MultiHeadAttention(6, 3, bias=bias, generator=stream()))
    theirs = nn.MultiheadAttention(6, 3, bias=bias, batch_first=True, dtype=F64)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("query", "key", "value"), [(QUERY, QUERY, QUERY), (QUERY, MEMORY, MEMORY), (QUERY, MEMORY, OTHER)]
)
def test_matches_torch(query, key, value, bias):
    ours, theirs = pair(bias)
    output, weights = theirs(query, key, value, average_attn_weights=False)
    assert_close(ours(query, key, value)[0], output, **EXACT)
    assert ours(query, key, value)[1] is None
    slow, seen = ours(query, key, value, need_weights=True)
    assert_close(slow, output, **EXACT)
    assert_close(seen, weights, **EXACT)


@pytest.mark.parametrize("need_weights", [False, True])
def test_masks_match_torchs_where_true_means_the_opposite(need_weights):
    ours, theirs = pair()
    found, _ = ours(QUERY, MEMORY, MEMORY, LENGTHS[:, None], need_weights=need_weights)
    assert_close(found, theirs(QUERY, MEMORY, MEMORY, key_padding_mask=~LENGTHS)[0], **EXACT)
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    wanted = theirs(QUERY, QUERY, QUERY, attn_mask=~past)[0]
    assert_close(ours(QUERY, QUERY, QUERY, causal=True, need_weights=need_weights)[0], wanted, **EXACT)
    assert_close(ours(QUERY, QUERY, QUERY, past, need_weights=need_weights)[0], wanted, **EXACT)
    both = theirs(QUERY, QUERY, QUERY, attn_mask=~past, key_padding_mask=~LENGTHS[:, :5])[0]
    found, _ = ours(QUERY, QUERY, QUERY, LENGTHS[:, None, :5], causal=True, need_weights=need_weights)
    assert_close(found, both, **EXACT)


@pytest.mark.parametrize("need_weights", [False, True])
def test_gradients_match_torch(need_weights):
    ours, theirs = pair()
    query, memory = QUERY.clone().requires_grad_(), MEMORY.clone().requires_grad_()
    for key in (query, memory):
        gradients = [
            torch.autograd.grad(
                (m(query, key, key, need_weights=need_weights)[0] * OTHER[:, :5]).sum(),
                [query, *m.parameters()],
            )
            for m in (ours, theirs)
        ]
        for a, b in zip(*gradients, strict=True):
            assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_each_head_is_an_attention_of_its_own():
    ours, _ = pair()
    w, b = ours.in_proj_weight, ours.in_proj_bias
    found = []
    for head in range(3):
        rows = [slice(6 * n + 2 * head, 6 * n + 2 * head + 2) for n in range(3)]
        q, k, v = (x @ w[r].T + b[r] for x, r in zip((QUERY, MEMORY, OTHER), rows, strict=True))
        found.append(dot_product_attention(q, k, v)[0])
    assert_close(ours(QUERY, MEMORY, OTHER)[0], ours.out_proj(torch.cat(found, dim=-1)), **EXACT)


def test_permuted_words_permute_the_output():
    ours, _ = pair()
    order = torch.randperm(7, generator=stream())
    assert_close(
        ours(MEMORY[:, order], MEMORY[:, order], MEMORY[:, order])[0],
        ours(MEMORY, MEMORY, MEMORY)[0][:, order],
        **EXACT,
    )


def test_causal_jacobian_has_nothing_above_the_diagonal():
    ours, _ = pair()
    jacobian = torch.autograd.functional.jacobian(lambda x: ours(x, x, x, causal=True)[0][0].sum(-1), MEMORY[:1])
    depends = jacobian[:, 0].abs().sum(-1) > 0  # (output place, input place)
    assert torch.equal(depends, torch.ones(7, 7, dtype=torch.bool).tril())


def test_prepared_keys_may_come_in_two_parts():
    ours, _ = pair()
    whole = ours.prepare(MEMORY, OTHER)
    parts = zip(ours.prepare(MEMORY[:, :3], OTHER[:, :3]), ours.prepare(MEMORY[:, 3:], OTHER[:, 3:]), strict=True)
    keys, values = (torch.cat(part, dim=2) for part in parts)
    assert_close(keys, whole[0], **EXACT)
    assert_close(ours.attend(ours.heads(QUERY), keys, values)[0], ours(QUERY, MEMORY, OTHER)[0], **EXACT)


def test_weights_are_drawn_as_torch_draws_them():
    layer = MultiHeadAttention(96, 4, generator=stream())
    bound = (6 / (4 * 96)) ** 0.5
    assert 0.99 * bound < layer.in_proj_weight.abs().max() <= bound
    assert 0.99 * 96**-0.5 < layer.out_proj.weight.abs().max() <= 96**-0.5
    assert not layer.in_proj_bias.any()
    assert not layer.out_proj.bias.any()
    theirs = nn.MultiheadAttention(96, 4)
    assert_close(layer.in_proj_weight.std(), theirs.in_proj_weight.std(), rtol=0.05, atol=0)
    assert_close(layer.out_proj.weight.std(), theirs.out_proj.weight.std(), rtol=0.05, atol=0)


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # vmap runs torch's fused kernel one by one
def test_composes_with_torch():
    layer = MultiHeadAttention(6, 3, generator=stream())
    x, memory = QUERY.float(), MEMORY.float()

    def call(x, memory):
        return layer(x, memory, memory, LENGTHS[:, None])[0]

    wanted = call(x, memory)
    assert_close(torch.compile(call, fullgraph=True, backend="eager")(x, memory), wanted)
    causal = torch.compile(lambda x: layer(x, x, x, causal=True)[0], fullgraph=True, backend="eager")
    assert_close(causal(x), layer(x, x, x, causal=True)[0])
    assert torch.equal(copy.deepcopy(layer)(x, memory, memory, LENGTHS[:, None])[0], wanted)
    each = torch.func.vmap(lambda x, m, mask: layer(x[None], m[None], m[None], mask[None, None])[0][0])
    assert_close(each(x, memory, LENGTHS), wanted)
    doubled = copy.deepcopy(layer)
    weights = {k: 2 * v for k, v in layer.state_dict().items()}
    doubled.load_state_dict(weights)
    assert_close(torch.func.functional_call(layer, weights, (x, memory, memory))[0], doubled(x, memory, memory)[0])
    assert MultiHeadAttention(6, 3, device="meta")(*[torch.zeros(2, 5, 6, device="meta")] * 3)[0].shape == (2, 5, 6)
    assert MultiHeadAttention(6, 3, dtype=torch.bfloat16)(*[x.bfloat16()] * 3)[0].dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x, x, x)[0].dtype == torch.bfloat16
    assert repr(layer).startswith("MultiHeadAttention(\n  6, 3")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MultiHeadAttention(6, 4), "multiple of n_heads, found 6 and 4"),
        (lambda: MultiHeadAttention(6, 0), "found 6 and 0"),
        (lambda: pair()[0](QUERY[..., :5], MEMORY, MEMORY), r"query is \(b, q, 6\) .*found shape \(2, 5, 5\)"),
        (lambda: pair()[0](QUERY, MEMORY[..., :5], MEMORY), r"key is \(b, k, 6\) .*found shape \(2, 7, 5\)"),
        (lambda: pair()[0](QUERY, MEMORY, OTHER[:, :5]), r"value is \(2, 7, 6\), found shape \(2, 5, 6\)"),
        (lambda: pair()[0](QUERY, MEMORY, MEMORY, LENGTHS), "mask is bool and broadcasts"),
        (lambda: pair()[0](QUERY, MEMORY, MEMORY, torch.zeros(5, 7, dtype=torch.bool)), "sees no key"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
