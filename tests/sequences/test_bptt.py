"""Back-propagation through time by hand against autograd, finite differences and the lecture's example."""

import math

import numpy as np
import pytest
import torch

from dlbook.sequences.bptt import bptt, jacobian, lag_terms, unroll

RNG = np.random.default_rng(0)
W, DRIVE, START = 0.8 * RNG.standard_normal((3, 3)), RNG.standard_normal((7, 3)), RNG.standard_normal(3)
STATES = unroll(W, DRIVE, START)
AIM = RNG.standard_normal((7, 3))
BLAME = STATES[1:] - AIM  # of half the squares


def by_autograd():
    w, drive = (torch.tensor(a, requires_grad=True) for a in (W, DRIVE))
    h, cost = torch.tensor(START), 0.0
    for t in range(7):
        h = torch.tanh(w @ h + drive[t])
        cost = cost + (h - torch.tensor(AIM[t])).square().sum() / 2
    cost.backward()
    return w.grad.numpy(), drive.grad.numpy()


def test_states_are_the_recurrence():
    assert STATES.shape == (8, 3)
    assert np.array_equal(STATES[0], START)
    for t in range(7):
        assert np.allclose(STATES[t + 1], np.tanh(W @ STATES[t] + DRIVE[t]), rtol=1e-15)


def test_gradients_are_those_of_autograd():
    for ours, theirs in zip(bptt(W, STATES, BLAME), by_autograd(), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_lags_add_up_to_the_gradient_and_the_first_is_the_immediate_one():
    terms = lag_terms(W, STATES, BLAME)
    assert np.allclose(terms.sum(axis=0), by_autograd()[0], rtol=1e-12, atol=1e-14)
    immediate = ((1 - STATES[1:] ** 2) * BLAME).T @ STATES[:-1]  # each state before it held fixed
    assert np.allclose(terms[0], immediate, rtol=1e-12)


@pytest.mark.parametrize("k", range(7))
def test_each_lag_is_its_product_of_jacobians(k):
    wanted = np.zeros((3, 3))
    for t in range(k + 1, 8):
        carried = BLAME[t - 1] @ jacobian(W, STATES, t, t - k)
        wanted += np.outer((1 - STATES[t - k] ** 2) * carried, STATES[t - k - 1])
    assert np.allclose(lag_terms(W, STATES, BLAME)[k], wanted, rtol=1e-11, atol=1e-14)


def test_jacobian_is_the_difference_of_two_runs():
    step, columns = 1e-6, []
    for j in range(3):
        ahead, behind = (unroll(W, DRIVE[2:6], STATES[2] + sign * step * np.eye(3)[j])[-1] for sign in (1, -1))
        columns.append((ahead - behind) / (2 * step))
    assert np.allclose(jacobian(W, STATES, 6, 2), np.stack(columns, axis=1), atol=1e-9)
    assert np.array_equal(jacobian(W, STATES, 4, 4), np.eye(3))


def test_numbers_of_the_erratum():
    # the inputs of the run that the correction E46 was checked with
    drive = np.array([[0.158899905], [1.50685265], [-0.00664882899], [1.45154881], [-1.1045533], [0.957927713]])
    h = unroll(np.array([[0.7]]), drive, np.array([0.3]))
    gradient, _ = bptt(np.array([[0.7]]), h, 2 * (h[1:] - 0.1 * np.arange(1, 7)[:, None]))
    assert math.isclose(gradient.item(), -0.856989, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: unroll(W[:2], DRIVE, START), r"weight is \(h, h\)"),
        (lambda: unroll(W, DRIVE[:, :2], START), r"drive is \(t, 3\)"),
        (lambda: jacobian(W, STATES, 8, 2), "later < 8 states, found 2 and 8"),
        (lambda: jacobian(W, STATES, 2, 3), "found 3 and 2"),
        (lambda: bptt(W, STATES[:, :2], BLAME), r"states is \(t\+1, 3\)"),
        (lambda: bptt(W, STATES[:-1], BLAME), "one state more than steps, found 7 and 7"),
        (lambda: lag_terms(W, STATES[:-1], BLAME), "one state more than steps, found 7 and 7"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
