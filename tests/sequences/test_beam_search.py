"""Search against all sequences that there are, against the model's own probabilities, and in trees worked by hand."""

import itertools
import math

import pytest
import torch

from common import F64, stream
from dlbook.sequences.beam_search import beam_search, greedy, reorder
from dlbook.sequences.seq2seq import Decoder, Encoder, Seq2Seq
from dlbook.sequences.vocabulary import END, PAD, START, pad

A, B = 4, 5


class Tree:
    """Probabilities of the next word by what was said so far, which is the state; what is not in it, ends."""

    def __init__(self, tree):
        self.tree = tree

    def start(self, source):
        return (torch.zeros(len(source), 1, dtype=torch.int64), (source[:, :1],))

    def step(self, tokens, state):
        said = torch.cat([state[0], tokens[:, None]], dim=1)
        p = torch.zeros(len(tokens), 6, dtype=F64)
        for row, words in enumerate(said[:, 2:].tolist()):
            for word, probability in self.tree.get(tuple(words), {END: 1.0}).items():
                p[row, word] = probability
        return p.log(), (said, state[1])


# A is likelier than B, and then nothing is likely; B is followed by the end for sure
TREE = Tree({
    (): {A: 0.6, B: 0.4},
    (A,): {A: 0.35, B: 0.35, END: 0.3},
    (B,): {END: 1.0},
    (A, A): {END: 1.0},
    (A, B): {END: 1.0},
})  # fmt: skip
ONE = torch.tensor([[7, END]])


def model(vocabulary=5, seed=0):
    draws = stream(seed)
    translator = Seq2Seq(
        Encoder(7, 3, 5, generator=draws, dtype=F64), Decoder(vocabulary, 2, 5, generator=draws, dtype=F64)
    )
    with torch.no_grad():
        for parameter in translator.parameters():
            parameter.mul_(3)  # else all words are about equally likely
    return translator


SOURCE = pad([[6, 5, 4], [5], [4, 4, 6, 3, 5], [3, 6], [6], [4, 3], [5, 5, 6]])


def everything(translator, source, longest):
    """Return log p of every sequence that ends within ``longest`` words, best first."""
    words = [w for w in range(translator.decoder.out.out_features) if w != END]
    found = {}
    for n in range(longest):
        for beginning in itertools.product(words, repeat=n):
            state, before, total = translator.start(source), START, 0.0
            for word in (*beginning, END):
                log_p, state = translator.step(torch.tensor([before]), state)
                total, before = total + log_p[0, word].item(), word
            found[*beginning, END] = total
    return sorted(found.items(), key=lambda item: -item[1])


def test_greedy_is_wrong_in_a_tree_by_hand_and_two_open_outputs_are_not():
    # greedy: A, then A or B, 0.6 * 0.35 = 0.21; best: B and the end, 0.4
    assert greedy(TREE, ONE, max_length=5)[0] == [A, A, END]
    best, *_ = beam_search(TREE, ONE, width=2, max_length=5)[0]
    assert best.tokens == [B, END]
    assert math.isclose(best.log_prob, math.log(0.4), rel_tol=1e-6)


def test_four_open_outputs_find_all_four_sequences_by_hand():
    found = beam_search(TREE, ONE, width=4, max_length=3)[0]
    assert [(one.tokens, round(math.exp(one.log_prob), 6)) for one in found[:1]] == [([B, END], 0.4)]
    assert sorted(round(math.exp(one.log_prob), 6) for one in found) == [0.18, 0.21, 0.21, 0.4]


def test_full_width_is_exhaustive_search():
    translator = model()
    for row in (0, 2):
        source = SOURCE[row : row + 1]
        wanted = everything(translator, source, longest=4)
        (found,) = beam_search(translator, source, width=5**4, max_length=4)
        assert len(wanted) == 1 + 4 + 16 + 64
        assert [tuple(one.tokens) for one in found] == [tokens for tokens, _ in wanted]
        for one, (_, log_p) in zip(found, wanted, strict=True):
            assert math.isclose(one.log_prob, log_p, rel_tol=1e-5)


def test_one_open_output_is_greedy_search():
    for seed in range(5):
        translator = model(vocabulary=11, seed=seed)
        found = beam_search(translator, SOURCE, width=1, max_length=13)
        assert [one.tokens for (one,) in found] == greedy(translator, SOURCE, max_length=13)


def test_greedy_takes_the_most_probable_word_at_each_step():
    translator = model(vocabulary=11)
    for row, output in enumerate(greedy(translator, SOURCE, max_length=6)):
        state, before = translator.start(SOURCE[row : row + 1]), START
        for word in output:
            log_p, state = translator.step(torch.tensor([before]), state)
            assert word == log_p.argmax()
            before = word
        assert END not in output[:-1]
        assert output[-1] == END or len(output) == 6


def ending():
    """Return a model in which the end is likely, so that searches complete many outputs."""
    translator = model(vocabulary=11)
    with torch.no_grad():
        translator.decoder.out.bias[END] += 2.0
        translator.decoder.out.bias[PAD] = -math.inf
    return translator


@pytest.mark.parametrize("alpha", [0.0, 0.7, -0.5])
def test_log_prob_is_that_of_the_model_and_the_score_is_its_equation(alpha):
    translator = ending()
    found = beam_search(translator, SOURCE, width=3, max_length=9, length_penalty=alpha)
    for row, outputs in enumerate(found):
        for one in outputs:
            log_p = translator.log_prob(SOURCE[row : row + 1], torch.tensor([one.tokens])).item()
            assert math.isclose(one.log_prob, log_p, rel_tol=1e-5)
            # eq. (14): (5 + |Y|)^a / (5 + 1)^a
            assert math.isclose(one.score, log_p / ((5 + len(one.tokens)) ** alpha / 6**alpha), rel_tol=1e-5)
        assert [one.score for one in outputs] == sorted((one.score for one in outputs), reverse=True)
        assert len({tuple(one.tokens) for one in outputs}) == len(outputs) <= 3


def test_a_batch_is_its_sentences_one_at_a_time():
    translator = ending()
    together = beam_search(translator, SOURCE, width=3, max_length=9, length_penalty=0.6)
    for row, outputs in enumerate(together):
        (alone,) = beam_search(translator, SOURCE[row : row + 1], width=3, max_length=9, length_penalty=0.6)
        assert [one.tokens for one in alone] == [one.tokens for one in outputs]


def test_complete_outputs_are_kept_though_longer_ones_become_likelier():
    # the end after A has 0.1; what goes on is likelier, and long
    certain = {(B,) * n: {B: 1.0} for n in range(1, 4)} | {(B,) * 4: {END: 1.0}}
    tree = Tree({(): {A: 0.1, B: 0.9}, (A,): {END: 1.0}} | certain)
    found = beam_search(tree, ONE, width=2, max_length=5)[0]
    assert [one.tokens for one in found] == [[B, B, B, B, END], [A, END]]


def test_length_normalization_prefers_longer_outputs():
    # one word and the end at 0.5, three words and the end at 0.45: ln .5 / (7/6)^a < ln .45 / (9/6)^a from a = 0.57
    tree = Tree({
        (): {A: 0.5, B: 0.5}, (A,): {END: 1.0}, (B,): {B: 0.9, END: 0.1}, (B, B): {B: 1.0}, (B, B, B): {END: 1.0},
    })  # fmt: skip
    alpha = math.log(math.log(0.45) / math.log(0.5)) / math.log(9 / 7)
    for factor, wanted in ((0.99, [A, END]), (1.01, [B, B, B, END])):
        assert beam_search(tree, ONE, width=3, max_length=4, length_penalty=factor * alpha)[0][0].tokens == wanted


def test_what_never_ends_is_cut():
    forever = Tree({(A,) * n: {A: 0.75, B: 0.25} for n in range(4)} | {(A,) * n + (B,): {B: 1.0} for n in range(4)})
    assert greedy(forever, ONE, max_length=3) == [[A, A, A]]
    assert [one.tokens for one in beam_search(forever, ONE, width=1, max_length=3)[0]] == [[A, A, A]]
    found = beam_search(forever, ONE, width=2, max_length=2)[0]
    assert [one.tokens for one in found] == [[A, A], [B, B]]


def test_states_are_put_into_another_order():
    x, y = torch.arange(6.0).reshape(3, 2), torch.arange(3)
    first, (second, third) = reorder((x, (y, x[:, None])), torch.tensor([2, 2, 0, 1]))
    assert torch.equal(first, x[[2, 2, 0, 1]])
    assert second.tolist() == [2, 2, 0, 1]
    assert torch.equal(third, x[[2, 2, 0, 1]][:, None])


def test_searching_leaves_no_gradient_and_no_trace():
    translator = ending().train()
    before = {name: value.clone() for name, value in translator.state_dict().items()}
    beam_search(translator, SOURCE, width=2, max_length=4)
    greedy(translator, SOURCE, max_length=4)
    assert translator.training
    assert all(parameter.grad is None for parameter in translator.parameters())
    assert all(torch.equal(before[name], value) for name, value in translator.state_dict().items())


class Watched(Tree):
    """A tree that counts its steps and asks whether gradients are recorded."""

    def step(self, tokens, state):
        assert not torch.is_grad_enabled()
        self.steps = getattr(self, "steps", 0) + 1
        return super().step(tokens, state)


def test_searching_stops_when_all_have_ended_and_records_no_gradients():
    # outputs of one and of three words, END included, side by side: the source decides which
    class Two(Watched):
        def step(self, tokens, state):
            log_p, state = super().step(tokens, state)
            word = END if self.steps == 1 else A  # whatever is said behind the end does not count
            certain = torch.nn.functional.one_hot(torch.tensor(word), 6).to(F64).log()
            return torch.where(state[1][0] == 7, certain, log_p), state

    both = torch.tensor([[7, END], [6, END]])
    watched = Two(TREE.tree)
    assert greedy(watched, both, max_length=11) == [[END], [A, A, END]]
    assert watched.steps == 3
    watched = Watched(TREE.tree)
    beam_search(watched, ONE, width=2, max_length=11)
    assert watched.steps == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: greedy(TREE, ONE[0], max_length=3), r"source is \(b, s\)"),
        (lambda: greedy(TREE, ONE, max_length=0), "max_length is at least 1, found 0"),
        (lambda: beam_search(TREE, ONE, width=0, max_length=3), "width is at least 1, found 0"),
        (lambda: beam_search(TREE, ONE, width=2, max_length=0), "max_length is at least 1, found 0"),
        (lambda: beam_search(TREE, ONE[0], width=2, max_length=3), r"source is \(b, s\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
