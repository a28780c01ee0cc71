"""Oracles: counts by hand, the graph before the pass bit for bit, and closed forms for bytes on a chain.

That every pass keeps every number is tested on all operations in test_graph.
"""

import numpy as np
import pytest

from common import draw, same
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.graph import trace, with_gradients
from dlbook.backprop.passes import (
    batch_operations,
    drop_identities,
    fold_constants,
    freeze,
    merge_common,
    optimize,
    remove_dead,
    reuse_buffers,
)


def test_dead_code_keeps_what_a_guard_needs():
    graph = trace(lambda x: x * 2 if (x.data.exp() if False else np.exp(x.data)) > 1 else x, Tensor(1.0))
    lean = remove_dead(graph)
    assert lean.operations == {"exp": 1, "greater": 1, "guard": 1, "multiply": 1}
    with pytest.raises(ValueError, match="another way"):
        lean(-1.0)


def test_folding_keeps_what_depends_on_an_input():
    def scaled(x, weight):
        return x @ (weight / (weight * weight).sum().sqrt())

    graph = remove_dead(trace(scaled, Tensor(draw(2, 3)), Tensor(draw(3, 5))))
    assert len(fold_constants(graph)) == len(graph)
    weight = draw(3, 5, seed=1)
    fixed = fold_constants(freeze(graph, {1: weight}))
    assert fixed.operations == {"matmul": 1}
    assert len(fixed.inputs) == 1
    x = draw(2, 3, seed=2)
    same([fixed(x)], [graph(x, weight)])


def test_freezing_names_what_is_wrong():
    graph = trace(lambda x: x, Tensor(draw(3)))
    with pytest.raises(ValueError, match="found place 1"):
        freeze(graph, {1: draw(3)})
    with pytest.raises(ValueError, match="is float64"):
        freeze(graph, {0: draw(4)})


def test_common_subexpressions_by_hand():
    # (a + b) is written three times; b + a is another operation to a pass that knows no algebra
    graph = remove_dead(trace(lambda a, b: (a + b) * (a + b) - (a + b) / (b + a), *map(Tensor, (2.0, 3.0))))
    assert graph.operations == {"add": 4, "multiply": 1, "divide": 1, "subtract": 1}
    assert merge_common(graph).operations == {"add": 2, "multiply": 1, "divide": 1, "subtract": 1}
    assert merge_common(graph)(2.0, 3.0) == 24


def test_what_differs_in_an_option_is_not_merged():
    graph = remove_dead(trace(lambda a: (a.sum(0) + a.sum(1)) + (a * 1 - a * True) + (a * 0.0 - a * -0.0),
                              Tensor(draw(3, 3))))  # fmt: skip
    assert merge_common(graph).operations["sum"] == 2
    assert merge_common(graph).operations["multiply"] == 3  # True is 1 to the engine, and 0 is not -0
    x = -draw(3, 3, seed=1)
    same([merge_common(graph)(x)], [graph(x)])


def test_equal_constants_are_merged():
    graph = trace(lambda x: x * np.array([2.0]) + x * np.array([2.0]), Tensor([1.0]))
    assert sum(node.op == "constant" for node in graph.nodes) == 2
    assert merge_common(graph).operations == {"multiply": 1, "add": 1}


def test_identities_by_hand():
    def idle(x):
        return (x * 1.0 / 1.0).reshape(3, 5).data.astype(np.float64)

    graph = remove_dead(trace(idle, Tensor(draw(3, 5))))
    assert len(graph) == 4
    assert len(drop_identities(graph)) == 0
    # None of these is one: other dtype, other shape, other layout, division of 1, a sign
    for function in (
        lambda x: x.data.astype(np.float32),
        lambda x: x.reshape(15),
        lambda x: x.T,
        lambda x: 1.0 / x,
        lambda x: x * -1.0,
        lambda x: x + 0.0,
        lambda x: x * np.ones((2, 3, 5)),
    ):
        graph = remove_dead(trace(function, Tensor(draw(3, 5))))
        assert len(drop_identities(graph)) == len(graph) == 1


def test_what_lies_otherwise_in_memory_is_no_identity():
    # a row that was repeated without copying, and the copy: sums over it may be taken in another order
    graph = remove_dead(trace(lambda x: np.broadcast_to(x.data, (4, 3)) * 1.0, Tensor(draw(3))))
    assert len(drop_identities(graph)) == len(graph) == 2


def test_optimize_repeats_and_plans():
    # 1 / ones is an identity once the ones are constant, and then (2 * 3) * 1 is constant, too
    def late(x):
        ones = np.ones_like(x.data)
        return x * (ones * 6.0 / ones) + x.exp().tanh().exp()

    graph = optimize(trace(late, Tensor(draw(3))))
    assert graph.operations == {"multiply": 1, "exp": 2, "tanh": 1, "add": 1}
    assert graph.plan.sizes == (24, 24)


def test_a_product_is_never_written_into_its_factors():
    graph = optimize(trace(lambda x: ((x * 2) @ (x * 3)) * 4, Tensor(draw(3, 3))))
    place = {node.op: graph.plan.buffer[k] for k, node in enumerate(graph.nodes) if k in graph.plan.buffer}
    factors = [graph.plan.buffer[k] for k, node in enumerate(graph.nodes) if node.op == "multiply" and k < 6][:2]
    assert place["matmul"] not in factors


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


# Batching


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
    graph = optimize(trace(lambda x: chain(x, 1500), Tensor(0.5)))
    assert len(graph) == 1500
    assert len(batch_operations(graph)) == 1500
