"""Oracles: the eager engine bit for bit, torch in float64, and counts by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from common import draw, same
from dlbook.backprop.autograd import Tensor, jvp
from dlbook.backprop.batching import batch_operations
from dlbook.backprop.buffers import reuse_buffers
from dlbook.backprop.graph import trace, with_gradients
from dlbook.backprop.layers import conv2d, cross_entropy, max_pool2d
from dlbook.backprop.operations import concatenate, maximum, stack, where
from dlbook.backprop.passes import drop_identities, fold_constants, merge_common, optimize, remove_dead

PASSES = [remove_dead, fold_constants, merge_common, drop_identities, reuse_buffers, optimize, batch_operations]


def leaf(array):
    return Tensor(array, requires_grad=True)


def plain(values):
    return [value.data if isinstance(value, Tensor) else np.asarray(value) for value in values]


# The same numbers as the eager engine, for every operation that it has


PICK = np.array([2, 0, 2, 2])
OPERATIONS = {
    "arithmetic": (lambda a, b: (a + b) * (a - b) / (b * b + 1.5) - 2 / (3 + a * a), (3, 5), (5,)),
    "broadcast": (lambda a, b: a + 2 * b, (3, 1, 5), (7, 1)),
    "powers": (lambda a: (a + 3) ** 2.5 + a**2 - a**0 + a**3 + (a * a + 1) ** -1 + (a * a) ** 0.5, (3, 5)),
    "functions": (lambda a: (-a).exp() + (a + 3).log() * (a + 3).sqrt() + a.tanh() / (a.sigmoid() + 1), (3, 5)),
    "kinks": (lambda a, b: maximum(a.relu(), b) + a.abs(), (3, 5), (5,)),
    "where": (lambda a, b: where(a.data > b.data, a * b, 0.0), (3, 5), (3, 5)),
    "sums": (lambda a: a.sum() * a.sum(0) + a.mean(1, keepdims=True).sum(0), (3, 5)),
    "max": (lambda a: a.max() + a.max(1).sum() + a.max((0, 2), keepdims=True), (2, 3, 5)),
    "logsumexp": (lambda a: (a - a.logsumexp(1, keepdims=True)).exp(), (3, 5)),
    "reshape": (lambda a: a.reshape(5, 3).T.transpose(1, 0).reshape(-1) * 2, (3, 5)),
    "slices": (lambda a: a[1:, ::2] * a[0, 1] + a[..., None].sum(), (3, 5)),
    "rows": (lambda a: a[PICK] * a[[0, 0, 1, 2]], (3, 5)),
    "products": (lambda a, b: (a @ b) @ (b.T @ a.T), (3, 5), (5, 7)),
    "vectors": (lambda a, b: (a @ b) @ a @ b, (3, 5), (5,)),
    "stacks of matrices": (lambda a, b: a @ b, (2, 3, 5), (5, 7)),
    "joining": (lambda a, b: concatenate([a, b, a]) @ stack([a[0], b[1]], axis=1), (3, 5), (2, 5)),
    "convolution": (lambda a, b: conv2d(a, b, stride=2, padding=1), (2, 3, 7, 7), (5, 3, 3, 3)),
    "pooling": (lambda a: max_pool2d(a * a, 2), (2, 3, 5, 7)),
    "iteration": (lambda a: sum((row * row for row in a), start=a[0]), (3, 5)),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_operation_and_its_gradient_equal_the_eager_ones_bit_for_bit(name, dtype):
    function, *shapes = OPERATIONS[name]
    both = with_gradients(lambda *arguments: (function(*arguments) * 0.7).sum())
    first = [leaf(draw(*shape, seed=k).astype(dtype)) for k, shape in enumerate(shapes)]
    graph = trace(both, *first)
    graphs = [graph, *(change(graph) for change in PASSES)]
    for seed in (5, 6):
        other = [leaf(draw(*shape, seed=seed + 10 * k).astype(dtype)) for k, shape in enumerate(shapes)]
        expected = plain(both(*other))
        for each in graphs[:-1]:
            same(each(*other), expected)
        same([graph.values(*other)[k] for k in graph.outputs], expected)
        for a, b in zip(graphs[-1](*other), expected, strict=True):  # products of stacked vectors round differently
            np.testing.assert_allclose(a, b, rtol=1e-10 if dtype == np.float64 else 1e-3, atol=1e-5)


STEPS = [
    lambda a, b: a + b,
    lambda a, b: a - 0.5 * b,
    lambda a, b: a * b,
    lambda a, b: a / (b * b + 1),
    lambda a, b: a.tanh(),
    lambda a, b: a.sigmoid() * b,
    lambda a, b: (0.1 * a).exp(),
    lambda a, b: (a * a + 1).log(),
    lambda a, b: a @ b.T @ b,
    lambda a, b: a - a.sum(0),
    lambda a, b: a.mean() + b,
    lambda a, b: a[[0, 0, 2]] * b[1],
    lambda a, b: a.reshape(-1).reshape(3, 2) + b,
    lambda a, b: a**2,
    lambda a, b: a.T.reshape(3, 2) * 1.0,
]


@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 3), min_size=3, max_size=12), st.integers(0, 10**6))
@settings(deadline=None, max_examples=8, derandomize=True)
def test_random_expressions_agree_with_the_engine_and_with_torch(plan, seed):
    def run(a, b):
        nodes = [a, b]
        for step, first, second in plan:
            nodes.append(STEPS[step % len(STEPS)](nodes[first % len(nodes)], nodes[second % len(nodes)]))
            nodes[-1] = nodes[-1] / (1 + (nodes[-1] * nodes[-1]).mean())
        return (sum(nodes[2:], nodes[0]) + 0 * b).sum()

    both = with_gradients(run)
    graph = trace(both, leaf(draw(3, 2, seed=1)), leaf(draw(3, 2, seed=2)))
    arrays = draw(3, 2, seed=seed), draw(3, 2, seed=seed + 1)
    expected = plain(both(*map(leaf, arrays)))
    for each in (graph, *(change(graph) for change in PASSES)):
        same(each(*arrays), expected)
        same(each(*arrays), expected)  # buffers are dirty now
    there = [torch.tensor(array, requires_grad=True) for array in arrays]
    run(*there).backward()
    for found, other in zip(graph(*arrays)[1:], there, strict=True):
        np.testing.assert_allclose(found, other.grad.numpy(), rtol=1e-8, atol=1e-10)


def network(x, labels, first, bias, second, offset):
    return cross_entropy((x @ first + bias).tanh() @ second + offset, labels)


def new_parameters(seed=0, dtype=np.float32):
    shapes = (11, 7), (7,), (7, 3), (3,)
    return [leaf(draw(*shape, seed=seed + k).astype(dtype)) for k, shape in enumerate(shapes)]


def test_training_by_a_graph_ends_with_the_weights_of_eager_training_bit_for_bit():
    step = with_gradients(network)
    x, labels = draw(64, 11, seed=3).astype(np.float32), np.random.default_rng(4).integers(0, 3, 64)
    eager, static = new_parameters(), new_parameters()
    graph = optimize(trace(step, x[:16], labels[:16], *static))
    for k in range(40):
        rows = slice(16 * (k % 4), 16 * (k % 4) + 16)
        loss, *gradients = step(x[rows], labels[rows], *eager)
        found, *others = graph(x[rows], labels[rows], *static)
        assert found == loss.data
        for p, q, g, h in zip(eager, static, gradients, others, strict=True):
            p.data = p.data - np.float32(0.1) * g
            q.data = q.data - np.float32(0.1) * h
    same(plain(static), plain(eager))


def test_gradients_of_a_network_are_those_of_torch():
    x, labels = draw(5, 11, seed=3), np.array([0, 2, 1, 1, 0])
    parameters = new_parameters(dtype=np.float64)
    graph = optimize(trace(with_gradients(network), x, labels, *parameters))
    there = [torch.tensor(p.data, requires_grad=True) for p in parameters]
    expected = F.cross_entropy(
        (torch.tensor(x) @ there[0] + there[1]).tanh() @ there[2] + there[3], torch.tensor(labels)
    )
    expected.backward()
    loss, *gradients = graph(x, labels, *parameters)
    np.testing.assert_allclose(loss, expected.detach().numpy(), rtol=1e-12)
    for found, other in zip(gradients, there, strict=True):
        np.testing.assert_allclose(found, other.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_forward_mode_can_be_traced():
    def along(x, t):
        return jvp(lambda x: (x.tanh() * x).sum(), [x], [t])

    x, t = draw(5), draw(5, seed=1)
    graph = optimize(trace(along, x, t))
    same(graph(2 * x, t), plain(along(2 * x, t)))


# What a trace records


def test_node_counts_worked_by_hand():
    # a + b; * c, which also computes no slope array; tanh, whose slope is v * v and 1 - v * v: five operations
    graph = trace(lambda a, b, c: ((a + b) * c).tanh(), *map(Tensor, (1.0, 2.0, 3.0)))
    assert graph.operations == {"add": 1, "multiply": 2, "tanh": 1, "subtract": 1}
    assert len(graph) == 5
    assert len(graph.nodes) == 8  # and three inputs
    assert graph.inputs == (0, 1, 2)
    assert [graph.nodes[k].op for k in graph.outputs] == ["tanh"]
    lean = remove_dead(graph)
    assert [node.op for node in lean.nodes] == ["input"] * 3 + ["add", "multiply", "tanh"]
    assert lean.depths == [0, 0, 0, 1, 2, 3]
    assert [node.label for node in lean.nodes[3:]] == ["+", "×", "tanh"]
    assert repr(lean) == "Graph(3 inputs, 3 operations, 1 output: add 1, multiply 1, tanh 1)"
    assert [float(value) for value in lean.values(0.5, 0.5, 2.0)[:5]] == [0.5, 0.5, 2.0, 1.0, 2.0]


def test_dot_names_every_node_and_edge():
    text = remove_dead(trace(lambda a, b: (a @ b).tanh(), Tensor(draw(2, 3)), Tensor(draw(3)))).to_dot()
    assert '2 [label="@ (2,)" shape=ellipse];' in text
    assert text.count("->") == 3
    assert text.count("peripheries=2") == 1


def test_several_outputs_and_results_that_are_inputs_or_constants():
    frozen = np.array([5.0, 7.0])
    graph = trace(lambda x: (x, x * 2, Tensor(frozen), x * 2, [1.0]), Tensor([1.0, 2.0]))
    given = np.array([3.0, 4.0])
    for each in (graph, optimize(graph)):
        results = each(given)
        assert [r.tolist() for r in results] == [[3, 4], [6, 8], [5, 7], [6, 8], [1]]
        for k, r in enumerate(results):  # nothing is shared, and everything can be written into
            r += 1
            assert not any(np.may_share_memory(r, other) for other in (given, *results[:k]))
        assert each(given)[2].tolist() == [5, 7]
    assert given.tolist() == [3, 4]


def test_the_checks_of_the_engine_become_guards():
    graph = optimize(trace(network, draw(3, 11), np.array([0, 1, 2]), *new_parameters(dtype=np.float64)))
    with pytest.raises(ValueError, match="would go another way"):
        graph(draw(3, 11), np.array([0, 1, 3]), *new_parameters(dtype=np.float64))


def test_other_shapes_dtypes_and_numbers_of_inputs_are_refused():
    graph = trace(lambda a, b: a @ b, Tensor(draw(3, 5)), Tensor(draw(5)))
    with pytest.raises(ValueError, match=r"input 0 was float64 \(3, 5\) when it was traced, found float64 \(4, 5\)"):
        graph(draw(4, 5), draw(5))
    with pytest.raises(ValueError, match="found float32"):
        graph(draw(3, 5).astype(np.float32), draw(5))
    with pytest.raises(ValueError, match="2 inputs, found 1"):
        graph(draw(3, 5))


def test_gradients_need_an_argument_that_asks():
    with pytest.raises(ValueError, match="no argument"):
        with_gradients(lambda x: x.sum())(Tensor(1.0))
    loss, unused = with_gradients(lambda x, y: x.sum())(leaf([1.0]), leaf([2.0]))[::2]
    assert loss.item() == 1
    assert unused.tolist() == [0]
