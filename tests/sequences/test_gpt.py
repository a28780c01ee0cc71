"""A decoder alone against torch's layers, with its cache against without, and its draws against its probabilities."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, shaken, size, stream
from dlbook.sequences.gpt import GPT
from dlbook.sequences.sampling import distribution

EXACT = {"rtol": 1e-12, "atol": 1e-12}
TOKENS = torch.randint(0, 11, (3, 7), generator=stream())


def model(dtype=F64, context=13):
    made = GPT(11, context, d_model=6, n_heads=3, n_layers=2, d_ff=5, generator=stream(), dtype=dtype)
    return shaken(made) if dtype == F64 else made


def test_scores_are_those_of_torchs_layers():
    ours = model()
    layer = nn.TransformerEncoderLayer(
        6, 3, 5, dropout=0, activation=F.gelu, norm_first=True, batch_first=True, dtype=F64
    )
    theirs = nn.TransformerEncoder(layer, 2, nn.LayerNorm(6, dtype=F64), enable_nested_tensor=False)
    theirs.layers.load_state_dict(ours.layers.state_dict())
    theirs.norm.load_state_dict(ours.norm.state_dict())
    x = ours.embedding.weight[TOKENS] + ours.positions.weight[:7]
    wanted = theirs(x, mask=~torch.ones(7, 7, dtype=torch.bool).tril()) @ ours.embedding.weight.T
    assert_close(ours(TOKENS), wanted, **EXACT)
    log_p = wanted.log_softmax(-1)
    assert_close(ours.log_prob(TOKENS[:1]), ours.log_prob(TOKENS)[:1], **EXACT)
    for b in range(3):
        for t in range(6):
            assert_close(ours.log_prob(TOKENS)[b, t], log_p[b, t, TOKENS[b, t + 1]], **EXACT)


def test_the_jacobian_ignores_the_future():
    ours = model()
    x = ours.embedding(TOKENS[:1]) + ours.positions.weight[:7]

    def through(x):
        for layer in ours.layers:
            x = layer(x, causal=True)
        return x[0].sum(-1)

    depends = torch.autograd.functional.jacobian(through, x)[:, 0].abs().sum(-1) > 1e-12
    assert torch.equal(depends, torch.ones(7, 7, dtype=torch.bool).tril())


def test_units_in_pieces_are_units_at_once():
    ours = model()
    wanted = ours(TOKENS)
    for cuts in ([1, 2, 3, 4, 5, 6], [3, 5]):
        past, found = None, []
        for piece in TOKENS.tensor_split(cuts, dim=1):
            scores, past = ours.extend(piece, past)
            found.append(scores)
        assert_close(torch.cat(found, dim=1), wanted, **EXACT)


@pytest.mark.parametrize("how", [{}, {"temperature": 0.7, "top_k": 5}, {"top_p": 0.8}])
@pytest.mark.parametrize("n", [1, 6, 7, 40])
def test_the_cache_changes_nothing(n, how):
    ours = model()
    texts = [ours.generate(TOKENS, n, generator=stream(5), cache=cache, **how) for cache in (True, False)]
    assert torch.equal(*texts)
    assert texts[0].shape == (3, 7 + n)
    assert torch.equal(texts[0][:, :7], TOKENS)


def test_a_full_context_forgets_its_older_half():
    ours, text = model(context=5), TOKENS[:1, :5]
    draws, found = stream(3), ours.generate(text, 4, generator=stream(3))
    for start in (0, 3, 3, 3):  # of 6 units the last 3 are read, then 4, then 5
        p = ours(text[:, start:]).softmax(-1)[:, -1]
        text = torch.cat([text, torch.multinomial(p, 1, generator=draws)], dim=1)
    assert torch.equal(found, text)
    many = TOKENS[:1].expand(50, -1)  # a prompt that is too long: its last five units are read
    again = ours.generate(many[:, -5:], 4, generator=stream(3))
    assert torch.equal(ours.generate(many, 4, generator=stream(3))[:, 2:], again)


def test_draws_are_as_frequent_as_they_are_probable():
    ours = model()
    prompt = TOKENS[:1].expand(20_000, -1)
    drawn = ours.generate(prompt, 1, top_k=4, temperature=1.5, generator=stream())[:, -1]
    p = distribution(ours(TOKENS[:1])[0, -1], temperature=1.5, k=4)
    assert_close(torch.bincount(drawn, minlength=11) / 20_000, p.float(), atol=0.015, rtol=0)
    one = ours.generate(TOKENS, 3, top_k=1, generator=stream())
    assert torch.equal(one[:, 7], ours(TOKENS)[:, -1].argmax(-1))


def test_it_learns_a_text_by_heart():
    text = torch.tensor([0, 1, 2, 0, 1, 3] * 4)
    learner = GPT(4, 16, d_model=16, n_heads=2, n_layers=1, generator=stream())
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    windows = text.unfold(0, 17, 1)
    for _ in range(80):
        loss = -learner.log_prob(windows).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    said = learner.generate(text[None, :6], 14, top_k=1, generator=stream())
    assert said[0].tolist() == text[:20].tolist()


def test_parameters_are_counted():
    # 11·6 + 13·6 embeddings; a layer: 4·36 + 4·6 attention, 2·6·5 + 5 + 6 network, 2·2·6 norms; 2·6 at the end
    assert size(model()) == 66 + 78 + 2 * (168 + 71 + 24) + 12
    assert GPT(11, 13, 6, 3, 1).layers[0].linear1.out_features == 24


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # vmap runs torch's fused kernel one by one
def test_composes_with_torch():
    ours = model(torch.float32)
    wanted = ours(TOKENS)
    assert_close(torch.compile(ours, fullgraph=True, backend="eager")(TOKENS), wanted)
    assert torch.equal(copy.deepcopy(ours)(TOKENS), wanted)
    assert_close(torch.func.vmap(lambda t: ours(t[None])[0])(TOKENS), wanted)
    weights = {k: 2 * v for k, v in ours.state_dict().items()}
    doubled = copy.deepcopy(ours)
    doubled.load_state_dict(weights)
    assert_close(torch.func.functional_call(ours, weights, (TOKENS,)), doubled(TOKENS))
    assert model(torch.bfloat16)(TOKENS).dtype == torch.bfloat16
    assert GPT(11, 13, 6, 3, 1, device="meta")(TOKENS.to("meta")).shape == (3, 7, 11)
    assert model(torch.bfloat16).generate(TOKENS, 9, generator=stream()).shape == (3, 16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GPT(0, 13, 6, 3, 1), "at least 1, found 0, 13 and 1"),
        (lambda: GPT(11, 13, 6, 4, 1), "multiple of n_heads, found 6 and 4"),
        (lambda: model()(torch.zeros(1, 14, dtype=torch.long)), r"reads 13 units at once \(context\), found 14"),
        (lambda: model().extend(TOKENS, model().extend(TOKENS)[1]), "found 14"),
        (lambda: model()(torch.tensor([[1, 500]])), "words are numbered 0 to .*, found 1 to 500"),
        (lambda: model()(TOKENS[0]), r"tokens is \(b, t\)"),
        (lambda: model().log_prob(TOKENS[:, :1]), "t >= 2, found 1"),
        (lambda: model().generate(TOKENS, 3, temperature=-1.0, generator=stream()), "above 0, found -1.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
