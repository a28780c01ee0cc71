"""Oracles: the function itself, run again, and what NumPy's own arrays do."""

import numpy as np
import pytest

from common import draw, same
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.graph import trace
from dlbook.backprop.passes import optimize
from dlbook.backprop.tracing import Tape, Traced


def test_a_tape_by_hand():
    tape = Tape()
    a, b = tape.input(np.array([1.0, 2.0])), tape.input(np.array([3.0, 4.0]))
    c = (a + b) * 2
    assert isinstance(c, Traced)
    assert [node.op for node in tape.nodes] == ["input", "input", "add", "multiply"]
    assert [node.inputs for node in tape.nodes] == [(), (), (0, 1), (2,)]
    assert [value.tolist() for value in tape.values] == [[1, 2], [3, 4], [4, 6], [8, 12]]


@pytest.mark.parametrize(
    "method",
    [
        lambda a: a.sum(0), lambda a: a.max(1, keepdims=True), lambda a: a.min(), lambda a: a.mean(0),
        lambda a: a.argmax(1), lambda a: a.any(0), lambda a: a.all(1), lambda a: a.reshape(5, 3),
        lambda a: a.reshape((5, 3)), lambda a: a.transpose(), lambda a: a.transpose((1, 0)), lambda a: a.T,
        lambda a: a.swapaxes(0, 1), lambda a: a.astype(np.float32), lambda a: a.copy(), lambda a: a[1:, ::2],
        lambda a: a[[0, 0, 2]], lambda a: a**2, lambda a: 2.0 - a, lambda a: np.concatenate([a, a], 1),
    ],
)  # fmt: skip
def test_a_method_gives_what_that_of_an_array_gives(method):
    array = draw(3, 5)
    same([method(Tape().input(array)).value], [np.asarray(method(array))])


def test_constants_are_those_of_the_trace():
    weight = np.array([2.0, 3.0])
    graph = trace(lambda x: x * Tensor(weight), Tensor([1.0, 1.0]))
    weight[:] = 100
    assert graph([1.0, 1.0]).tolist() == [2, 3]


def test_random_numbers_are_frozen():
    rng = np.random.default_rng(0)
    graph = trace(lambda x: x * rng.random(5), Tensor(np.ones(5)))
    same([graph(np.full(5, 2.0))], [2 * np.random.default_rng(0).random(5)])
    same([graph(np.full(5, 2.0))], [2 * np.random.default_rng(0).random(5)])


def halvings(x):
    while (x.data > 1).any():
        x = x * 0.5
    return x


def test_a_guard_notices_that_the_loop_would_go_on():
    graph = optimize(trace(halvings, Tensor([5.0])))
    assert graph([7.0]).tolist() == [0.875]  # three rounds, as for 5
    with pytest.raises(ValueError, match="the trace read False where this input gives True"):
        graph([9.0])
    with pytest.raises(ValueError, match="the trace read True where this input gives False"):
        graph([3.0])
    assert graph([7.0]).tolist() == [0.875]  # an error leaves no trace in the buffers


def test_without_guards_the_loop_is_frozen():
    graph = trace(halvings, Tensor([5.0]), guards=False)
    assert graph([16.0]).tolist() == [2.0]  # eager: 1
    assert not any(node.op == "guard" for node in graph.nodes)


def test_integers_and_lengths():
    def powers(x, n):
        for _ in range(int(n[0])):
            x = x * 2
        return x[n[0]]

    graph = optimize(trace(powers, Tensor([1.0, 2.0, 3.0]), np.array([2])))
    assert graph([1.0, 1.0, 5.0], [2]) == 20
    with pytest.raises(ValueError, match="read 2 where this input gives 1"):
        graph([1.0, 1.0, 5.0], [1])


def test_numbers_that_are_read_off_are_refused():
    for read in (lambda x: x * x.item(), lambda x: x * float(x.data), lambda x: x * np.asarray(x.data)):
        with pytest.raises(ValueError, match="frozen|this number only"):
            trace(read, Tensor(2.0))
    frozen = trace(lambda x: x * x.item(), Tensor(2.0), guards=False)
    assert frozen(10.0) == 20  # and not 100


def test_writing_is_refused():
    def inplace(x):
        x.data += 1
        return x

    def entry(x):
        x.data[0] = 1
        return x

    def at(x):
        np.add.at(np.zeros(3), [0], x.data[:1])
        return x

    for function in (inplace, entry, at):
        with pytest.raises(ValueError, match="written into"):
            trace(function, Tensor(draw(3)))


def test_truth_of_several_entries_is_refused():
    with pytest.raises(ValueError, match="single entry"):
        trace(lambda x: x if x.data > 0 else -x, Tensor(draw(3)))


def test_arrays_do_not_outlive_their_trace():
    kept = []
    trace(lambda x: kept.append(x) or x, Tensor(1.0))
    with pytest.raises(ValueError, match="has ended"):
        kept[0] + 1
    with pytest.raises(ValueError, match="has ended"):
        trace(lambda x: x + kept[0], Tensor(1.0))
