"""A decoder that looks back against one word at a time, its equations by loops, and laws of masks and sums."""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.attention import AdditiveAttention, MultiplicativeAttention
from dlbook.sequences.attentive import AttentiveDecoder, AttentiveSeq2Seq, Memory
from dlbook.sequences.beam_search import beam_search, greedy
from dlbook.sequences.seq2seq import Encoder, loss, shift_right
from dlbook.sequences.vocabulary import END, PAD, START, pad

SOURCE = pad([[7, 5, 9, 4], [8], [6, 6, 10]])  # words below 11
TARGET = pad([[5, 4], [9, 12, 8, 7], [11]])  # below 13
EXACT = {"rtol": 0, "atol": 1e-12}
SCORES = ["additive", "multiplicative"]


def model(score="additive", *, words=(11, 13), sizes=(3, 5), dtype=F64, seed=0):
    embedding, hidden = sizes
    draws = stream(seed)
    look = {
        "additive": lambda: AdditiveAttention(hidden, hidden, 17, generator=draws, dtype=dtype),
        "multiplicative": lambda: MultiplicativeAttention(hidden, hidden, generator=draws, dtype=dtype),
    }[score]()
    encoder = Encoder(words[0], embedding, hidden, generator=draws, dtype=dtype)
    decoder = AttentiveDecoder(words[1], embedding, hidden, look, generator=draws, dtype=dtype)
    return AttentiveSeq2Seq(encoder, decoder)


@pytest.mark.parametrize("score", SCORES)
def test_is_the_equations_of_luong_one_word_at_a_time(score):
    translator = model(score)
    decoder = translator.decoder
    scores, weights = translator(SOURCE, shift_right(TARGET)), translator.align(SOURCE, TARGET)
    theirs = torch.nn.GRU(3, 5, batch_first=True, dtype=F64)
    theirs.load_state_dict(decoder.layer.state_dict())
    for row, length in enumerate((5, 2, 4)):
        memory, last = translator.encoder(SOURCE[row : row + 1, :length])
        words = shift_right(TARGET)[row : row + 1]
        states, _ = theirs(decoder.embedding(words), last)
        for t, h in enumerate(states[0]):
            seen, w = decoder.attention(h[None], memory[0], memory[0])
            inner = torch.tanh(decoder.inner.weight @ torch.cat([seen[0], h]) + decoder.inner.bias)
            assert_close(scores[row, t], decoder.embedding.weight @ inner + decoder.out.bias, **EXACT)
            assert_close(weights[row, t, :length], w[0], **EXACT)
            assert (weights[row, t, length:] == 0).all()


@pytest.mark.parametrize("score", SCORES)
def test_padding_of_the_source_changes_nothing(score):
    translator = model(score)
    longer = F.pad(SOURCE, (0, 6), value=PAD)
    assert_close(translator.log_prob(longer, TARGET), translator.log_prob(SOURCE, TARGET), **EXACT)
    assert_close(translator.align(longer, TARGET)[..., :5], translator.align(SOURCE, TARGET), **EXACT)


@pytest.mark.parametrize("score", SCORES)
def test_log_prob_is_the_sum_of_the_steps(score):
    translator = model(score)
    wanted = []
    for row, words in enumerate(([5, 4, END], [9, 12, 8, 7, END], [11, END])):
        state, before, total = translator.start(SOURCE[row : row + 1]), START, 0.0
        for word in words:
            log_p, state = translator.step(torch.tensor([before]), state)
            total += log_p[0, word].item()
            before = word
        wanted.append(total)
    assert_close(translator.log_prob(SOURCE, TARGET), torch.tensor(wanted, dtype=F64), **EXACT)
    assert_close(translator.log_prob(SOURCE, F.pad(TARGET, (0, 3))), torch.tensor(wanted, dtype=F64), **EXACT)
    total = loss(translator(SOURCE, shift_right(TARGET)), TARGET, reduction="sum")
    assert_close(total, -translator.log_prob(SOURCE, TARGET).sum(), **EXACT)


def test_the_probabilities_of_all_outputs_sum_to_one():
    translator = model(words=(5, 5), sizes=(2, 3))
    with torch.no_grad():
        translator.decoder.out.bias[PAD] = -math.inf
    ended = [[*w, END] for n in range(3) for w in itertools.product([1, 3, 4], repeat=n)]
    going_on = [list(w) for w in itertools.product([1, 3, 4], repeat=3)]
    everything = pad(ended + going_on, end=False)
    p = translator.log_prob(torch.tensor([[4, 3, 2]]).expand(len(everything), 3), everything).exp()
    assert math.isclose(p.sum().item(), 1, rel_tol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_can_be_searched_and_beams_of_full_width_find_the_best_of_all(score):
    translator = model(score, words=(11, 5), sizes=(2, 3))
    with torch.no_grad():
        translator.decoder.out.bias[PAD] = -1e4  # log of nothing, but a number
    ended = [[*w, END] for n in range(3) for w in itertools.product([1, 3, 4], repeat=n)]
    found = beam_search(translator, SOURCE, width=64, max_length=3)
    for row, best in enumerate(found):
        p = translator.log_prob(SOURCE[row : row + 1].expand(len(ended), -1), pad(ended, end=False))
        assert best[0].tokens == ended[int(p.argmax())]
        assert math.isclose(best[0].log_prob, p.max().item(), rel_tol=1e-5)
    first = [one[0].tokens for one in beam_search(translator, SOURCE, width=1, max_length=4)]
    assert first == greedy(translator, SOURCE, max_length=4)


def test_a_larger_memory_than_the_state_is_allowed():
    draws = stream()
    look = AdditiveAttention(5, 7, 17, generator=draws)
    decoder = AttentiveDecoder(13, 3, 5, look, memory=7, generator=draws)
    memory = decoder.memorize(noise(3, 5, 7, dtype=torch.float32), SOURCE)
    scores, state, weights = decoder(shift_right(TARGET), torch.zeros(1, 3, 5), memory)
    assert (scores.shape, state.shape, weights.shape) == ((3, 5, 13), (1, 3, 5), (3, 5, 5))


def test_tied_scores_and_all_parameters_are_drawn_from_the_stream():
    one, two = model(), model()
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    decoder = one.decoder
    assert decoder.out.weight is decoder.embedding.weight
    large = AttentiveDecoder(1000, 64, 16, MultiplicativeAttention(16, 16), generator=stream())
    assert math.isclose(large.embedding.weight.std().item(), 1 / 8, rel_tol=0.02)
    for parameter, inputs in ((large.inner.weight, 32), (large.out.bias, 64)):
        assert 0.9 * inputs**-0.5 < parameter.abs().max() <= inputs**-0.5


def test_a_look_back_learns_to_reverse_what_it_copies():
    # 200 strings of 3 to 6 letters are overfitted; whoever writes the last letter first looks at it
    stream_ = stream()
    strings = [torch.randint(4, 9, (n,), generator=stream_).tolist() for n in [3, 4, 5, 6] * 16]
    source, target = pad(strings), pad([s[::-1] for s in strings])
    translator = model(words=(9, 9), sizes=(16, 32), dtype=torch.float32)
    optimizer = torch.optim.Adam(translator.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss(translator(source, shift_right(target)), target).backward()
        optimizer.step()
    assert greedy(translator, source, max_length=8) == [[*s[::-1], END] for s in strings]


@pytest.mark.parametrize("score", SCORES)
def test_composes_with_torch(score):
    translator = model(score, dtype=torch.float32)
    inputs = SOURCE, shift_right(TARGET)
    wanted = translator(*inputs)
    assert_close(torch.compile(translator, fullgraph=True, backend="eager")(*inputs), wanted)
    assert torch.equal(copy.deepcopy(translator)(*inputs), wanted)
    each = torch.func.vmap(lambda s, t: translator(s[None], t[None])[0])(*inputs)
    assert_close(each, wanted)
    doubled = copy.deepcopy(translator)
    weights = {name: 2 * value for name, value in translator.named_parameters()}  # tied ones are named once
    doubled.load_state_dict(weights | {"decoder.out.weight": weights["decoder.embedding.weight"]})
    assert_close(torch.func.functional_call(translator, weights, inputs), doubled(*inputs))
    assert translator.to(torch.bfloat16)(*inputs).dtype == torch.bfloat16
    on_meta = AttentiveDecoder(13, 3, 5, MultiplicativeAttention(5, 5, device="meta"), device="meta")
    memory = on_meta.memorize(torch.zeros(3, 5, 5, device="meta"), SOURCE.to("meta"))
    assert on_meta(TARGET.to("meta"), torch.zeros(1, 3, 5, device="meta"), memory)[0].shape == (3, 5, 13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.decoder(TARGET[0], torch.zeros(1, 3, 5), Memory(*[torch.zeros(1)] * 3)), r"tokens is \(b, t\)"),
        (lambda m: m.decoder(TARGET, torch.zeros(1, 3, 4), m.read(SOURCE)[1]), r"state is \(1, 3, 5\), found"),
        (
            lambda m: m.decoder.memorize(torch.zeros(3, 5, 5), SOURCE[:, :4]),
            r"source is \(3, 5\), found shape \(3, 4\)",
        ),
        (lambda m: m.decoder.memorize(torch.zeros(3, 5, 4, dtype=F64), SOURCE), r"key is \(..., k, 5\)"),
        (lambda m: m.log_prob(SOURCE, TARGET[:2]), r"target is \(3, t\) .*found shape \(2, 5\)"),
        (lambda m: m(SOURCE * 0, TARGET), "a query sees no key"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(model())
