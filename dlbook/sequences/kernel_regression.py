"""Kernel regression: a prediction is the average of all answers, each weighted by how near its question is.

Nadaraya (1964) and Watson (1964), with a Gaussian kernel. Paper → code: x, X_i, Y_i → query, key, value.
Axes: q queries, k keys, d features of a place, v of a value.
"""

from torch import Tensor

from dlbook._checks import axes

__all__ = ["kernel_regression"]


def kernel_regression(query: Tensor, key: Tensor, value: Tensor, bandwidth: float | Tensor) -> tuple[Tensor, Tensor]:
    """Average the values, each weighted by a Gaussian bell around the query at its key.

    Parameters
    ----------
    query : (..., q, d)
    key : (..., k, d)
    value : (..., k, v)
    bandwidth : float or tensor that broadcasts to (..., q, k)
        Width of the bell, its standard deviation, in the unit of the keys; positive.

    Returns
    -------
    output : (..., q, v)
    weights : (..., q, k)
        Every row sums to one, far away from all keys too: there the nearest takes all.

    Raises
    ------
    ValueError
        If a bandwidth that is a plain number is not positive.

    Examples
    --------
    >>> import torch
    >>> key, value = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[2.0], [4.0], [0.0]])
    >>> output, weights = kernel_regression(torch.tensor([[1.0]]), key, value, bandwidth=1.0)
    >>> [round(w, 2) for w in weights[0].tolist()], round(output.item(), 2)
    ([0.35, 0.57, 0.08], 2.99)
    """
    _, d = axes("query", query, "... q d")[-2:]
    k, _ = axes("key", key, "... k d", d=d, least=1)[-2:]
    axes("value", value, "... k v", k=k)
    if isinstance(bandwidth, float | int) and not bandwidth > 0:
        raise ValueError(f"bandwidth is positive, found {bandwidth}")
    squares = (query.unsqueeze(-2) - key.unsqueeze(-3)).square().sum(dim=-1)
    weights = (-squares / (2 * bandwidth**2)).softmax(dim=-1)  # a quotient of bells, without 0/0 far away
    return weights @ value, weights
