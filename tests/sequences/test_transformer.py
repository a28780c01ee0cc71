"""Layers against torch's in float64, the whole model against the published count, steps against all places at once."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, noise, shaken, size, stream
from dlbook.sequences.beam_search import beam_search, greedy, reorder
from dlbook.sequences.positions import sinusoids
from dlbook.sequences.seq2seq import shift_right
from dlbook.sequences.transformer import DecoderLayer, EncoderLayer, Transformer
from dlbook.sequences.vocabulary import END, PAD, START, pad

EXACT = {"rtol": 1e-12, "atol": 1e-12}
X, MEMORY = noise(2, 5, 6), noise(2, 7, 6, seed=1)
REAL_X, REAL_MEMORY = torch.arange(5) < torch.tensor([[5], [3]]), torch.arange(7) < torch.tensor([[4], [7]])
SOURCE, TARGET = pad([[7, 5, 9, 4], [8], [6, 6, 10]]), pad([[5, 4], [9, 12, 8, 7], [11]])
FORMS = list(itertools.product([False, True], [F.relu, F.gelu]))


def layers(kind, norm_first, activation):
    theirs = getattr(nn, f"Transformer{kind.__name__}")(
        6, 3, 11, dropout=0, activation=activation, norm_first=norm_first, batch_first=True, dtype=F64
    )
    ours = shaken(kind(6, 3, 11, 0, norm_first=norm_first, activation=activation, generator=stream()))
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def model(norm_first=False, n_layers=2, dtype=F64, **options):
    made = Transformer(
        11, 13, d_model=6, n_heads=3, n_layers=n_layers, d_ff=7, dropout=0, norm_first=norm_first, longest=17,
        generator=stream(), dtype=dtype, **options,
    )  # fmt: skip
    return shaken(made) if dtype == F64 else made


@pytest.mark.parametrize(("norm_first", "activation"), FORMS)
def test_the_encoder_layer_is_torchs(norm_first, activation):
    ours, theirs = layers(EncoderLayer, norm_first, activation)
    assert_close(ours(X), theirs(X), **EXACT)
    assert_close(ours(X, REAL_X[:, None]), theirs(X, src_key_padding_mask=~REAL_X), **EXACT)
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    assert_close(ours(X, causal=True), theirs(X, src_mask=~past), **EXACT)


@pytest.mark.parametrize(("norm_first", "activation"), FORMS)
def test_the_decoder_layer_is_torchs(norm_first, activation):
    ours, theirs = layers(DecoderLayer, norm_first, activation)
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    assert_close(ours(X, MEMORY), theirs(X, MEMORY), **EXACT)
    found = ours(X, MEMORY, REAL_X[:, None], REAL_MEMORY[:, None], causal=True)
    masks = {"tgt_key_padding_mask": ~REAL_X, "memory_key_padding_mask": ~REAL_MEMORY, "tgt_mask": ~past}
    assert_close(found, theirs(X, MEMORY, **masks), **EXACT)


@pytest.mark.parametrize("kind", [EncoderLayer, DecoderLayer])
def test_gradients_are_torchs(kind):
    pair, inputs = layers(kind, True, F.relu), (X,) if kind is EncoderLayer else (X, MEMORY)
    for layer in pair:
        (layer(*inputs) * noise(2, 5, 6, seed=3)).sum().backward()
    for name, parameter in pair[0].named_parameters():
        assert_close(parameter.grad, pair[1].get_parameter(name).grad, rtol=1e-10, atol=1e-12)


def test_fresh_layers_are_drawn_like_torchs():
    for kind in (EncoderLayer, DecoderLayer):
        ours, theirs = kind(96, 3, 128, generator=stream()), getattr(nn, f"Transformer{kind.__name__}")(96, 3, 128)
        for name, a in ours.named_parameters():
            if a.ndim == 2:
                assert_close(a.std(), theirs.get_parameter(name).std(), rtol=0.05, atol=0)


@pytest.mark.parametrize("norm_first", [False, True])
def test_watching_changes_nothing_and_weights_sum_to_one(norm_first):
    encoder, _ = layers(EncoderLayer, norm_first, F.relu)
    output, own = encoder.watch(X, REAL_X[:, None])
    assert_close(output, encoder(X, REAL_X[:, None]), **EXACT)
    assert_close(own.sum(-1), torch.ones(2, 3, 5, dtype=F64), **EXACT)
    assert not own[1, :, :, 3:].any()
    decoder, theirs = layers(DecoderLayer, norm_first, F.relu)
    output, own, across = decoder.watch(X, MEMORY, memory_mask=REAL_MEMORY[:, None], causal=True)
    assert_close(output, decoder(X, MEMORY, memory_mask=REAL_MEMORY[:, None], causal=True), **EXACT)
    assert not own.triu(1).any()
    assert not across[0, :, :, 4:].any()
    read = theirs.norm1(X) if norm_first else X
    past = torch.ones(5, 5, dtype=torch.bool).tril()
    wanted = theirs.self_attn(read, read, read, attn_mask=~past, average_attn_weights=False)[1]
    assert_close(own, wanted, **EXACT)


@pytest.mark.parametrize("norm_first", [False, True])
def test_places_in_pieces_are_places_at_once(norm_first):
    encoder, _ = layers(EncoderLayer, norm_first, F.relu)
    decoder, _ = layers(DecoderLayer, norm_first, F.relu)
    whole = encoder(X, causal=True), decoder(X, MEMORY, memory_mask=REAL_MEMORY[:, None], causal=True)
    prepared = decoder.multihead_attn.prepare(MEMORY, MEMORY)
    for cuts in ([1, 2, 3, 4], [2, 3], []):
        found, past = ([], []), [None, None]
        for piece in X.tensor_split(cuts, dim=1):
            said, past[0] = encoder.extend(piece, past[0])
            found[0].append(said)
            said, past[1] = decoder.extend(piece, prepared, past[1], REAL_MEMORY[:, None])
            found[1].append(said)
        for parts, wanted in zip(found, whole, strict=True):
            assert_close(torch.cat(parts, dim=1), wanted, **EXACT)
        assert past[0][0].shape == past[1][1].shape == (2, 3, 5, 2)


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_whole_model_is_torchs_layers_behind_scaled_embeddings(norm_first):
    ours = model(norm_first)
    stacks = []
    for kind, stack in (("Encoder", ours.encoder), ("Decoder", ours.decoder)):
        options = {"dropout": 0, "norm_first": norm_first, "batch_first": True, "dtype": F64}
        layer = getattr(nn, f"Transformer{kind}Layer")(6, 3, 7, **options)
        norm = nn.LayerNorm(6, dtype=F64) if norm_first else None
        more = {"enable_nested_tensor": False} if kind == "Encoder" else {}
        theirs = getattr(nn, f"Transformer{kind}")(layer, 2, norm, **more)
        theirs.layers.load_state_dict(stack.state_dict())
        if norm_first:
            theirs.norm.load_state_dict(getattr(ours, f"{kind.lower()}_norm").state_dict())
        stacks.append(theirs)
    codes, padding, past = sinusoids(17, 6, dtype=F64), SOURCE == PAD, torch.ones(5, 5, dtype=torch.bool).tril()
    memory = stacks[0](ours.source_embedding(SOURCE) * 6**0.5 + codes[:5], src_key_padding_mask=padding)
    target_in = shift_right(TARGET)
    x = ours.target_embedding(target_in) * 6**0.5 + codes[:5]
    x = stacks[1](x, memory, tgt_mask=~past, memory_key_padding_mask=padding)
    assert_close(ours(SOURCE, target_in), x @ ours.target_embedding.weight.T, **EXACT)


def test_the_base_model_of_the_paper_is_counted():
    # attention 4 d² + 4 d, network 2 d d_ff + d_ff + d, norms 2 d each; 37,000 units shared by both sides
    d, d_ff, units = 512, 2048, 37_000
    attention, network, norm = 4 * d * d + 4 * d, 2 * d * d_ff + d_ff + d, 2 * d
    layers = 6 * (attention + network + 2 * norm) + 6 * (2 * attention + network + 3 * norm)
    base = Transformer(units, units, shared=True, device="meta")
    assert size(base) == layers + units * d == 63_082_496
    assert abs(size(base) / 65e6 - 1) < 0.03  # "65 × 10⁶" in their Table 3
    big = Transformer(units, units, 1024, 16, 6, 4096, shared=True, device="meta")
    assert abs(size(big) / 213e6 - 1) < 0.03


def test_padding_changes_nothing():
    ours = model()
    longer = F.pad(SOURCE, (0, 6), value=PAD)
    assert_close(ours.log_prob(longer, TARGET), ours.log_prob(SOURCE, TARGET), **EXACT)
    assert_close(ours.log_prob(SOURCE, F.pad(TARGET, (0, 3))), ours.log_prob(SOURCE, TARGET), **EXACT)
    alone = torch.cat([ours.log_prob(SOURCE[i : i + 1, :n], TARGET[i : i + 1]) for i, n in enumerate((5, 2, 4))])
    assert_close(alone, ours.log_prob(SOURCE, TARGET), **EXACT)


def test_probabilities_of_all_sequences_sum_to_one():
    small = Transformer(11, 5, d_model=6, n_heads=3, n_layers=1, d_ff=7, dropout=0, generator=stream(), dtype=F64)
    source, total = SOURCE[:1], 0.0
    for said in itertools.product(range(1, 5), repeat=2):  # all continuations without padding
        total += small.log_prob(source, torch.tensor([said])).exp().item()
    first = small(source, torch.tensor([[START]])).softmax(-1)[0, 0]
    for word in range(1, 5):
        second = small(source, torch.tensor([[START, word]])).softmax(-1)[0, 1]
        total += (first[word] * second[PAD]).item()  # what padding would have got
    assert total + first[PAD].item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("norm_first", [False, True])
def test_steps_are_the_model_at_once(norm_first):
    ours, target_in = model(norm_first), shift_right(TARGET)
    wanted = ours(SOURCE, target_in).log_softmax(dim=-1)
    state = ours.start(SOURCE)
    for t in range(target_in.shape[1]):
        log_p, state = ours.step(target_in[:, t], state)
        assert_close(log_p, wanted[:, t], **EXACT)
    rows = torch.tensor([2, 0, 0])
    moved, _ = ours.step(torch.tensor([4, 5, 6]), reorder(state, rows))
    again = torch.cat([target_in[rows], torch.tensor([[4], [5], [6]])], dim=1)
    assert_close(moved, ours(SOURCE[rows], again).log_softmax(dim=-1)[:, -1], **EXACT)


def test_it_can_be_searched():
    ours = model()
    found = greedy(ours, SOURCE, max_length=6)
    beams = beam_search(ours, SOURCE, width=1, max_length=6)
    assert [beam[0].tokens for beam in beams] == found
    for row, beam in enumerate(beam_search(ours, SOURCE, width=3, max_length=6)):
        for hypothesis in beam:
            log_prob = ours.log_prob(SOURCE[row : row + 1], torch.tensor([hypothesis.tokens])).item()
            assert hypothesis.log_prob == pytest.approx(log_prob, abs=1e-5)


@pytest.mark.parametrize("norm_first", [False, True])
def test_watching_the_model(norm_first):
    ours, target_in = model(norm_first), shift_right(TARGET)
    look = ours.watch(SOURCE, target_in)
    assert [len(part) for part in look] == [2, 2, 2]
    x = ours._enter(SOURCE, ours.source_embedding)
    x, own = ours.encoder[0].watch(x, (SOURCE != PAD)[:, None])
    assert_close(look.encoder[0], own, **EXACT)
    memory, mask = ours.encode(SOURCE)
    y = ours._enter(target_in, ours.target_embedding)
    for layer, wanted in zip(ours.decoder, zip(look.decoder, look.across, strict=True), strict=True):
        y, *weights = layer.watch(y, memory, memory_mask=mask, causal=True)
        for a, b in zip(weights, wanted, strict=True):
            assert_close(a, b, **EXACT)
    assert_close(ours._score(y), ours(SOURCE, target_in), **EXACT)


def test_the_future_is_not_seen():
    ours = model()
    changed = shift_right(TARGET).clone()
    changed[:, 3:] = 12
    a, b = ours(SOURCE, shift_right(TARGET)), ours(SOURCE, changed)
    assert torch.equal(a[:, :3], b[:, :3])
    assert not torch.isclose(a[:, 3:], b[:, 3:]).all()


def test_dropout_is_on_sublayers_and_embeddings_only():
    layer = EncoderLayer(6, 3, 11, 1.0, norm_first=True)  # all that sub-layers say is dropped
    assert torch.equal(layer(X.float()), X.float())
    assert not torch.equal(layer.eval()(X.float()), X.float())


def test_it_learns_to_reverse():
    torch.manual_seed(0)
    translator = Transformer(14, 14, d_model=32, n_heads=4, n_layers=1, d_ff=64, dropout=0, longest=8)
    draws, optimizer = stream(), torch.optim.Adam(translator.parameters(), lr=5e-3)
    for _ in range(250):
        words = torch.randint(4, 14, (64, 5), generator=draws)
        source, target = F.pad(words, (0, 1), value=END), F.pad(words.flip(1), (0, 1), value=END)
        loss = -translator.log_prob(source, target).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    words = torch.randint(4, 14, (50, 5), generator=stream(1))
    said = greedy(translator, F.pad(words, (0, 1), value=END), max_length=8)
    right = sum(a == [*b, END] for a, b in zip(said, words.flip(1).tolist(), strict=True))
    assert right > 45


def test_shared_embeddings_are_one():
    ours = Transformer(13, 13, d_model=6, n_heads=3, n_layers=1, d_ff=7, shared=True)
    assert ours.source_embedding is ours.target_embedding
    assert size(ours) == size(Transformer(13, 13, d_model=6, n_heads=3, n_layers=1, d_ff=7)) - 13 * 6


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # vmap runs torch's fused kernel one by one
def test_composes_with_torch():
    ours = model(dtype=torch.float32)
    target_in = shift_right(TARGET)
    wanted = ours(SOURCE, target_in)
    assert_close(torch.compile(ours, fullgraph=True, backend="eager")(SOURCE, target_in), wanted)
    assert torch.equal(copy.deepcopy(ours)(SOURCE, target_in), wanted)
    each = torch.func.vmap(lambda s, t: ours(s[None], t[None])[0])(SOURCE, target_in)
    assert_close(each, wanted)
    weights = {k: 2 * v for k, v in ours.state_dict().items()}
    doubled = copy.deepcopy(ours)
    doubled.load_state_dict(weights)
    assert_close(torch.func.functional_call(ours, weights, (SOURCE, target_in)), doubled(SOURCE, target_in))
    assert model(dtype=torch.bfloat16)(SOURCE, target_in).dtype == torch.bfloat16
    meta = Transformer(11, 13, d_model=6, n_heads=3, n_layers=1, d_ff=7, device="meta")
    assert meta(SOURCE.to("meta"), target_in.to("meta")).shape == (3, 5, 13)


def test_the_embedding_may_be_wider_than_the_past_of_other_models():
    fresh = Transformer(40, 50, d_model=64, n_heads=4, n_layers=1, d_ff=7, generator=stream())
    assert fresh.source_embedding.weight.norm(dim=1).mean().item() == pytest.approx(1, abs=0.03)
    assert all(name != "codes" for name in fresh.state_dict())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Transformer(11, 13, 6, 3, 1, shared=True), "one size, found 11 and 13"),
        (lambda: Transformer(11, 13, 6, 3, 0), "at least one layer, found n_layers = 0"),
        (lambda: Transformer(11, 13, 7, 3, 1), "multiple of n_heads, found 7 and 3"),
        (lambda: model().encode(torch.full((2, 18), 5)), r"17 positions \(longest\), found a sentence of 18"),
        (lambda: model()(SOURCE, torch.full((3, 18), 5)), "found a sentence of 18"),
        (lambda: model()(SOURCE + 500, TARGET), "words are numbered 0 to .*, found 50"),
        (lambda: model()(SOURCE, SOURCE[:2]), r"target_in is \(3, t\)"),
        (lambda: model().log_prob(SOURCE, TARGET[:2]), r"target is \(3, t\)"),
        (lambda: EncoderLayer(6, 3)(noise(2, 5, 7)), r"query is \(b, q, 6\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("assign", [False, True])
def test_a_model_made_on_meta_has_its_positions_when_its_weights_come(assign):
    sizes = {"d_model": 6, "n_heads": 3, "n_layers": 1, "d_ff": 11, "longest": 13}
    ours, empty = Transformer(17, 19, **sizes, generator=stream()), Transformer(17, 19, **sizes, device="meta")
    if not assign:
        empty = empty.to_empty(device="cpu")
        empty.codes.fill_(torch.nan)  # whatever lay in memory
    empty.load_state_dict(ours.state_dict(), assign=assign)
    assert torch.equal(empty.codes, sinusoids(13, 6))
    assert torch.equal(empty.eval()(SOURCE, TARGET), ours.eval()(SOURCE, TARGET))
