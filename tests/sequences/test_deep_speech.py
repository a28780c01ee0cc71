"""Deep Speech 2 against torch's batch normalization, GRU and convolution, and laws of padding and order."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, shaken, size, stream
from dlbook.sequences.ctc import ctc_loss
from dlbook.sequences.ctc_decoding import ctc_decode
from dlbook.sequences.deep_speech import BidirectionalGRU, DeepSpeech, SequenceNorm, clipped_relu, sorta_grad


def mask_of(lengths, t):
    return (torch.arange(t) < torch.tensor(lengths)[:, None])[..., None]


def test_norm_matches_torch_on_all_frames_that_count():
    ours, theirs = shaken(SequenceNorm(5)), nn.BatchNorm1d(5, dtype=F64)
    theirs.load_state_dict({**ours.state_dict(), "num_batches_tracked": torch.tensor(0)})
    x, lengths = 3 + 2 * noise(3, 7, 5), [7, 4, 2]
    mask = mask_of(lengths, 7)
    frames = torch.cat([one[:n] for one, n in zip(x, lengths, strict=True)])
    wanted = theirs(frames)
    found = ours(x, mask)
    assert_close(torch.cat([one[:n] for one, n in zip(found, lengths, strict=True)]), wanted, rtol=1e-12, atol=1e-12)
    assert_close(ours.running_mean, theirs.running_mean, rtol=1e-12, atol=1e-12)
    assert_close(ours.running_var, theirs.running_var, rtol=1e-12, atol=1e-12)
    ours.eval(), theirs.eval()
    assert_close(ours(x).flatten(0, 1), theirs(x.flatten(0, 1)), rtol=1e-12, atol=1e-12)


def test_norm_without_a_mask_counts_all_frames():
    x = noise(3, 7, 5)
    assert_close(SequenceNorm(5).to(F64)(x).flatten(0, 1), nn.BatchNorm1d(5, dtype=F64)(x.flatten(0, 1)))


def plain_norms(layer):
    """Make the norms of an evaluated layer the identity."""
    for norm in layer.norms:
        norm.running_var.fill_(1 - norm.eps)
    return layer.eval()


@pytest.mark.parametrize("lengths", [None, [11, 7, 2]])
def test_without_its_norms_the_layer_is_torchs_gru_with_directions_added(lengths):
    ours = plain_norms(BidirectionalGRU(3, 5, generator=stream()).to(F64))
    theirs = nn.GRU(3, 5, batch_first=True, bidirectional=True, bias=False, dtype=F64)
    with torch.no_grad():
        for i, end in enumerate(("", "_reverse")):
            theirs.get_parameter(f"weight_ih_l0{end}").copy_(ours.weight_ih[i])
            theirs.get_parameter(f"weight_hh_l0{end}").copy_(ours.weight_hh[i])
    x = noise(3, 11, 3)
    if lengths is None:
        both, found = theirs(x)[0], ours(x)
    else:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        both, found = (
            nn.utils.rnn.pad_packed_sequence(theirs(packed)[0], batch_first=True)[0],
            ours(x, torch.tensor(lengths)),
        )
    assert_close(found, both[..., :5] + both[..., 5:], rtol=1e-12, atol=1e-12)


def test_only_what_comes_from_below_is_normalized():
    # twice the weights from below change nothing, twice those from the state before do
    layer, x = BidirectionalGRU(3, 5, generator=stream()).to(F64), 100 * noise(2, 7, 3)  # so large that ε is nothing
    wanted = layer(x)
    with torch.no_grad():
        layer.weight_ih.mul_(2)
        assert_close(layer(x), wanted, rtol=1e-4, atol=1e-5)
        layer.weight_hh.mul_(2)
        assert (layer(x) - wanted).abs().max() > 0.01


def test_model_is_its_parts():
    model = shaken(DeepSpeech(7, 5, channels=11, hidden_size=3, kernel=3, generator=stream())).eval()
    x = noise(2, 13, 7)
    h = x
    for convolution, norm in zip(model.convolutions, model.norms, strict=True):
        h = torch.nn.functional.conv1d(h.mT, convolution.weight, stride=2, padding=1).mT
        h = (h - norm.running_mean) / (norm.running_var + 1e-5).sqrt() * norm.weight + norm.bias
        h = h.clamp(min=0).clamp(max=20)
    wanted = model.recurrent[0](h) @ model.scores.weight.T + model.scores.bias
    scores, lengths = model(x)
    assert_close(scores, wanted, rtol=1e-12, atol=1e-12)
    assert lengths.tolist() == [4, 4]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(layers, training):
    model = shaken(DeepSpeech(7, 5, channels=11, hidden_size=3, num_layers=layers, generator=stream()))
    model.train(training)
    x, lengths = noise(3, 23, 7), torch.tensor([23, 17, 6])
    longer = torch.cat([x, noise(3, 9, 7, seed=1)], dim=1)
    longer[1, 17:], longer[2, 6:] = 5.0, -7.0
    scores, ends = model(x, lengths)
    again, more = model(longer, lengths)
    assert ends.tolist() == more.tolist() == [6, 5, 2]
    for i, end in enumerate(ends):
        assert_close(again[i, :end], scores[i, :end], rtol=1e-10, atol=1e-12)
        if not training:
            assert_close(model(x[i : i + 1, : lengths[i]])[0][0], scores[i, :end], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("strides", [(1,), (3,), (2, 1, 3)])
def test_without_recurrent_layers_it_is_convolutions_of_any_stride(strides):
    model = shaken(DeepSpeech(7, 5, channels=11, num_layers=0, kernel=5, strides=strides, generator=stream())).eval()
    for t in (13, 14, 15):
        x = noise(2, t, 7)
        h = x
        for convolution, norm, stride in zip(model.convolutions, model.norms, strides, strict=True):
            h = torch.nn.functional.conv1d(h.mT, convolution.weight, stride=stride, padding=2).mT
            h = clipped_relu(norm(h))
        scores, lengths = model(x)
        assert_close(scores, h @ model.scores.weight.T + model.scores.bias, rtol=1e-12, atol=1e-12)
        assert lengths.tolist() == [h.shape[1]] * 2


def test_scores_look_both_ways():
    model = shaken(DeepSpeech(7, 5, channels=11, hidden_size=3, generator=stream())).eval()
    x = noise(1, 40, 7).requires_grad_()
    for t in (0, 9):
        (gradient,) = torch.autograd.grad(model(x)[0][0, t].sum(), x)
        assert (gradient[0].abs().sum(-1) > 0).all()


def test_tones_are_learned_with_ctc():
    # each label is a pattern of features that lasts two to four frames; the order is read from unaligned strings
    generator = stream()
    patterns = torch.randn(3, 7, generator=generator)

    def string(count):
        labels = torch.randint(0, 3, (count,), generator=generator)
        pieces = [patterns[k].repeat(8, 1) for k in labels for _ in range(1)]
        silence = [torch.zeros(8, 7) for _ in pieces]
        frames = torch.cat([f for pair in zip(silence, pieces, strict=True) for f in pair] + [torch.zeros(8, 7)])
        return frames + 0.1 * torch.randn(frames.shape, generator=generator), labels + 1

    def batch(count, size):
        rows = [string(count) for _ in range(size)]
        return torch.stack([f for f, _ in rows]), torch.stack([y for _, y in rows])

    model = DeepSpeech(7, 4, channels=16, hidden_size=16, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for k in range(80):
        x, y = batch(1 + k // 20, 16)
        loss = ctc_loss(model(x)[0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    x, y = batch(6, 20)
    right = [found == wanted for found, wanted in zip(ctc_decode(model(x)[0]), y.tolist(), strict=True)]
    assert sum(right) >= 18


def test_same_generator_same_weights_in_torchs_range():
    one, other = (DeepSpeech(7, 5, generator=stream()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert one.convolutions[0].weight.abs().max() <= 49**-0.5
    assert one.recurrent[0].weight_hh.abs().max() <= 48**-0.5
    # 7·48·7 + 48·48·7 weights of convolutions, 4·48 of their norms, 2·(144·48·2 + 288), and 48·5 + 5
    assert size(one) == 7 * 48 * 7 + 48 * 48 * 7 + 192 + 2 * (144 * 96 + 288) + 245


def test_clipped_relu_by_hand():
    assert clipped_relu(torch.tensor([-2.0, 0.5, 19.0, 21.0])).tolist() == [0, 0.5, 19, 20]


def test_sorta_grad_goes_from_short_to_long_once():
    lengths = torch.randint(1, 100, (53,), generator=stream()).tolist()
    first = sorta_grad(lengths, 7, epoch=0, generator=stream())
    longest = [max(lengths[i] for i in batch) for batch in first]
    assert longest == sorted(longest)
    assert sorted(i for batch in first for i in batch) == list(range(53))
    assert [len(batch) for batch in first] == [7] * 7 + [4]
    later = sorta_grad(lengths, 7, epoch=1, generator=stream())
    assert later != first
    assert sorted(later) == sorted(first)
    assert later == sorta_grad(lengths, 7, epoch=2, generator=stream())


def test_composes_with_torch():
    model = DeepSpeech(7, 5, channels=11, hidden_size=3, generator=stream()).eval()
    x, lengths = noise(2, 13, 7, dtype=torch.float32), torch.tensor([13, 7])
    wanted = model(x, lengths)[0]
    assert_close(torch.compile(lambda x, n: model(x, n)[0], fullgraph=True, backend="eager")(x, lengths), wanted)
    trained = copy.deepcopy(model).train()
    again = copy.deepcopy(trained)
    assert_close(
        torch.compile(lambda x, n: again(x, n)[0], fullgraph=True, backend="eager")(x, lengths), trained(x, lengths)[0]
    )
    assert_close(again.norms[0].running_mean, trained.norms[0].running_mean)
    each = torch.func.vmap(lambda x, n: model(x[None], n[None])[0][0])(x, lengths)
    assert_close(each, wanted)
    doubled = {k: 2 * v for k, v in model.state_dict().items()}
    other = copy.deepcopy(model)
    other.load_state_dict(doubled)
    assert_close(torch.func.functional_call(model, doubled, (x, lengths))[0], other(x, lengths)[0])
    assert model.to(torch.bfloat16)(x.bfloat16(), lengths)[0].dtype == torch.bfloat16
    assert DeepSpeech(7, 5, device="meta")(x.to("meta"))[0].shape == (2, 4, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DeepSpeech(7, 5, kernel=4), r"kernel is odd, found 7, 5, 48, 48, 4, strides \(2, 2\) and 1 layers"),
        (lambda: DeepSpeech(7, 5)(torch.zeros(2, 13, 6)), r"x is \(b, t, 7\).*found shape \(2, 13, 6\)"),
        (lambda: DeepSpeech(7, 5)(torch.zeros(2, 13, 7), torch.tensor([13])), r"lengths is \(2,\)"),
        (lambda: DeepSpeech(7, 5)(torch.zeros(2, 13, 7), torch.tensor([13, 14])), r"1 to 13.*found \[13, 14\]"),
        (lambda: DeepSpeech(7, 5)(torch.zeros(2, 13, 7), torch.tensor([13, 0])), r"1 to 13.*found \[13, 0\]"),
        (lambda: SequenceNorm(5)(torch.zeros(2, 3, 5), torch.ones(2, 3)), r"mask is \(2, 3, 1\)"),
        (lambda: SequenceNorm(5)(torch.zeros(2, 3, 4)), r"x is \(b, t, 5\)"),
        (lambda: BidirectionalGRU(3, 5)(torch.zeros(2, 7, 4)), r"x is \(b, t, 3\)"),
        (lambda: sorta_grad([3, 4], 0, epoch=0, generator=stream()), "found 0 and 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
