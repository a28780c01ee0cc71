"""Oracles: the function itself, bit for bit, and memory that is shared with nothing."""

import threading

import numpy as np

from common import draw, same
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.graph import trace
from dlbook.backprop.passes import optimize
from dlbook.backprop.program import Program


def test_a_program_by_hand():
    # Two calls: add what lies in slots 0 and 1, multiply what lies in slot 2 by the number 3.0, which gets a slot
    program = Program(trace(lambda a, b: (a.data + b.data) * 3.0, Tensor(1.0), Tensor(2.0)))
    assert [(number, function) for number, function, *_ in program.calls] == [(2, np.add), (3, np.multiply)]
    assert program.run([np.array(5.0), np.array(7.0)]) == [36]


def test_arguments_inside_of_lists():
    graph = trace(lambda a, b: np.concatenate([a.data, 2 * b.data, a.data]), Tensor(draw(3)), Tensor(draw(2)))
    a, b = draw(3, seed=1), draw(2, seed=2)
    same(Program(graph).run([a, b]), [np.concatenate([a, 2 * b, a])])


def test_a_view_of_an_input_is_returned_as_a_copy():
    graph = optimize(trace(lambda x: x.T, Tensor(draw(2, 3))))
    given = draw(2, 3, seed=1)
    graph(given)[:] = 0
    assert given.any()


def test_a_graph_that_does_nothing_returns_a_copy():
    graph = optimize(trace(lambda x: x * 1.0, Tensor(draw(3))))
    x = draw(3, seed=1)
    assert graph(x) is not x
    same([graph(x)], [x])


def test_runs_in_several_threads_do_not_disturb_each_other():
    def chain(x):
        x = x * 2
        for _ in range(30):
            x = x.tanh()
        return x

    graph = optimize(trace(chain, Tensor(draw(20_011))))
    inputs = [draw(20_011, seed=k) for k in range(4)]
    expected = [chain(Tensor(x)).data for x in inputs]
    found = [[] for _ in inputs]
    workers = [
        threading.Thread(target=lambda k=k: found[k].extend(graph(inputs[k]) for _ in range(10))) for k in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for results, right in zip(found, expected, strict=True):
        assert len(results) == 10
        assert all(np.array_equal(result, right) for result in results)
