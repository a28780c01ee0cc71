"""The S- and C-cells of the Neocognitron: Fukushima (1980), Biol. Cybernetics 36, 193-202.

The paper's names → ours: u_C(l-1) (what an S-layer sees) → ``u``, a → ``excite``, b → ``inhibit``, c → ``blur`` (of the
V-cell), d → ``pool``, r → ``selectivity``, α → ``saturation``. Its φ is ReLU, and ψ(x) = x / (α + x) for x > 0.
Axes: n images, k planes of a layer, j planes of the layer before, h and w places.

An S-layer is a convolution divided by the local energy of its input, a C-layer an average over neighbors that is
squashed and sampled.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import axes

__all__ = ["c_cells", "falloff", "s_cells", "threshold", "v_cells"]


def falloff(size: int, base: float) -> Tensor:
    """Return fixed weights base^distance from the center of a square, summing to one: (size, size) float64.

    Examples
    --------
    >>> falloff(3, 0.5)[1].div(falloff(3, 0.5)[1, 1]).tolist()
    [0.5, 1.0, 0.5]
    """
    if size < 1 or not 0 < base <= 1:
        raise ValueError(f"size is at least 1 and base in (0, 1], found {size} and {base}")
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = base ** torch.hypot(place[:, None], place[None, :])
    return weights / weights.sum()


def threshold(selectivity: float) -> float:
    """Return r / (1 + r), the cosine above which an S-cell that learned one pattern fires.

    Examples
    --------
    >>> threshold(4.0)
    0.8
    """
    if not selectivity > 0:
        raise ValueError(f"selectivity is above zero, found {selectivity}")
    return selectivity / (1 + selectivity)


def v_cells(u: Tensor, blur: Tensor, *, padding: int = 0) -> Tensor:
    """Weighted root mean square of what an S-cell sees, the paper's eq. for v_C: (n, j, h, w), (s, t) → (n, 1, h', w').

    ``blur`` is the same for the j planes, and is divided by their number, so that all weights sum to one.

    Examples
    --------
    >>> v_cells(torch.full((1, 3, 2, 2), 7.0), falloff(2, 0.9).float()).item()
    7.0
    """
    axes("u", u, "n j h w")
    axes("blur", blur, "s t")
    energy = (u * u).mean(dim=1, keepdim=True)
    return F.conv2d(energy, blur[None, None], padding=padding).clamp_min(0).sqrt()


def s_cells(
    u: Tensor, excite: Tensor, inhibit: Tensor, blur: Tensor, *, selectivity: float, padding: int = 0
) -> Tensor:
    """Responses of S-cells with shunting inhibition: r · ReLU[(1 + e) / (1 + 2 r b v / (1 + r)) - 1].

    Parameters
    ----------
    u : (n, j, h, w)
        At least zero.
    excite : (k, j, s, t)
        a, at least zero; e is the correlation of u with it.
    inhibit : (k,)
        b, at least zero.
    blur : (s, t)
        c, of :func:`v_cells`.
    selectivity : float
        r.
    padding : int
        Blank places around u.

    Returns
    -------
    (n, k, h', w')

    Examples
    --------
    A cell that learned the pattern (3, 4) with speed 1, weights 1/2: it answers to that, and not to (4, 0).

    >>> c = torch.tensor([[0.5, 0.5]])
    >>> x = torch.tensor([[[[3.0, 4.0]]], [[[4.0, 0.0]]]])
    >>> s_cells(x, x[:1] * c, v_cells(x[:1], c)[0, 0, 0] / 2, c, selectivity=4.0).flatten().mul(11)
    tensor([10.,  0.])
    """
    threshold(selectivity)
    _, j, _, _ = axes("u", u, "n j h w")
    k, _, s, t = axes("excite", excite, "k j s t", j=j)
    axes("inhibit", inhibit, "k", k=k)
    axes("blur", blur, "s t", s=s, t=t)
    e = F.conv2d(u, excite, padding=padding)
    h = 2 * threshold(selectivity) * inhibit[:, None, None] * v_cells(u, blur, padding=padding)
    x = (e - h).div_(h.add_(1)).relu_()  # (1 + e) / (1 + h) - 1, without cancellation; in place, for the maps are large
    return selectivity * x if x.requires_grad else x.mul_(selectivity)


def c_cells(s: Tensor, pool: Tensor, *, saturation: float, stride: int = 1, padding: int = 0) -> Tensor:
    """Responses of C-cells: blurred S-cells over their mean across planes, squashed: ψ[(1 + t) / (1 + mean t) - 1].

    Parameters
    ----------
    s : (n, k, h, w)
    pool : (s, t)
        d; each plane is blurred by itself.
    saturation : float
        α, the input that gives one half.
    stride, padding : int
        As in ``conv2d``.

    Returns
    -------
    (n, k, h', w')
        In [0, 1).

    Examples
    --------
    >>> s = torch.zeros(1, 2, 3, 3)
    >>> s[0, 0] = 1  # plane 0 is active, plane 1 is not: t = (1, 0), its mean 1/2
    >>> c_cells(s, falloff(3, 0.9).float(), saturation=0.5).flatten()  # ψ(1/3) = 0.4
    tensor([0.4000, 0.0000])
    """
    _, k, _, _ = axes("s", s, "n k h w")
    axes("pool", pool, "s t")
    if not saturation > 0:
        raise ValueError(f"saturation is above zero, found {saturation}")
    t = F.conv2d(s, pool.repeat(k, 1, 1, 1), stride=stride, padding=padding, groups=k)
    mean = t.mean(dim=1, keepdim=True)  # the lateral inhibition v_S
    x = F.relu((t - mean) / (1 + mean))
    return x / (saturation + x)
