"""Oracles: torch in float64 for every operation and for random expressions, central differences, and two laws.

The laws: the pull of an operation is the transpose of its push, and both modes give one number.
"""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from common import draw
from dlbook.backprop import autograd
from dlbook.backprop.autograd import (
    Tensor,
    concatenate,
    conv2d,
    cross_entropy,
    gradcheck,
    jvp,
    max_pool2d,
    maximum,
    no_grad,
    stack,
    topological_order,
    unfold,
    where,
)


def both(ours, theirs, *arrays):
    """Run a function here and in torch, weigh its entries, and compare values, both modes and gradients."""
    here = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    there = [torch.tensor(a, requires_grad=True) for a in arrays]
    value, expected = ours(*here), theirs(*there)
    np.testing.assert_allclose(value.data, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    assert value.shape == tuple(expected.shape)
    weights = draw(*value.shape, seed=7)
    value.backward(weights)
    expected.backward(torch.tensor(weights))
    for leaf, other in zip(here, there, strict=True):
        gradient = np.zeros(leaf.shape) if other.grad is None else other.grad.numpy()
        np.testing.assert_allclose(leaf.grad, gradient, rtol=1e-10, atol=1e-12)
    directions = [draw(*a.shape, seed=11) for a in arrays]
    moved = jvp(ours, arrays, directions)[1]
    slopes = sum((leaf.grad * d).sum() for leaf, d in zip(here, directions, strict=True))
    np.testing.assert_allclose((moved * weights).sum(), slopes, rtol=1e-10, atol=1e-12)  # <w, J d> = <J' w, d>


MASK = draw(3, 5, seed=3) > 0
PICK = np.array([2, 0, 2, 2])
OPERATIONS = {
    "add": (lambda a, b: a + b, lambda a, b: a + b, (3, 5), (3, 5)),
    "add broadcasts": (lambda a, b: a + b, lambda a, b: a + b, (3, 1, 5), (7, 1)),
    "radd": (lambda a: 2 + a, lambda a: 2 + a, (3,)),
    "sub": (lambda a, b: a - b, lambda a, b: a - b, (5,), (3, 5)),
    "rsub": (lambda a: 2 - a, lambda a: 2 - a, (3,)),
    "mul": (lambda a, b: a * b, lambda a, b: a * b, (3, 1), (5,)),
    "mul of one by itself": (lambda a: a * a, lambda a: a * a, (3, 5)),
    "rmul by an array": (lambda a: np.arange(5.0) * a, lambda a: torch.arange(5.0).double() * a, (3, 5)),
    "div": (lambda a, b: a / (b + 3), lambda a, b: a / (b + 3), (3, 5), (5,)),
    "rdiv": (lambda a: 2 / (a + 3), lambda a: 2 / (a + 3), (3,)),
    "pow": (lambda a: (a + 3) ** 2.5, lambda a: (a + 3) ** 2.5, (3, 5)),
    "pow 0": (lambda a: a**0, lambda a: a**0, (3,)),
    "pow 3 of negatives": (lambda a: a**3, lambda a: a**3, (3, 5)),
    "neg": (lambda a: -a, lambda a: -a, (3,)),
    "exp": (lambda a: a.exp(), torch.exp, (3, 5)),
    "log": (lambda a: (a + 3).log(), lambda a: (a + 3).log(), (3, 5)),
    "sqrt": (lambda a: (a + 3).sqrt(), lambda a: (a + 3).sqrt(), (3, 5)),
    "tanh": (lambda a: a.tanh(), torch.tanh, (3, 5)),
    "sigmoid": (lambda a: a.sigmoid(), torch.sigmoid, (3, 5)),
    "relu": (lambda a: a.relu(), torch.relu, (3, 5)),
    "abs": (lambda a: a.abs(), torch.abs, (3, 5)),
    "sum": (lambda a: a.sum(), torch.sum, (3, 5)),
    "sum over one axis": (lambda a: a.sum(axis=-1), lambda a: a.sum(dim=-1), (3, 5, 2)),
    "sum over two axes, kept": (
        lambda a: a.sum((0, 2), keepdims=True),
        lambda a: a.sum((0, 2), keepdim=True),
        (3, 5, 2),
    ),
    "mean": (lambda a: a.mean(), torch.mean, (3, 5)),
    "mean over an axis": (lambda a: a.mean(axis=0), lambda a: a.mean(dim=0), (3, 5)),
    "max": (lambda a: a.max(), torch.max, (3, 5)),
    "max over two axes": (lambda a: a.max(axis=(1, 2)), lambda a: a.amax(dim=(1, 2)), (3, 5, 2)),
    "max, kept": (lambda a: a.max(axis=1, keepdims=True), lambda a: a.amax(dim=1, keepdim=True), (3, 5)),
    "logsumexp": (lambda a: a.logsumexp(), lambda a: a.logsumexp((0, 1)), (3, 5)),
    "logsumexp over an axis": (lambda a: a.logsumexp(axis=1), lambda a: a.logsumexp(1), (3, 5, 2)),
    "reshape": (lambda a: a.reshape(5, -1), lambda a: a.reshape(5, -1), (3, 5, 2)),
    "transpose": (lambda a: a.transpose(1, 2, 0), lambda a: a.permute(1, 2, 0), (3, 5, 2)),
    "transpose by negative axes": (lambda a: a.transpose(-1, 0, 1), lambda a: a.permute(-1, 0, 1), (3, 5, 2)),
    "T": (lambda a: a.T, lambda a: a.T, (3, 5)),
    "index of a row": (lambda a: a[1], lambda a: a[1], (3, 5)),
    "slices": (lambda a: a[..., ::2, None], lambda a: a[..., ::2, None], (3, 5)),
    "rows taken twice": (lambda a: a[PICK], lambda a: a[PICK], (3, 5)),
    "entries taken twice": (lambda a: a[PICK, PICK], lambda a: a[PICK, PICK], (3, 5)),
    "boolean index": (lambda a: a[MASK], lambda a: a[torch.tensor(MASK)], (3, 5)),
    "iteration": (lambda a: sum(row * row for row in a), lambda a: sum(row * row for row in a), (3, 5)),
    "matmul": (lambda a, b: a @ b, lambda a, b: a @ b, (3, 5), (5, 7)),
    "matmul, vector on the right": (lambda a, b: a @ b, lambda a, b: a @ b, (3, 5), (5,)),
    "matmul, vector on the left": (lambda a, b: a @ b, lambda a, b: a @ b, (5,), (5, 7)),
    "matmul of vectors": (lambda a, b: a @ b, lambda a, b: a @ b, (5,), (5,)),
    "matmul in batches": (lambda a, b: a @ b, lambda a, b: a @ b, (2, 3, 5), (2, 5, 7)),
    "matmul broadcasts": (lambda a, b: a @ b, lambda a, b: a @ b, (2, 1, 3, 5), (11, 5, 7)),
    "matmul, batch and vector": (lambda a, b: a @ b, lambda a, b: a @ b, (2, 3, 5), (5,)),
    "matmul, vector and batch": (lambda a, b: a @ b, lambda a, b: a @ b, (5,), (2, 5, 3)),
    "matmul by an array": (lambda a: np.ones((2, 3)) @ a, lambda a: torch.ones(2, 3).double() @ a, (3, 5)),
    "maximum": (maximum, torch.maximum, (3, 5), (5,)),
    "maximum with a number": (lambda a: maximum(a, 0.5), lambda a: a.clamp(min=0.5), (3, 5)),
    "where": (lambda a, b: where(MASK, a, b), lambda a, b: torch.where(torch.tensor(MASK), a, b), (3, 5), (5,)),
    "where, a number": (lambda a: where(MASK, 2.0, a), lambda a: torch.where(torch.tensor(MASK), 2.0, a), (3, 5)),
    "concatenate": (lambda a, b: concatenate([a, b, a], 1), lambda a, b: torch.cat([a, b, a], 1), (3, 5), (3, 2)),
    "stack": (lambda a, b: stack([a, b], -1), lambda a, b: torch.stack([a, b], -1), (3, 5), (3, 5)),
    "unfold": (lambda a: unfold(a, 3), lambda a: F.unfold(a, 3), (2, 3, 5, 7)),
    "unfold, all options": (
        lambda a: unfold(a, (2, 3), stride=2, padding=1),
        lambda a: F.unfold(a, (2, 3), stride=2, padding=1),
        (2, 3, 6, 8),
    ),
    "conv2d": (conv2d, F.conv2d, (2, 3, 7, 5), (11, 3, 3, 2), (11,)),
    "conv2d, all options": (
        lambda x, w: conv2d(x, w, stride=2, padding=1),
        lambda x, w: F.conv2d(x, w, stride=2, padding=1),
        (2, 3, 7, 6),
        (5, 3, 3, 3),
    ),
    "max_pool2d": (lambda a: max_pool2d(a, 2), lambda a: F.max_pool2d(a, 2), (2, 3, 5, 7)),
    "cross_entropy": (
        lambda a: cross_entropy(a, np.array([4, 0, 1])),
        lambda a: F.cross_entropy(a, torch.tensor([4, 0, 1])),
        (3, 5),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_agrees_with_torch_in_both_modes(name):
    ours, theirs, *shapes = OPERATIONS[name]
    both(ours, theirs, *(draw(*shape, seed=place) for place, shape in enumerate(shapes)))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_agrees_with_differences(name):
    ours, _, *shapes = OPERATIONS[name]
    assert gradcheck(ours, *(draw(*shape, seed=place) for place, shape in enumerate(shapes)))


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_float32(name):
    ours, _, *shapes = OPERATIONS[name]
    if "array" in name:
        return  # a float64 array widens, as in NumPy
    leaves = [Tensor(draw(*shape, seed=k).astype(np.float32), requires_grad=True) for k, shape in enumerate(shapes)]
    value = ours(*leaves)
    value.backward(np.ones(value.shape))
    assert value.dtype == np.float32
    assert all(leaf.grad.dtype == np.float32 and leaf.grad.shape == leaf.shape for leaf in leaves)


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
]


@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 3), min_size=5, max_size=30), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_random_expressions_agree_with_torch(plan, seed):
    """Nodes are used again at random, so that gradients have to be summed over several consumers."""

    def run(a, b):
        nodes = [a, b]
        for step, first, second in plan:
            nodes.append(STEPS[step % len(STEPS)](nodes[first % len(nodes)], nodes[second % len(nodes)]))
            nodes[-1] = nodes[-1] / (1 + (nodes[-1] * nodes[-1]).mean())  # keep it in range
        return sum(nodes[2:], nodes[0]).sum()

    arrays = draw(3, 2, seed=seed), draw(3, 2, seed=seed + 1)
    here = [Tensor(a, requires_grad=True) for a in arrays]
    there = [torch.tensor(a, requires_grad=True) for a in arrays]
    (run(*here) + 0 * here[1].sum()).backward()  # the plan need not touch the second
    (run(*there) + 0 * there[1].sum()).backward()
    for leaf, other in zip(here, there, strict=True):
        np.testing.assert_allclose(leaf.grad, other.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_a_value_that_is_used_twice_gets_both_gradients():
    x = Tensor([0.3, -0.7], requires_grad=True)
    h = x.tanh()
    (h * h + 3 * h).sum().backward()
    np.testing.assert_allclose(x.grad, (2 * np.tanh(x.data) + 3) * (1 - np.tanh(x.data) ** 2), rtol=1e-14)


# Depth, memory, and being called again


def test_a_chain_of_40_000_operations():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0 + 1e-5
    assert len(topological_order(y)) == 40_001
    y.backward()
    assert x.grad == 1.0


def test_a_long_chain_is_freed_without_backward():
    """Thousands of tensors that hold each other end without a recursion in the interpreter, in a small stack too."""

    def build():
        y = Tensor(1.0, requires_grad=True)
        for _ in range(20_000):
            y = y + 1.0

    threading.stack_size(2**18)
    worker = threading.Thread(target=build)
    worker.start()
    threading.stack_size(0)
    worker.join()
    gc.collect()


def test_a_diamond_of_paths_is_walked_once():
    y = x = Tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = y + y  # 2 to the 60 paths
    y.backward()
    assert x.grad == 2.0**60


def test_backward_frees_what_the_graph_kept():
    tracemalloc.start()
    x = Tensor(np.ones(250_000), requires_grad=True)
    y = x
    for _ in range(20):
        y = y.tanh()
    loss = y.sum()
    del y
    held = tracemalloc.get_traced_memory()[0]
    loss.backward()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held > 20 * 2e6
    assert after < 3 * 2e6  # x and its gradient


def test_a_second_backward_is_refused_and_changes_nothing():
    x = Tensor(2.0, requires_grad=True)
    h = x * x
    y, z = h + 1, h * 3
    y.backward()
    for again in (y, z):  # z shares a used-up part
        with pytest.raises(RuntimeError, match="used up by a backward"):
            again.backward()
    assert x.grad == 4.0


def test_a_retained_graph_adds_the_same_gradient_again():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad, [4.0, 8.0])


def test_gradients_add_up_until_they_are_cleared():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [6.0, 12.0])
    x.zero_grad()
    assert x.grad is None


def test_gradients_of_two_leaves_share_no_memory():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    seed = np.ones(1)
    (a + b).backward(seed)
    a.grad[0] = 7
    assert b.grad[0] == seed[0] == 1


def test_backward_of_a_leaf():
    x = Tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad == 1


# What records and what does not


def test_no_grad_records_nothing_and_ends_with_its_block():
    x = Tensor(2.0, requires_grad=True)
    with no_grad():
        y = x * x
    assert not y.requires_grad
    assert y.edges == ()
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_no_grad_is_of_its_thread():
    seen = []
    with no_grad():
        worker = threading.Thread(target=lambda: seen.append((Tensor(1.0, requires_grad=True) * 2).requires_grad))
        worker.start()
        worker.join()
    assert seen == [True]


def test_constants_are_not_part_of_the_graph():
    x, c = Tensor(2.0, requires_grad=True), Tensor(3.0)
    y = x * (c * c)
    assert [node.op for node in topological_order(y)] == ["leaf", "*"]
    y.backward()
    assert c.grad is None
    assert not (c + 1).requires_grad
    assert not x.detach().requires_grad


def test_maxima_that_tie_share():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(axis=1).sum().backward()
    np.testing.assert_allclose(x.grad, [[0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3]])
    image = Tensor([[[[1.0, 1.0, 5.0], [0.0, 1.0, 5.0], [9.0, 9.0, 9.0]]]], requires_grad=True)
    max_pool2d(image, 2).backward([[[[6.0]]]])
    np.testing.assert_allclose(image.grad[0, 0], [[2, 2, 0], [0, 2, 0], [0, 0, 0]])  # the last row fills no tile
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    maximum(a, b).backward()
    assert a.grad == b.grad == 0.5


def test_kinks_take_slope_zero():
    x = Tensor([0.0], requires_grad=True)
    (x.relu() + x.abs()).backward()
    assert x.grad == 0


def test_nothing_overflows():
    x = Tensor([[1000.0, -1000.0]], requires_grad=True)
    value = cross_entropy(x, [1]) + x.sigmoid().sum()
    assert value.item() == 2001
    value.backward()
    np.testing.assert_allclose(x.grad, [[1, -1]])


def test_arrays_are_kept_and_lists_are_copied():
    array = np.arange(3.0)
    assert Tensor(array).data is array
    assert Tensor([1, 2]).dtype == np.int64
    assert (Tensor(np.float32([1])) * 2.5).dtype == np.float32


def test_what_it_says_of_itself():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], requires_grad=True)"
    assert repr(x + 1) == "Tensor([2., 3.], op=+)"
    assert repr(x.detach()) == "Tensor([1., 2.])"
    assert (len(x), x.ndim, x.size, x.dtype, (x[0]).item()) == (2, 1, 2, np.float64, 1.0)


# Forward mode


def test_forward_mode_needs_no_graph_and_leaves_none():
    value, slope = jvp(lambda x: x.exp().sum(), [np.array([0.0, 1.0])], [np.array([1.0, 2.0])])
    assert value == 1 + np.e
    assert slope == 1 + 2 * np.e
    assert autograd._recording.get()


def test_a_constant_function_has_no_slope():
    value, slope = jvp(lambda x: Tensor(5.0), [1.0], [1.0])
    assert (value, slope) == (5.0, 0.0)


def test_gradcheck_sees_wrong_derivatives(monkeypatch):
    def bent(a, pull=1.0, push=1.0):
        edge = autograd.Edge(a, lambda t: push * t, lambda g: pull * g)
        return autograd.record("bent", a.data * 1.0, edge)

    assert gradcheck(bent, np.ones(3))
    with pytest.raises(AssertionError, match=r"reverse mode gives .* for entry \(0,\) of input 0"):
        gradcheck(lambda a: bent(a, pull=1.01), np.ones(3))
    with pytest.raises(AssertionError, match="forward mode"):
        gradcheck(lambda a: bent(a, push=0.99), np.ones(3))
    with pytest.raises(AssertionError, match="nan"):
        gradcheck(lambda a: bent(a, pull=np.nan), np.ones(3))
    with pytest.raises(AssertionError, match="input 1"):
        gradcheck(lambda a, b: a + b.detach(), np.ones(3), np.ones(3))


# Input that would give a silent wrong number


X, IMAGES = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(np.ones((2, 3, 4, 5)))
BAD = {
    "found a Tensor": lambda: Tensor(X),
    "found dtype complex128": lambda: Tensor([1j]),
    "found dtype object": lambda: Tensor([None]),
    "floating dtype, found int64": lambda: Tensor([1], requires_grad=True),
    "requires a gradient": lambda: Tensor(1.0).backward(),
    r"single entry needs no weights, found shape \(2, 3\)": lambda: (X + 1).backward(),
    r"shape of the tensor, \(2, 3\), found \(3,\)": lambda: (X + 1).backward(np.ones(3)),
    "the exponent is a number": lambda: X**X,
    "@ multiplies vectors and matrices": lambda: X @ 2.0,
    "mean of no entries": lambda: Tensor(np.ones((0, 2))).mean(),
    "condition is a boolean array, found float64": lambda: where(np.ones(2), X, X),
    "at least one tensor": lambda: concatenate([]),
    "tensors of one shape": lambda: stack([X, X[0]]),
    r"\(n, c, h, w\), found \(2, 3\)": lambda: unfold(X, 2),
    "at least 1, padding 0, found 0": lambda: unfold(IMAGES, 0),
    "6 x 2 does not fit into 4 x 5": lambda: unfold(IMAGES, (6, 2)),
    r"found \(2, 3, 4, 5\) and \(7, 2, 3, 3\)": lambda: conv2d(IMAGES, Tensor(np.ones((7, 2, 3, 3)))),
    r"each of the 7 kernels, found shape \(6,\)": lambda: conv2d(
        IMAGES, Tensor(np.ones((7, 3, 3, 3))), Tensor(np.ones(6))
    ),
    "h, w >= size >= 1": lambda: max_pool2d(IMAGES, 5),
    r"found \(2, 3\) and int64 \(3,\)": lambda: cross_entropy(X, [0, 1, 2]),
    r"0 ... 2, found 0 ... 3": lambda: cross_entropy(X, [0, 3]),
    r"found \(2, 3\) and float64": lambda: cross_entropy(X, [0.0, 1.0]),
    "tangent of its shape": lambda: jvp(lambda x: x, [np.ones(2)], [np.ones(3)]),
    "derivatives need a floating dtype": lambda: jvp(lambda x: x, [1], [1]),
    "differences need float64, found float32 in input 1": lambda: gradcheck(maximum, np.ones(2), np.float32([2.0])),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
