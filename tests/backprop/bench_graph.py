"""A graph that was recorded once against the eager engine, against eager `torch`, and against `torch.jit.trace`."""

import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from bench import Case
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.graph import trace, with_gradients
from dlbook.backprop.layers import cross_entropy
from dlbook.backprop.passes import optimize


def loss(x: Tensor, y: Any, *parameters: Tensor) -> Tensor:
    """Return the loss of an MLP with weights and biases in turn."""
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = (x @ weight + bias).tanh()
    return cross_entropy(x @ parameters[-2] + parameters[-1], y)


def torch_gradients(x: torch.Tensor, y: torch.Tensor, *parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Do the same with torch."""
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = torch.tanh(x @ weight + bias)
    value = F.cross_entropy(x @ parameters[-2] + parameters[-1], y)
    return value, *torch.autograd.grad(value, parameters)


def logits(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
    """Return the scores, for tracing."""
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = (x @ weight + bias).tanh()
    return x @ parameters[-2] + parameters[-1]


def repeated(times: int, function: Callable[..., object], *arguments: object) -> Callable[[], None]:
    """Return a call that calls several times."""

    def run() -> None:
        for _ in range(times):
            function(*arguments)

    return run


def cases() -> Iterator[Case]:
    """Yield a large and a small network, loss and gradients, and the scores of the small one."""
    rng = np.random.default_rng(0)
    step = with_gradients(loss)
    for size, widths, batch in (
        ("MLP 784-256-10, batch 128, loss and gradients", (784, 256, 10), 128),
        ("MLP 16-16-16-16-4, batch 4, loss and gradients, 100 times", (16, 16, 16, 16, 4), 4),
    ):
        times = 1 if batch == 128 else 100
        arrays: list[Any] = []
        for inputs, outputs in pairwise(widths):
            arrays += [rng.normal(size=(inputs, outputs)).astype(np.float32) / 4, np.zeros(outputs, np.float32)]
        ours = [Tensor(array, requires_grad=True) for array in arrays]
        theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
        x, y = rng.normal(size=(batch, widths[0])).astype(np.float32), rng.integers(0, widths[-1], batch)
        there, labels = torch.tensor(x), torch.tensor(y)
        graph = optimize(trace(step, x, y, *ours))

        compiled = repeated(times, graph, x, y, *ours)
        eager = repeated(times, step, x, y, *ours)
        torch_eager = repeated(times, torch_gradients, there, labels, *theirs)

        yield Case("graph.Graph and autograd", size, compiled, eager, "dlbook.backprop.autograd, eager")
        yield Case(
            "graph.Graph and torch",
            size,
            compiled,
            torch_eager,
            "torch, eager",
            "each of our operations is a call of NumPy by an interpreter that is a loop of Python",
        )

    scores = optimize(trace(logits, x, *ours))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is frozen itself
        traced = torch.jit.trace(logits, (there, *theirs))

    still = [parameter.detach() for parameter in theirs]
    yield Case(
        "graph.Graph and torch.jit",
        "MLP 16-16-16-16-4, batch 4, scores, 100 times",
        repeated(100, scores, x, *ours),
        repeated(100, traced, there, *still),
        "torch.jit.trace",
        "the interpreter of torch.jit is written in C++",
    )
