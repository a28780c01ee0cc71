"""Oracles: torch, closed forms, counts by hand, and the bytes that are held."""

import copy
import gc
import threading
import tracemalloc

import numpy as np
import pytest
import torch

from dlbook.backprop.autograd import Edge, Tensor, no_grad, record, topological_order


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

    threading.stack_size(2**20)  # an eighth of the usual; freeing one object within another takes Python 3.13 so much
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


# Arrays that other dtypes meet


def test_gradients_keep_the_dtype_of_the_leaf_when_wider_arrays_meet_it():
    # d/dx sum(a x) = a, added twice; a in float64, x in float32
    x, a = Tensor(np.float32([1.0, 2.0, 3.0]), requires_grad=True), np.array([0.1, 0.2, 0.3])
    for times in (1, 2):
        (x * a).sum().backward()
        assert x.grad.dtype == np.float32
        np.testing.assert_array_equal(x.grad, times * a.astype(np.float32))


def test_a_gradient_is_an_array_of_its_own():
    x, edge = Tensor([1.0, 2.0], requires_grad=True), np.array([3.0, 4.0])
    record("given", x.data, Edge(x, lambda t: t, lambda g: edge)).backward([1.0, 1.0])
    x.grad += 1
    assert edge.tolist() == [3, 4]


# Writing in place


def test_a_write_between_forward_and_backward_is_refused_as_in_torch():
    there = torch.tensor([2.0], requires_grad=True)
    loss = (there * there).sum()
    there.detach().sub_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    here = Tensor([2.0], requires_grad=True)
    loss = (here * here).sum()
    here.data -= 1.0
    with pytest.raises(RuntimeError, match=r"written into after '\*' had used it"):
        loss.backward()
    assert here.grad is None


def test_a_write_into_a_result_that_is_still_needed_is_refused():
    x = Tensor([1.0], requires_grad=True)
    y = x.exp()  # its slope is its value
    y.data += 1
    with pytest.raises(RuntimeError, match="'exp' had used it"):
        y.backward()
    z = x.exp()
    loss = z * z
    z.data += 1
    with pytest.raises(RuntimeError, match="had used it"):
        loss.backward()


def test_a_write_before_and_one_after_are_no_matter():
    x = Tensor([3.0], requires_grad=True)
    for _ in range(3):
        x.data -= 1.0
        (x * x).backward()
        x.data += 1.0
        assert x.grad == 2.0 * 2.0
        x.zero_grad()


def test_a_new_array_is_no_write():
    x = Tensor([3.0], requires_grad=True)
    y = x * x
    x.data = x.data - 1.0  # the graph keeps the old one
    y.backward()
    assert x.grad == 6.0


# Meeting NumPy


def test_an_array_of_a_tensor_is_refused_where_torch_refuses():
    for x in (Tensor([1.0, 2.0], requires_grad=True), torch.tensor([1.0, 2.0], requires_grad=True)):
        for made in (x, x * 2):
            with pytest.raises(RuntimeError, match="requires.* grad"):
                np.asarray(made)
            with pytest.raises(RuntimeError, match="requires.* grad"):
                np.mean([made])


def test_an_array_of_a_constant_is_its_data():
    array = np.array([1.0, 2.0])
    for x in (Tensor(array), Tensor(array, requires_grad=True).detach()):
        assert np.asarray(x) is array
        assert np.asarray(x, np.float32).dtype == np.float32
        assert not np.may_share_memory(np.array(x), array)
        assert np.array([x, x]).tolist() == [[1, 2], [1, 2]]
    with no_grad():
        assert np.asarray(Tensor(array, requires_grad=True) * 2).tolist() == [2, 4]


def test_a_copy_is_a_leaf_of_its_own():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = copy.deepcopy(x)
    (y * y).sum().backward()
    assert x.grad is None
    assert y.grad.tolist() == [2, 4]


# Input that would give a silent wrong number


X = Tensor(np.ones((2, 3)), requires_grad=True)
BAD = {
    "found a Tensor": lambda: Tensor(X),
    "found dtype complex128": lambda: Tensor([1j]),
    "found dtype object": lambda: Tensor([None]),
    "floating dtype, found int64": lambda: Tensor([1], requires_grad=True),
    "requires a gradient": lambda: Tensor(1.0).backward(),
    r"single entry needs no weights, found shape \(2, 3\)": lambda: (X + 1).backward(),
    r"shape of the tensor, \(2, 3\), found \(3,\)": lambda: (X + 1).backward(np.ones(3)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
