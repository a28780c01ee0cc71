"""Oracles: torch's autograd in float64, central differences, `torch.optim.SGD`, and the lecture's deltas by loops."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dlbook.backprop.backpropagation import backprop, forward

ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "identity": lambda u: u}


def network(sizes, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=(o, i)).astype(dtype) for i, o in itertools.pairwise(sizes)]
    biases = [rng.normal(size=o).astype(dtype) for o in sizes[1:]]
    return weights, biases, rng.normal(size=(7, sizes[0])).astype(dtype), rng.dirichlet(np.ones(sizes[-1]), 7)


def by_torch(weights, biases, x, target, activation, loss, output):
    parameters = [torch.tensor(p, requires_grad=True) for p in (*weights, *biases)]
    W, b = parameters[: len(weights)], parameters[len(weights) :]
    h = torch.tensor(x)
    for place, (weight, bias) in enumerate(zip(W, b, strict=True)):
        h = h @ weight.T + bias
        h = ACTIVATIONS[output if place == len(W) - 1 else activation](h)
    t = torch.tensor(target)
    value = F.cross_entropy(h, t) if loss == "cross-entropy" else 0.5 * F.mse_loss(h, t, reduction="sum") / len(x)
    value.backward()
    return value.item(), [p.grad.numpy() for p in W], [p.grad.numpy() for p in b], h.detach().numpy()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("loss", "output"), [("cross-entropy", "identity"), *(("squares", name) for name in ACTIVATIONS)]
)
def test_gradients_agree_with_autograd(activation, loss, output):
    weights, biases, x, target = network((5, 11, 3, 2))
    ours = backprop(weights, biases, x, target, activation=activation, loss=loss, output=output)
    value, W, b, h = by_torch(weights, biases, x, target, activation, loss, output)
    assert ours.loss == pytest.approx(value, rel=1e-12)
    for found, expected in zip((*ours.weights, *ours.biases), (*W, *b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    out = forward(weights, biases, x, activation=activation, output=output).states[-1]
    np.testing.assert_allclose(out, h, rtol=1e-12)


def test_gradients_agree_with_central_differences():
    weights, biases, x, target = network((3, 5, 2), seed=1)
    ours = backprop(weights, biases, x, target, activation="tanh", loss="squares", output="sigmoid")

    def value():
        return backprop(weights, biases, x, target, activation="tanh", loss="squares", output="sigmoid").loss

    for parameter, gradient in zip((*weights, *biases), (*ours.weights, *ours.biases), strict=True):
        for entry in np.ndindex(parameter.shape):
            kept = parameter[entry]
            parameter[entry] = kept + 1e-6
            ahead = value()
            parameter[entry] = kept - 1e-6
            behind = value()
            parameter[entry] = kept
            assert gradient[entry] == pytest.approx((ahead - behind) / 2e-6, rel=1e-5, abs=1e-9)


def test_the_lecture_s_deltas_by_loops():
    """S3:137-143: half the squared error, sigmoid units, one hidden layer, sums over all consumers."""
    (W, W2), (b, b2), x, target = network((4, 3, 2), seed=2)

    def sigma(u):
        return 1 / (1 + np.exp(-u))

    ours = backprop([W, W2], [b, b2], x[:1], target[:1], activation="sigmoid", loss="squares", output="sigmoid")
    in_j = [sum(W[j, i] * x[0, i] for i in range(4)) + b[j] for j in range(3)]
    h = [sigma(u) for u in in_j]
    in_k = [sum(W2[k, j] * h[j] for j in range(3)) + b2[k] for k in range(2)]
    delta_k = [(sigma(u) - target[0, k]) * sigma(u) * (1 - sigma(u)) for k, u in enumerate(in_k)]
    delta_j = [sum(delta_k[k] * W2[k, j] for k in range(2)) * h[j] * (1 - h[j]) for j in range(3)]
    np.testing.assert_allclose(ours.deltas[1][0], delta_k, rtol=1e-12)
    np.testing.assert_allclose(ours.deltas[0][0], delta_j, rtol=1e-12)
    np.testing.assert_allclose(ours.weights[1], np.outer(delta_k, h), rtol=1e-12)
    np.testing.assert_allclose(ours.weights[0], np.outer(delta_j, x[0]), rtol=1e-12)


def test_a_step_is_that_of_torch_s_sgd():
    weights, biases, x, target = network((5, 7, 3), seed=3)
    parameters = [torch.tensor(p, requires_grad=True) for p in (*weights, *biases)]
    W, W2, b, b2 = parameters
    F.cross_entropy(torch.relu(torch.tensor(x) @ W.T + b) @ W2.T + b2, torch.tensor(target)).backward()
    torch.optim.SGD(parameters, lr=0.3).step()
    ours = backprop(weights, biases, x, target)
    for old, gradient, new in zip((*weights, *biases), (*ours.weights, *ours.biases), parameters, strict=True):
        np.testing.assert_allclose(old - 0.3 * gradient, new.detach().numpy(), rtol=1e-12, atol=1e-14)


def test_a_linear_network_with_squares_has_the_normal_equations_gradient():
    rng = np.random.default_rng(4)
    x, t, W = rng.normal(size=(11, 3)), rng.normal(size=(11, 2)), rng.normal(size=(2, 3))
    ours = backprop([W], [np.zeros(2)], x, t, loss="squares")
    np.testing.assert_allclose(ours.weights[0], ((x @ W.T - t).T @ x) / 11, rtol=1e-12)


def test_nothing_overflows_and_float32_stays():
    far = backprop([[[1000.0], [-1000.0]]], [[0.0, 0.0]], [[1.0]], [[0.0, 1.0]])
    assert far.loss == 2000
    np.testing.assert_array_equal(far.deltas[0], [[1.0, -1.0]])
    assert np.isfinite(forward([[[-1e6]]], [[0.0]], [[1.0]], output="sigmoid").states[-1]).all()
    weights, biases, x, target = network((5, 7, 3), dtype=np.float32)
    ours = backprop(weights, biases, x, target)
    assert {gradient.dtype for gradient in (*ours.weights, *ours.biases, *ours.deltas)} == {np.dtype(np.float32)}


def test_nothing_that_was_passed_in_is_changed():
    weights, biases, x, target = network((5, 7, 3))
    before = [array.copy() for array in (*weights, *biases, x, target)]
    backprop(weights, biases, x, target)
    assert all(np.array_equal(a, b) for a, b in zip(before, (*weights, *biases, x, target), strict=True))


W, B, X, T = network((5, 7, 3))
BAD = {
    "found 0 and 0": lambda: forward([], [], X),
    "found 2 and 1": lambda: forward(W, B[:1], X),
    r"x is \(n, d\) .*, found shape \(5,\)": lambda: forward(W, B, X[0]),
    r"found shape \(0, 5\)": lambda: forward(W, B, X[:0]),
    r"weight of layer 1 is \(units, 4\).* found shape \(7, 5\)": lambda: forward(W, B, X[:, :4]),
    r"weight of layer 2 is \(units, 7\).* found shape \(7, 3\)": lambda: forward([W[0], W[1].T], B, X),
    r"bias of layer 2 is \(3,\), found shape \(7,\)": lambda: forward(W, [B[0], B[0]], X),
    "found 'swish'": lambda: forward(W, B, X, activation="swish"),
    "found 'softmax'": lambda: forward(W, B, X, output="softmax"),
    "found 'hinge'": lambda: backprop(W, B, X, T, loss="hinge"),
    "not squashed": lambda: backprop(W, B, X, T, output="sigmoid"),
    r"target is \(7, 3\), found shape \(7,\): one number for each output": lambda: backprop(W, B, X, np.zeros(7)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises(ValueError, match=message):
        BAD[message]()
