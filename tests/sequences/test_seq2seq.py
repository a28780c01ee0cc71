"""Encoder and decoder against sentences read one at a time, and probabilities against sums over everything."""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.sequences.seq2seq import Decoder, Encoder, Seq2Seq, loss, shift_right
from dlbook.sequences.vocabulary import END, PAD, START, pad

SOURCE = pad([[7, 5, 9, 4], [8], [6, 6, 10]])
TARGET = pad([[5, 4], [9, 12, 8, 7], [11]])
EXACT = {"rtol": 0, "atol": 1e-12}


def model(tied=False, dtype=F64, seed=0):
    draws = stream(seed)
    encoder = Encoder(11, 3, 5, generator=draws, dtype=dtype)
    return Seq2Seq(encoder, Decoder(13, 7, 5, tied=tied, generator=draws, dtype=dtype))


def test_padding_changes_nothing():
    encoder = model().encoder
    states, last = encoder(SOURCE)
    longer = F.pad(SOURCE, (0, 6), value=PAD)
    more_states, more_last = encoder(longer)
    assert_close(more_last, last, **EXACT)
    assert_close(more_states[:, :5], states, **EXACT)
    assert torch.equal(more_states[:, 5:], torch.zeros(3, 6, 5, dtype=F64))


def test_a_batch_is_its_sentences_one_at_a_time():
    encoder = model().encoder
    states, last = encoder(SOURCE)
    for row, length in enumerate((5, 2, 4)):
        alone, end = encoder(SOURCE[row : row + 1, :length])
        assert_close(states[row, :length], alone[0], **EXACT)
        assert_close(last[:, row], end[:, 0], **EXACT)
        assert_close(end[0, 0], alone[0, -1], **EXACT)


def test_the_encoder_is_torchs_gru_on_packed_sentences():
    encoder = model().encoder
    theirs = torch.nn.GRU(3, 5, batch_first=True, dtype=F64)
    theirs.load_state_dict(encoder.layer.state_dict())
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        encoder.embedding(SOURCE), torch.tensor([5, 2, 4]), batch_first=True, enforce_sorted=False
    )
    states, last = theirs(packed)
    assert_close(encoder(SOURCE)[0], torch.nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0], **EXACT)
    assert_close(encoder(SOURCE)[1], last, **EXACT)


@pytest.mark.parametrize("tied", [False, True])
def test_the_decoder_word_by_word_is_the_decoder_at_once(tied):
    decoder = model(tied).decoder
    state = noise(1, 3, 5)
    scores, last = decoder(TARGET, state)
    for t in range(TARGET.shape[1]):
        one, state = decoder(TARGET[:, t : t + 1], state)
        assert_close(one[:, 0], scores[:, t], **EXACT)
    assert_close(state, last, **EXACT)


def test_tied_scores_are_products_with_the_embedding():
    decoder = model(tied=True).decoder
    state = noise(1, 2, 5)
    scores, last = decoder(torch.tensor([[1], [4]]), state)
    inner = last[0] @ decoder.inner.weight.T + decoder.inner.bias
    assert_close(scores[:, 0], inner @ decoder.embedding.weight.T + decoder.out.bias, **EXACT)
    with torch.no_grad():
        decoder.embedding.weight.zero_()
    assert_close(decoder(torch.tensor([[1], [4]]), state)[0][:, 0], decoder.out.bias.expand(2, 13), **EXACT)
    assert len(list(decoder.parameters())) == len(list(model().decoder.parameters())) + 1  # one less, two more


def test_log_prob_is_the_sum_of_the_steps():
    translator = model()
    wanted = []
    for row, words in enumerate(([5, 4, END], [9, 12, 8, 7, END], [11, END])):
        state, before, total = translator.start(SOURCE[row : row + 1]), START, 0.0
        for word in words:
            log_p, state = translator.step(torch.tensor([before]), state)
            assert math.isclose(log_p.exp().sum().item(), 1, rel_tol=1e-12)
            total += log_p[0, word].item()
            before = word
        wanted.append(total)
    assert_close(translator.log_prob(SOURCE, TARGET), torch.tensor(wanted, dtype=F64), **EXACT)
    assert_close(translator.log_prob(SOURCE, F.pad(TARGET, (0, 3))), torch.tensor(wanted, dtype=F64), **EXACT)


def test_the_probabilities_of_all_outputs_sum_to_one():
    # v words without padding among them: those that ended within three steps, and all that go on
    draws = stream()
    translator = Seq2Seq(Encoder(5, 2, 3, generator=draws, dtype=F64), Decoder(5, 2, 3, generator=draws, dtype=F64))
    with torch.no_grad():
        translator.decoder.out.bias[PAD] = -math.inf
    open_words = [1, 3, 4]
    ended = [[*w, END] for n in range(3) for w in itertools.product(open_words, repeat=n)]
    going_on = [list(w) for w in itertools.product(open_words, repeat=3)]
    everything = pad(ended + going_on, end=False)
    p = translator.log_prob(torch.tensor([[4, 3, 2]]).expand(len(everything), 3), everything).exp()
    assert math.isclose(p.sum().item(), 1, rel_tol=1e-12)


def test_the_loss_is_the_mean_surprise_of_words():
    translator = model()
    scores = translator(SOURCE, shift_right(TARGET))
    words = int((TARGET != PAD).sum())
    total = -translator.log_prob(SOURCE, TARGET).sum()
    assert_close(loss(scores, TARGET), total / words, **EXACT)
    assert_close(loss(scores, TARGET, reduction="sum"), total, rtol=1e-12, atol=0)
    each = loss(scores, TARGET, reduction="none")
    assert_close(each.sum(dim=1), -translator.log_prob(SOURCE, TARGET), **EXACT)
    assert torch.equal(each[TARGET == PAD], torch.zeros(int((TARGET == PAD).sum()), dtype=F64))


def test_what_the_decoder_reads_by_hand():
    assert shift_right(torch.tensor([[7, 5, 2], [9, 2, 0]])).tolist() == [[1, 7, 5], [1, 9, 2]]


def test_the_past_ignores_the_future_and_the_source_matters():
    translator = model()
    read = shift_right(TARGET)
    scores = translator(SOURCE, read)
    later = read.clone()
    later[:, 3:] = 6
    assert torch.equal(translator(SOURCE, later)[:, :3], scores[:, :3])
    other = SOURCE.clone()
    other[:, 0] = 4
    assert not torch.isclose(translator(other, read)[:, 0], scores[:, 0]).any()


def test_weights_come_from_the_stream():
    translator, again, other = model(), model(), model(seed=1)
    for a, b, c in zip(translator.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    large = Decoder(1009, 64, 100, generator=stream())
    assert abs(large.embedding.weight.std() - 1 / 8) < 0.002
    for parameter in (*large.layer.parameters(), *large.out.parameters()):
        assert 0.095 < parameter.abs().max() <= 0.1


def test_a_handful_of_pairs_is_learned_by_heart():
    translator = model(tied=True, dtype=torch.float32)
    optimizer = torch.optim.Adam(translator.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss(translator(SOURCE, shift_right(TARGET)), TARGET).backward()
        optimizer.step()
    assert translator.log_prob(SOURCE, TARGET).exp().min() > 0.9


def test_composes_with_torch():
    translator = model(tied=True, dtype=torch.float32)
    read = shift_right(TARGET)
    wanted = translator(SOURCE, read).detach()
    compiled = torch.compile(translator, fullgraph=True, backend="eager")
    assert_close(compiled(SOURCE, read), wanted)
    assert_close(torch.compile(loss, fullgraph=True, backend="eager")(wanted, TARGET), loss(wanted, TARGET))
    assert torch.equal(copy.deepcopy(translator)(SOURCE, read), wanted)
    each = torch.func.vmap(lambda s, t: translator(s[None], t[None])[0])(SOURCE, read)
    assert_close(each, wanted)
    weights = {name: 2 * value for name, value in translator.named_parameters()}
    doubled = copy.deepcopy(translator)
    doubled.load_state_dict({name: 2 * value for name, value in translator.state_dict().items()})
    assert doubled.decoder.out.weight is doubled.decoder.embedding.weight
    assert_close(torch.func.functional_call(translator, weights, (SOURCE, read)), doubled(SOURCE, read))
    half = copy.deepcopy(translator).to(torch.bfloat16)
    assert half(SOURCE, read).dtype == half.log_prob(SOURCE, TARGET).dtype == torch.bfloat16
    draws = {"device": "meta", "generator": stream()}
    empty = Seq2Seq(Encoder(11, 3, 5, **draws), Decoder(13, 3, 5, tied=True, **draws))
    assert empty(SOURCE.to("meta"), read.to("meta")).shape == (3, 5, 13)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: model().encoder(torch.tensor([7, 2])), r"source is \(b, s\) .*found shape \(2,\)"),
        (lambda: model().encoder(torch.zeros(2, 0, dtype=torch.int64)), "at least 1"),
        (lambda: model().decoder(TARGET, noise(3, 5)), r"state is \(1, 3, 5\), found shape \(3, 5\)"),
        (lambda: model().decoder(TARGET, noise(1, 2, 5)), r"state is \(1, 3, 5\), found shape \(1, 2, 5\)"),
        (lambda: model().decoder(TARGET[0], noise(1, 3, 5)), r"tokens is \(b, t\)"),
        (lambda: model().log_prob(SOURCE, TARGET[:2]), r"target is \(3, t\) .*found shape \(2, 5\)"),
        (lambda: model().encoder(torch.tensor([[7, 99, 2]])), "words are numbered 0 to .*, found 2 to 99"),
        (lambda: model().decoder(torch.tensor([[1, -3]]), noise(1, 1, 5)), "words are numbered 0 to .*, found -3 to 1"),
        (lambda: loss(noise(3, 4, 13), TARGET), r"target is \(3, 4\), found shape \(3, 5\)"),
        (lambda: loss(noise(3, 13), TARGET), r"scores is \(b, t, v\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
