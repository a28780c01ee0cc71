"""Ask a layer what it is: read off its matrix, and measure which transformations it respects."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["as_matrix", "equivariance_error"]


def as_matrix(f: Callable[[Tensor], Tensor], shape: tuple[int, ...], *, dtype: torch.dtype = torch.float64) -> Tensor:
    """Write a linear layer as the matrix that it is: ``f(x).flatten() == as_matrix(f, shape) @ x.flatten() + f(0)``.

    Parameters
    ----------
    f : callable
        Maps a batch of n inputs to n outputs, each by itself, by a linear map and a bias.
    shape : tuple of int
        Of one input, without the batch: (c, h, w).
    dtype : torch.dtype
        Of the inputs that ``f`` is given.

    Returns
    -------
    matrix : (outputs, inputs)
        Column k is what becomes of an input that is 1 at its k-th number and 0 elsewhere.

    Raises
    ------
    ValueError
        If ``f`` is not linear up to a bias, as seen on one more input.

    Examples
    --------
    >>> from dlbook.convolution.convolution import conv2d
    >>> as_matrix(lambda x: conv2d(x, torch.tensor([[[[-1.0, 1.0]]]])), (1, 1, 4), dtype=torch.float32)
    tensor([[-1.,  1.,  0.,  0.],
            [ 0., -1.,  1.,  0.],
            [ 0.,  0., -1.,  1.]])
    """
    n = torch.Size(shape).numel()
    with torch.no_grad():
        zero = f(torch.zeros(1, *shape, dtype=dtype)).flatten(1)
        matrix = (f(torch.eye(n, dtype=dtype).reshape(n, *shape)).flatten(1) - zero).T.contiguous()
        probe = torch.linspace(-3, 2, n, dtype=dtype).cos() * torch.tensor([1.0, -2.0], dtype=dtype).repeat(n)[:n]
        out = f(probe.reshape(1, *shape)).flatten()
    if not torch.allclose(matrix @ probe + zero[0], out, rtol=1e-4, atol=1e-4 * float(out.abs().max())):
        raise ValueError("f is not linear up to a bias: it has no matrix")
    return matrix


def equivariance_error(
    f: Callable[[Tensor], Tensor],
    transform: Callable[[Tensor], Tensor],
    x: Tensor,
    output_transform: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Return the largest difference between ``f(transform(x))`` and ``output_transform(f(x))``.

    Zero, up to rounding, says that ``f`` is *equivariant* on ``x``: it commutes with the transformation.

    Parameters
    ----------
    f : callable
    transform : callable
        What is done to the input.
    x : tensor
    output_transform : callable, optional
        What should happen to the output; ``transform`` by default. With ``lambda y: y`` it is *invariance* that is
        tested.

    Examples
    --------
    >>> shift = lambda x: x.roll(1, dims=-1)
    >>> x = torch.tensor([[1.0, 2.0, 4.0]])
    >>> equivariance_error(torch.square, shift, x), equivariance_error(lambda x: x.cumsum(-1), shift, x)
    (0.0, 4.0)
    """
    with torch.no_grad():
        first, then = f(transform(x)), (output_transform or transform)(f(x))
    if first.shape != then.shape:
        raise ValueError(f"f(T x) has shape {tuple(first.shape)} and T f(x) {tuple(then.shape)}")
    return (first - then).abs().max().item()
