"""Oracles: structures and sizes worked by hand."""

import numpy as np

from dlbook.backprop.nodes import Node, Ref, references, replace_leaves

NESTED = (Ref(3), [Ref(1), 2.0], {"axis": 1, "out": (Ref(4),)})


def test_references_are_found_in_order_however_deep():
    assert list(references(NESTED)) == [Ref(3), Ref(1), Ref(4)]


def test_leaves_are_replaced_and_the_rest_stays():
    assert replace_leaves(NESTED, lambda ref: ref.node) == (3, [1, 2.0], {"axis": 1, "out": (4,)})
    assert replace_leaves((1, [2.0, "a"]), str, (int, float)) == ("1", ["2.0", "a"])


def test_what_a_node_says_of_itself():
    float32 = np.dtype(np.float32)
    node = Node("add", np.add, (Ref(3), Ref(1)), {}, (5, 7), float32, (28, 4))
    assert (node.inputs, node.computes, node.nbytes, node.label) == ((3, 1), True, 4 * 35, "+")
    view = Node("index", None, (Ref(3),), {}, (5,), float32, (4,), source=3)
    assert view.nbytes == 0  # it lies in the memory of another
    constant = Node.constant(np.zeros((2, 3)))
    assert (constant.inputs, constant.computes, constant.nbytes, constant.label) == ((), False, 48, "constant")
