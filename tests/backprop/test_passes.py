"""Oracles: counts by hand, and the graph before the pass bit for bit.

That every pass keeps every number is tested on all operations in test_graph.
"""

import numpy as np
import pytest

from common import draw, same
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.graph import trace
from dlbook.backprop.passes import drop_identities, fold_constants, freeze, merge_common, optimize, remove_dead


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


def test_constants_that_lie_otherwise_in_memory_are_not_merged():
    # Equal entries, by rows and by columns: a pass that took one for the other would change the order of a sum
    rows = draw(3, 5, seed=1)
    columns = np.asfortranarray(rows)
    graph = trace(lambda x: x @ rows + x @ columns, Tensor(draw(2, 3)))
    merged = merge_common(graph)
    assert sorted(node.strides for node in merged.nodes if node.op == "constant") == [(8, 24), (40, 8)]
    assert merged.operations["matmul"] == 2
    assert merge_common(trace(lambda x: x @ rows + x @ rows.copy(), Tensor(draw(2, 3)))).operations["matmul"] == 1


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


def test_long_graphs_need_no_recursion():
    def chain(x):
        for _ in range(1500):
            x = x.tanh()
        return x

    assert len(optimize(trace(chain, Tensor(0.5)))) == 1500
