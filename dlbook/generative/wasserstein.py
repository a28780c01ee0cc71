"""Wasserstein GANs: Arjovsky et al. (2017), arXiv:1701.07875, eq. (2); Gulrajani et al. (2017), arXiv:1704.00028.

Paper → code: P_r and P_g → ``real, fake``; the critic f_w (D in the second paper) → ``critic``, any function of a batch
that gives one number an example, of any sign; x̂ → what :func:`between` draws.  Axes: b examples.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from dlbook._checks import axes

__all__ = ["between", "critic_loss", "distance_1d", "gradient_norms", "gradient_penalty"]


def distance_1d(x: Tensor, y: Tensor) -> Tensor:
    """Return the Wasserstein-1 distance of two samples on a line: (n,) and (n,) to a scalar.

    On a line the cheapest plan moves the smallest point to the smallest, the second to the second, and so on.

    Examples
    --------
    >>> distance_1d(torch.tensor([0.0, 1.0]), torch.tensor([4.0, 3.0]))
    tensor(3.)
    """
    (n,) = axes("x", x, "n", least=1)
    axes("y", y, "n", n=n)
    _floats(x=x, y=y)
    return (x.sort().values - y.sort().values).abs().mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of the critic on generated examples less that on real ones: (..., b) and (..., b) to (...).

    Minus this number is at most the Wasserstein-1 distance of the two sets of examples, if the critic never changes by
    more than one for each unit of distance; the best such critic reaches it, eq. (2) of Arjovsky et al.

    Examples
    --------
    >>> critic_loss(torch.tensor([3.0, 4.0]), torch.tensor([0.0, 1.0]))
    tensor(-3.)
    """
    axes("real", real, "... b", least=1)
    axes("fake", fake, "... b", least=1)
    _floats(real=real, fake=fake)
    return fake.mean(dim=-1) - real.mean(dim=-1)


def between(real: Tensor, fake: Tensor, *, generator: Generator) -> Tensor:
    """Draw one point on the segment from each fake to the real example beside it, Algorithm 1, line 6.

    Parameters
    ----------
    real, fake : (b, ...)
    generator : torch.Generator
        Draws one number an example, uniform in [0, 1).

    Examples
    --------
    >>> between(torch.ones(1, 2), torch.ones(1, 2), generator=torch.Generator().manual_seed(0))
    tensor([[1., 1.]])
    """
    if real.shape != fake.shape or real.ndim == 0:
        raise ValueError(f"real and fake are (b, ...), of one shape, found {tuple(real.shape)} and {tuple(fake.shape)}")
    _floats(real=real, fake=fake)
    share = torch.rand(len(real), generator=generator, device=generator.device, dtype=real.dtype).to(real.device)
    return fake + share.reshape(-1, *[1] * (real.ndim - 1)) * (real - fake)


def gradient_norms(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return how steep the critic is at each example: the Euclidean norm of its gradient there, (b,).

    The result is differentiable in the critic's parameters.  Each answer must depend on its own example only, so a
    critic with batch normalization will not do.

    Parameters
    ----------
    critic : callable
        Examples (b, ...) to numbers (b,).
    x : (b, ...)

    Examples
    --------
    >>> gradient_norms(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(2, 2))
    tensor([5., 5.])
    """
    if x.ndim < 2:
        raise ValueError(f"x is (b, ...) with numbers to take derivatives by, found shape {tuple(x.shape)}")
    _floats(x=x)

    def total(x: Tensor) -> Tensor:
        answers = critic(x)
        if answers.shape != x.shape[:1]:
            raise ValueError(f"critic gives one number an example, ({len(x)},), found shape {tuple(answers.shape)}")
        return answers.sum()

    return torch.func.grad(total)(x).flatten(1).norm(dim=1)


def gradient_penalty(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the mean of (norm - 1)², by which a critic is held to slope one: eq. (3) of Gulrajani et al., without λ.

    Parameters
    ----------
    critic : callable
        Examples (b, ...) to numbers (b,), each of its own example only.
    x : (b, ...)
        Where the slope is looked at: points drawn by :func:`between`.

    Examples
    --------
    >>> gradient_penalty(lambda x: x @ torch.tensor([3.0, 4.0]), torch.zeros(2, 2))  # (5 - 1)²
    tensor(16.)
    """
    if x.shape[:1] == (0,):
        raise ValueError(f"x has at least one example, found shape {tuple(x.shape)}")
    return (gradient_norms(critic, x) - 1).square().mean()


def _floats(**tensors: Tensor) -> None:
    for name, x in tensors.items():
        if not x.is_floating_point():
            raise ValueError(f"{name} holds floats, found {x.dtype}")
