"""Oracles: closed forms for bytes on a chain, plans worked by hand, and the graph without a plan bit for bit.

That a plan keeps every number is tested on all operations in test_graph.
"""

import numpy as np
import pytest

from common import draw, same
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.buffers import reuse_buffers
from dlbook.backprop.graph import trace, with_gradients
from dlbook.backprop.passes import optimize, remove_dead


def chain(x, n=100):
    for _ in range(n):
        x = x.tanh()
    return x


@pytest.mark.parametrize("n", [2, 3, 100])
def test_bytes_of_a_chain_in_closed_form(n):
    size = 1013
    graph = remove_dead(trace(lambda x: chain(x, n), Tensor(draw(size))))
    assert graph.nbytes == 8 * size * n
    assert graph.peak_bytes == 2 * 8 * size  # one array and the next
    planned = reuse_buffers(graph)
    assert planned.plan.sizes == (8 * size,)  # in place, until the output
    assert planned.peak_bytes == 2 * 8 * size
    same([planned(draw(size, seed=1))], [chain(Tensor(draw(size, seed=1)), n).data])


def test_bytes_when_every_value_is_kept_for_the_way_back():
    # n values of a chain of cubes are all needed by its gradient, the last one first: n alive at the turning point
    def cube(x):
        for _ in range(5):
            x = x.tanh()
        return x.sum()

    size = 1013
    graph = optimize(trace(with_gradients(cube), Tensor(draw(size), requires_grad=True)))
    assert 5 * 8 * size <= graph.peak_bytes <= 8 * 8 * size
    assert graph.nbytes > 15 * 8 * size


def test_buffers_are_used_again_only_when_nobody_reads_them():
    def two_uses(x):
        a = x.tanh()
        b = a.exp()  # a is needed below
        view = a.reshape(6)
        return b.sum() + (view * view).sum() + (a.T @ a).sum()

    graph = optimize(trace(two_uses, Tensor(draw(2, 3))))
    for seed in range(3):
        same([graph(draw(2, 3, seed=seed))], [two_uses(Tensor(draw(2, 3, seed=seed))).data])


def test_a_buffer_may_grow_and_hold_other_dtypes():
    def mixed(x):
        a = (x.data > 0).sum()
        b = np.concatenate([x.data * 2, x.data * 3])
        return (np.exp(b) * np.exp(b) + a).sum(), np.sqrt(x.data * x.data).sum()

    graph = optimize(trace(mixed, Tensor(draw(5))))
    x = draw(5, seed=3)
    same(graph(x), [np.asarray(value) for value in mixed(Tensor(x))])


def test_a_product_is_never_written_into_its_factors():
    graph = optimize(trace(lambda x: ((x * 2) @ (x * 3)) * 4, Tensor(draw(3, 3))))
    place = {node.op: graph.plan.buffer[k] for k, node in enumerate(graph.nodes) if k in graph.plan.buffer}
    factors = [graph.plan.buffer[k] for k, node in enumerate(graph.nodes) if node.op == "multiply" and k < 6][:2]
    assert place["matmul"] not in factors


def third_buffer(length):
    """Free a buffer of 56 bytes and one of 24, ask for one more, and return the sizes and which was taken."""

    def function(x, y, z):
        a, b = np.exp(x.data), np.exp(y.data)
        return a.sum(), b.sum(), np.tanh(z.data).sum()  # sums are returned, and lie in no buffer

    examples = [draw(7), draw(3), draw(length)]
    planned = reuse_buffers(remove_dead(trace(function, *map(Tensor, examples))))
    same(planned(*examples), [np.asarray(part) for part in function(*map(Tensor, examples))])
    *_, last = planned.plan.buffer
    assert planned.nodes[last].op == "tanh"
    return planned.plan.sizes, planned.plan.buffer[last]


def test_of_the_free_buffers_the_smallest_that_fits_is_taken():
    assert third_buffer(3) == ((56, 24), 1)  # of just the size
    assert third_buffer(2) == ((56, 24), 1)
    assert third_buffer(5) == ((56, 24), 0)
    assert third_buffer(7) == ((56, 24), 0)


def test_if_none_is_large_enough_the_largest_grows():
    assert third_buffer(11) == ((88, 24), 0)
