"""Oracles: torch in float64 for every operation and for random expressions, central differences, and two laws.

The laws: the pull of an operation is the transpose of its push, and both modes give one number.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common import draw
from dlbook.backprop.autograd import Tensor, gradcheck, jvp
from dlbook.backprop.operations import concatenate, maximum, stack, where


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
    "add of an array": (lambda a: a + np.arange(5.0), lambda a: a + torch.arange(5.0).double(), (3, 5)),
    "division of an array": (lambda a: np.arange(5.0) / (a + 3), lambda a: torch.arange(5.0) / (a + 3), (3, 5)),
    "mul of one by itself": (lambda a: a * a, lambda a: a * a, (3, 5)),
    "rmul by an array": (lambda a: np.arange(5.0) * a, lambda a: torch.arange(5.0).double() * a, (3, 5)),
    "div": (lambda a, b: a / (b + 3), lambda a, b: a / (b + 3), (3, 5), (5,)),
    "rdiv": (lambda a: 2 / (a + 3), lambda a: 2 / (a + 3), (3,)),
    "pow": (lambda a: (a + 3) ** 2.5, lambda a: (a + 3) ** 2.5, (3, 5)),
    "pow 0": (lambda a: a**0, lambda a: a**0, (3,)),
    "rpow": (lambda a: 2**a, lambda a: 2**a, (3, 5)),
    "rpow of a float": (lambda a: 0.3**a, lambda a: 0.3**a, (3,)),
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
    "reshape by a tuple": (lambda a: a.reshape((5, 6)), lambda a: a.reshape((5, 6)), (3, 5, 2)),
    "reshape by a list": (lambda a: a.reshape([5, -1]), lambda a: a.reshape([5, -1]), (3, 5, 2)),
    "reshape to nothing": (lambda a: a.reshape(()), lambda a: a.reshape(()), (1,)),
    "transpose by a tuple": (lambda a: a.transpose((1, 2, 0)), lambda a: a.permute((1, 2, 0)), (3, 5, 2)),
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
    "maximum with an array": (
        lambda a: maximum(np.linspace(-1, 1, 5), a),
        lambda a: torch.maximum(torch.linspace(-1, 1, 5).double(), a),
        (3, 5),
    ),
    "where, an array": (
        lambda a: where(MASK, a, np.ones(5)),
        lambda a: torch.where(torch.tensor(MASK), a, torch.ones(5).double()),
        (3, 5),
    ),
    "concatenate with an array": (
        lambda a: concatenate([a, np.ones((2, 5))]),
        lambda a: torch.cat([a, torch.ones(2, 5).double()]),
        (3, 5),
    ),
    "maximum with a number": (lambda a: maximum(a, 0.5), lambda a: a.clamp(min=0.5), (3, 5)),
    "where": (lambda a, b: where(MASK, a, b), lambda a, b: torch.where(torch.tensor(MASK), a, b), (3, 5), (5,)),
    "where, a number": (lambda a: where(MASK, 2.0, a), lambda a: torch.where(torch.tensor(MASK), 2.0, a), (3, 5)),
    "concatenate": (lambda a, b: concatenate([a, b, a], 1), lambda a, b: torch.cat([a, b, a], 1), (3, 5), (3, 2)),
    "stack": (lambda a, b: stack([a, b], -1), lambda a, b: torch.stack([a, b], -1), (3, 5), (3, 5)),
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
def test_a_gradient_has_the_dtype_of_its_leaf(name):
    ours, _, *shapes = OPERATIONS[name]
    exact = [Tensor(draw(*shape, seed=k), requires_grad=True) for k, shape in enumerate(shapes)]
    leaves = [Tensor(leaf.data.astype(np.float32), requires_grad=True) for leaf in exact]
    value = ours(*leaves)
    for _ in range(2):  # the second gradient is added to the first
        value.backward(np.ones(value.shape), retain_graph=True)
    expected = ours(*exact)
    expected.backward(np.full(expected.shape, 2.0))
    assert value.dtype == (np.float64 if "array" in name else np.float32)  # a float64 array widens, as in NumPy
    for leaf, other in zip(leaves, exact, strict=True):
        assert leaf.grad.dtype == np.float32
        np.testing.assert_allclose(leaf.grad, other.grad, rtol=1e-3, atol=1e-4)


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


def test_maxima_that_tie_share():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(axis=1).sum().backward()
    np.testing.assert_allclose(x.grad, [[0, 1 / 2, 1 / 2], [1 / 3, 1 / 3, 1 / 3]])
    a, b = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    maximum(a, b).backward()
    assert a.grad == b.grad == 0.5


def test_kinks_take_slope_zero():
    x = Tensor([0.0], requires_grad=True)
    (x.relu() + x.abs()).backward()
    assert x.grad == 0


def test_nothing_overflows():
    x = Tensor([1000.0, -1000.0], requires_grad=True)
    value = x.logsumexp() + x.sigmoid().sum()
    assert value.item() == 1001
    value.backward()
    np.testing.assert_allclose(x.grad, [1, 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_logsumexp_of_infinities(dtype):
    # A row of nothing but -inf, one with a finite entry, one with +inf: -inf, 7, inf, as torch says.  The softmax of
    # the first is 0/0: it gets no gradient, and spoils that of no other row.
    x = Tensor(np.array([[-np.inf, -np.inf], [-np.inf, 7], [0, 7], [np.inf, 7]], dtype), requires_grad=True)
    with np.errstate(invalid="ignore"):  # inf / inf in the last row
        value = x.logsumexp(axis=1)
        value[:3].sum().backward()
    np.testing.assert_allclose(value.data, torch.tensor(x.data).logsumexp(1).numpy(), rtol=1e-3)
    assert value.data.tolist()[:2] == [-np.inf, 7]
    assert value.data[3] == np.inf
    np.testing.assert_allclose(x.grad[:3], [[0, 0], [0, 1], [1 / (1 + np.exp(7)), 1 / (1 + np.exp(-7))]], rtol=1e-2)


def test_logsumexp_of_everything_far_below():
    x = Tensor(np.full(3, -1e30), requires_grad=True)
    value = x.logsumexp()
    value.backward()
    assert value.item() == -1e30  # log 3 is beyond its digits
    np.testing.assert_allclose(x.grad, 1 / 3)


# Input that would give a silent wrong number


X = Tensor(np.ones((2, 3)), requires_grad=True)
BAD = {
    "the exponent is a number": lambda: X**X,
    "@ multiplies vectors and matrices": lambda: X @ 2.0,
    "mean of no entries": lambda: Tensor(np.ones((0, 2))).mean(),
    "condition is a boolean array, found float64": lambda: where(np.ones(2), X, X),
    "at least one tensor": lambda: concatenate([]),
    "tensors of one shape": lambda: stack([X, X[0]]),
    "base of base .. tensor is a positive number, found -2": lambda: (-2) ** X,
    "positive number, found 0": lambda: 0**X,
    "positive number, found array": lambda: np.ones(3) ** X,
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
