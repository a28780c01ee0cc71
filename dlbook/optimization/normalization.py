"""Batch normalization: Ioffe and Szegedy (2015), arXiv:1502.03167, Algorithms 1 and 2, and its gradients by hand.

Paper → code: m values of one feature in a batch, over examples and, for maps, places (Sec. 3.2); μ_B → ``mean``, σ_B²
→ ``var``, the mean of squares that divides by m; γ, β, ε → ``weight``, ``bias``, ``eps``.  What the paper averages over
batches for inference, E[x] and Var[x] = m/(m-1) E[σ_B²], torch keeps as moving averages: ``running_mean``,
``running_var``.  Axes: b examples, c channels (features), ... places.  The other normalizations are in
:mod:`dlbook.optimization.layer_normalization`, and so is what holds for half precision.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbook._checks import axes

__all__ = ["BatchNorm", "BatchNormGradients", "BatchStatistics", "batch_norm", "batch_norm_backward"]


class BatchStatistics(NamedTuple):
    """What batch normalization computes on a batch in training."""

    output: Tensor  # like x
    mean: Tensor  # (c,)
    var: Tensor  # (c,), divided by m


class BatchNormGradients(NamedTuple):
    """How fast the loss grows with each argument of batch normalization."""

    x: Tensor  # like x
    weight: Tensor  # (c,)
    bias: Tensor  # (c,)


def batch_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5
) -> BatchStatistics:
    """Subtract from each channel its mean over the batch, divide by its deviation, scale and shift: Algorithm 1.

    On a single value a channel it does what the algorithm says, and returns the bias whatever the input is.

    Parameters
    ----------
    x : (b, c, ...)
    weight, bias : (c,), optional
        γ and β.
    eps : float
        Added to the variance.

    Examples
    --------
    >>> batch_norm(torch.tensor([[1.0], [3.0], [5.0], [7.0]])).output.flatten().round(decimals=2)
    tensor([-1.3400, -0.4500,  0.4500,  1.3400])
    """
    c, over = _channels(x)
    mean = x.mean(dim=over)
    centered = x - _beside(mean, x)
    var = centered.square().mean(dim=over)
    normalized = centered * _beside(torch.rsqrt(var + eps), x)
    weight, bias = _learned("weight", weight, x.new_ones(c)), _learned("bias", bias, x.new_zeros(c))
    return BatchStatistics(normalized * _beside(weight, x) + _beside(bias, x), mean, var)


def batch_norm_backward(
    grad: Tensor, x: Tensor, weight: Tensor | None = None, *, eps: float = 1e-5
) -> BatchNormGradients:
    """Return the gradients of :func:`batch_norm` from that of its output, worked out by hand (the paper's Sec. 3).

    In the direction of x, the gradient loses its mean and its part along x̂ before it is divided by the deviation.

    Parameters
    ----------
    grad, x : (b, c, ...)
    weight : (c,), optional
    eps : float

    Examples
    --------
    >>> x = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
    >>> batch_norm_backward(torch.ones(4, 1), x).x.abs().max()  # a common shift changes nothing
    tensor(0.)
    """
    c, over = _channels(x)
    if grad.shape != x.shape:
        raise ValueError(f"grad is like x, {tuple(x.shape)}, found shape {tuple(grad.shape)}")
    mean = x.mean(dim=over)
    centered = x - _beside(mean, x)
    inverse = torch.rsqrt(centered.square().mean(dim=over) + eps)
    normalized = centered * _beside(inverse, x)
    weight = _learned("weight", weight, x.new_ones(c))
    common = _beside(grad.mean(dim=over), x)
    along = _beside((grad * normalized).mean(dim=over), x)
    return BatchNormGradients(
        _beside(weight * inverse, x) * (grad - common - normalized * along),
        (grad * normalized).sum(dim=over),
        grad.sum(dim=over),
    )


class BatchNorm(nn.Module):
    """Batch normalization of (b, c), (b, c, t), (b, c, h, w), ...: ``nn.BatchNorm1d``, ``2d`` and ``3d`` in one.

    Their arguments, parameters, buffers, ``state_dict`` and numbers.

    Parameters
    ----------
    num_features : int
        Number of channels c.
    eps : float
    momentum : float or None
        Share of the new batch in the running statistics (torch's sense of the word: the paper's is the other share);
        None averages all batches alike.
    affine, bias : bool
        Whether there is a ``weight``, and with it a ``bias``.
    track_running_stats : bool
        False: the statistics of the batch are used in evaluation, too.
    device, dtype : optional

    Examples
    --------
    >>> norm = BatchNorm(1, momentum=1.0)
    >>> _ = norm(torch.tensor([[1.0], [3.0], [5.0], [7.0]]))
    >>> norm.running_mean, norm.running_var.round(decimals=3)  # 20 / 3, unbiased
    (tensor([4.]), tensor([6.6670]))
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if num_features < 1:
            raise ValueError(f"num_features is at least 1, found {num_features}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats

        def full(value: float) -> Tensor:
            return torch.full((num_features,), value, device=device, dtype=dtype or torch.get_default_dtype())

        self.register_parameter("weight", nn.Parameter(full(1.0)) if affine else None)
        self.register_parameter("bias", nn.Parameter(full(0.0)) if affine and bias else None)
        count = torch.tensor(0, device=device)
        self.register_buffer("running_mean", full(0.0) if track_running_stats else None)
        self.register_buffer("running_var", full(1.0) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", count if track_running_stats else None)

    def extra_repr(self) -> str:
        """Name what torch names."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"track_running_stats={self.track_running_stats}"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (b, c, ...), in training by the batch, and remember its statistics; else by what is remembered."""
        _channels(x, self.num_features)
        if not self.training and self.track_running_stats:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        if x.numel() <= self.num_features:
            raise ValueError(
                f"the statistics of a batch need two values a channel, found shape {tuple(x.shape)}: "
                "a larger batch, or eval()"
            )
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        self.num_batches_tracked += 1
        if self.momentum is not None:
            running = self.running_mean, self.running_var
            return F.batch_norm(x, *running, self.weight, self.bias, True, self.momentum, self.eps)
        mean, var = torch.zeros_like(self.running_mean), torch.zeros_like(self.running_var)  # for the kernel to fill
        output = F.batch_norm(x, mean, var, self.weight, self.bias, True, 1.0, self.eps)
        self.running_mean += (mean - self.running_mean) / self.num_batches_tracked
        self.running_var += (var - self.running_var) / self.num_batches_tracked
        return output


def _channels(x: Tensor, known: int | None = None) -> tuple[int, list[int]]:
    """Return the number of channels and the axes over which a channel's statistics go."""
    if x.dim() < 2 or (known is not None and x.shape[1] != known):
        raise ValueError(f"x is (b, {known or 'c'}, ...), found shape {tuple(x.shape)}")
    return x.shape[1], [0, *range(2, x.dim())]


def _learned(name: str, given: Tensor | None, default: Tensor) -> Tensor:
    """Return one number a channel: what is given, if it is of that shape, or the default."""
    if given is None:
        return default
    axes(name, given, "c", c=len(default))
    return given


def _beside(channel: Tensor, x: Tensor) -> Tensor:
    """Turn (c,) so that it broadcasts with (b, c, ...)."""
    return channel.reshape(-1, *[1] * (x.dim() - 2))
