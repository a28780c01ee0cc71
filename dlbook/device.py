"""Where the numbers are computed: one device, a fixed number of threads, and the budget that follows from both."""

import os
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

__all__ = ["device", "on_gpu", "threads"]

T = TypeVar("T")


def device() -> torch.device:
    """Return CUDA if there is one, else the CPU; ``DLBOOK_DEVICE`` (``cpu``, ``cuda``, ``cuda:1``, ``mps``) overrides.

    Apple's ``mps`` has no float64, in which the book checks its gradients: it is used only when asked for by name.

    Examples
    --------
    >>> import torch
    >>> torch.zeros(3, device=device()).shape
    torch.Size([3])
    """
    asked = os.environ.get("DLBOOK_DEVICE", "")
    if not asked:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(asked)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by how it was built
        raise ValueError(f"DLBOOK_DEVICE={asked!r} is no device of this machine: use cpu, cuda or mps") from error
    return found


def threads(n: int) -> None:
    """Compute with ``n`` threads from now on, in torch and in the BLAS under NumPy.

    A chapter says ``threads(1)``: sums are then added in one order, so a reader sees the numbers of the site, and small
    networks run faster than on several threads that wait for each other.
    """
    if n < 1:
        raise ValueError(f"threads takes a positive count, found {n}")
    torch.set_num_threads(n)
    threadpool_limits(n)  # torch leaves the BLAS of NumPy at its own count


def on_gpu(gpu: T, *, else_: T) -> T:
    """Choose a budget: ``gpu`` where :func:`device` is CUDA, ``else_`` anywhere else.

    Examples
    --------
    >>> epochs = on_gpu(20, else_=3)
    """
    return gpu if device().type == "cuda" else else_
