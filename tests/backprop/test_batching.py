"""Oracles: counts by hand, and the graph without batches."""

import numpy as np

from common import draw
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.batching import batch_operations
from dlbook.backprop.graph import trace
from dlbook.backprop.passes import remove_dead


def compose(W, left, right):
    return (W[0] @ left + W[1] @ right).tanh()


def tree(W, words, shape):
    return words[shape] if isinstance(shape, int) else compose(W, *(tree(W, words, part) for part in shape))


def test_trees_of_different_shape_are_batched():
    # Depths of inner nodes: ((0 1) (2 3)) has 1, 1, 2; (((4 5) 6) 7) has 1, 2, 3
    def roots(left, right, *words):
        return [tree((left, right), words, shape) for shape in (((0, 1), (2, 3)), (((4, 5), 6), 7))]

    inputs = [Tensor(draw(5, 5, seed=1)), Tensor(draw(5, 5, seed=2)), *(Tensor(draw(5, seed=k)) for k in range(3, 11))]
    graph = remove_dead(trace(roots, *inputs))
    assert graph.operations == {"matmul": 12, "add": 6, "tanh": 6}
    batched = batch_operations(graph)
    # tanh: three at depth 1, two at depth 2, one at depth 3
    assert [batched.operations[op] for op in ("add", "tanh")] == [3, 3]
    assert batched.operations["matmul"] < 12
    for a, b in zip(batched(*inputs), roots(*inputs), strict=True):
        np.testing.assert_allclose(a, b.data, rtol=1e-13, atol=1e-15)


def test_what_depends_on_each_other_is_not_batched():
    W, h = Tensor(draw(3, 3)), Tensor(draw(3, seed=1))
    graph = remove_dead(trace(lambda W, h: W @ (W @ (W @ h).tanh()).tanh(), W, h))
    assert len(batch_operations(graph)) == len(graph)


def test_other_matrices_shapes_and_numbers_are_not_batched():
    def apart(A, B, x, y):
        return (A @ x).sum() + (B @ x).sum() + (x * 2).sum() + (y * 3).sum() + y.exp().sum() + x.exp().sum()

    graph = remove_dead(trace(apart, *map(Tensor, (draw(3, 5), draw(3, 5, seed=1), draw(5), draw(7)))))
    batched = batch_operations(graph)
    assert [batched.operations[op] for op in ("matmul", "multiply", "exp")] == [2, 2, 2]


def test_long_graphs_need_no_recursion():
    def chain(x):
        for _ in range(1500):
            x = x.tanh()
        return x

    assert len(batch_operations(remove_dead(trace(chain, Tensor(draw(3)))))) == 1500
