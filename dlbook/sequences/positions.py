"""Where a word stands, as numbers that can be added to it: Vaswani et al. (2017), arXiv:1706.03762, section 3.5.

Every pair of features is the sine and the cosine of the position times one frequency, so that a shift is a rotation of
each pair.  Learned positions need no module: they are ``torch.nn.Embedding(longest, d_model)``.
Paper → code: pos → ``position``; i → pair.  Axes: t positions, m model.
"""

import torch
from torch import Tensor

__all__ = ["frequencies", "shift_matrix", "sinusoids"]


def frequencies(d_model: int, *, base: float = 10_000.0, device: torch.device | str | None = None) -> Tensor:
    """Return the frequency of each pair of features, ``base ** (-2 i / d_model)``, in float64.

    Wavelengths rise from 2π for the first pair towards ``base`` times as much.

    Parameters
    ----------
    d_model : int
        Even.
    base : float
    device : optional

    Returns
    -------
    (m / 2,)

    Examples
    --------
    >>> frequencies(4)
    tensor([1.0000, 0.0100], dtype=torch.float64)
    """
    if d_model < 2 or d_model % 2:
        raise ValueError(f"features come in pairs, d_model is even and at least 2, found {d_model}")
    pairs = torch.arange(0, d_model, 2, dtype=torch.float64, device=device)
    return base ** (-pairs / d_model)


def sinusoids(
    length: int,
    d_model: int,
    *,
    base: float = 10_000.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Return the codes of the positions 0 to ``length`` - 1: sines in even features, cosines in odd ones.

    Parameters
    ----------
    length, d_model : int
    base : float
        10,000 in the paper.
    device, dtype : optional

    Returns
    -------
    (t, m)

    Examples
    --------
    >>> sinusoids(3, 2)
    tensor([[ 0.0000,  1.0000],
            [ 0.8415,  0.5403],
            [ 0.9093, -0.4161]])
    """
    if length < 1:
        raise ValueError(f"there is at least one position, found length = {length}")
    position = torch.arange(length, dtype=torch.float64, device=device)
    angle = position[:, None] * frequencies(d_model, base=base, device=device)
    codes = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
    return codes.to(torch.get_default_dtype() if dtype is None else dtype)


def shift_matrix(
    shift: int, d_model: int, *, base: float = 10_000.0, device: torch.device | str | None = None
) -> Tensor:
    """Return the matrix that takes the code of every position to the code ``shift`` places on, in float64.

    It turns each pair of features by the shift times its frequency: sin(a + b) = cos b sin a + sin b cos a, and
    cos(a + b) = cos b cos a - sin b sin a.

    Parameters
    ----------
    shift, d_model : int
    base : float
    device : optional

    Returns
    -------
    (m, m)

    Examples
    --------
    >>> codes = sinusoids(9, 4, dtype=torch.float64)
    >>> torch.allclose(codes[:5] @ shift_matrix(4, 4).T, codes[4:])
    True
    """
    angle = shift * frequencies(d_model, base=base, device=device)
    cos, sin = angle.cos(), angle.sin()
    turns = torch.stack([torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)], dim=-2)  # (m / 2, 2, 2)
    return torch.block_diag(*turns)
