"""Oracles: closed forms, and operations that were made wrong on purpose."""

import numpy as np
import pytest

from dlbook.backprop import autograd
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.gradcheck import gradcheck, jvp
from dlbook.backprop.operations import maximum


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


def test_autograd_offers_both():
    assert (autograd.gradcheck, autograd.jvp) == (gradcheck, jvp)


BAD = {
    "tangent of its shape": lambda: jvp(lambda x: x, [np.ones(2)], [np.ones(3)]),
    "derivatives need a floating dtype": lambda: jvp(lambda x: x, [1], [1]),
    "differences need float64, found float32 in input 1": lambda: gradcheck(maximum, np.ones(2), np.float32([2.0])),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
