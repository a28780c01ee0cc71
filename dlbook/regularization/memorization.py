"""What a network can learn by heart: Zhang et al. (2017), arXiv:1611.03530; margins: Bartlett et al. (2017), NIPS 30.

The four ways to spoil a data set are those of Sec. 2 of the first paper, the memorizer is that of its Theorem 1.
Paper → code: corruption probability p → ``share``; a, b, w of the theorem → ``direction``, ``threshold``, ``weight``;
A_i of the second paper → ``weights``, its reference matrices M_i → ``references``.
Axes: n examples or images, d features, k classes, c colors, h and w pixels.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import axes

__all__ = [
    "Memorizer",
    "corrupt_labels",
    "gaussian_images",
    "margins",
    "memorize",
    "random_pixels",
    "shuffle_pixels",
    "spectral_complexity",
]


def corrupt_labels(labels: Tensor, share: float, *, classes: int, generator: Generator) -> Tensor:
    """Replace each label with probability ``share`` by a class drawn uniformly, which may be the right one.

    So of ``k`` classes a fraction ``share * (k - 1) / k`` of the labels is wrong in the mean: 0.9 if all are drawn.

    Parameters
    ----------
    labels : int64 (n,)
        From 0 to ``classes - 1``.
    share : float
        In [0, 1]; 1 gives labels that know nothing of the images.
    classes : int
    generator : torch.Generator

    Examples
    --------
    >>> corrupt_labels(torch.tensor([3, 1, 4]), 0.0, classes=10, generator=torch.Generator().manual_seed(0))
    tensor([3, 1, 4])
    """
    (n,) = axes("labels", labels, "n")
    if labels.dtype != torch.int64:
        raise ValueError(f"labels are int64, found {labels.dtype}")
    if not 0 <= share <= 1:
        raise ValueError(f"share is a probability in [0, 1], found {share}")
    if classes < 1 or (n and not 0 <= int(labels.min()) <= int(labels.max()) < classes):
        raise ValueError(f"labels are from 0 to classes - 1 = {classes - 1}, found {labels.unique().tolist()}")
    hit = torch.rand(n, generator=generator, device=generator.device) < share
    drawn = torch.randint(classes, (n,), generator=generator, device=generator.device)
    return torch.where(hit.to(labels.device), drawn.to(labels), labels)


def shuffle_pixels(images: Tensor, order: Tensor) -> Tensor:
    """Rearrange the pixels of all images alike: pixel ``i`` of the result is pixel ``order[i]``, row by row.

    Parameters
    ----------
    images : (n, c, h, w)
    order : int64 (h w,)
        A permutation, as ``torch.randperm`` draws it; the colors of a pixel stay together.

    Examples
    --------
    >>> shuffle_pixels(torch.tensor([[[[5, 6], [7, 8]]]]), torch.tensor([3, 2, 1, 0]))
    tensor([[[[8, 7],
              [6, 5]]]])
    """
    _, _, h, w = axes("images", images, "n c h w")
    axes("order", order, "pixels", pixels=h * w)
    if not torch.equal(order.sort().values, torch.arange(h * w, device=order.device)):
        raise ValueError(f"order holds each number from 0 to {h * w - 1} once, found {order.tolist()[:8]} ...")
    return images.flatten(2)[:, :, order.to(images.device)].reshape(images.shape)


def random_pixels(images: Tensor, *, generator: Generator) -> Tensor:
    """Rearrange the pixels of each image by a permutation of its own.

    Parameters
    ----------
    images : (n, c, h, w)
        The colors of a pixel stay together.
    generator : torch.Generator

    Examples
    --------
    >>> mixed = random_pixels(torch.arange(4.0).reshape(1, 1, 2, 2), generator=torch.Generator().manual_seed(0))
    >>> mixed.flatten().sort().values
    tensor([0., 1., 2., 3.])
    """
    n, _, h, w = axes("images", images, "n c h w")
    orders = torch.rand(n, 1, h * w, generator=generator, device=generator.device).argsort(dim=-1)
    flat = images.flatten(2)
    return flat.gather(2, orders.to(images.device).expand_as(flat)).reshape(images.shape)


def gaussian_images(images: Tensor, *, generator: Generator) -> Tensor:
    """Return noise in place of images, normal with the mean and the deviation of all their pixels together.

    Parameters
    ----------
    images : (n, c, h, w)
        Floats.
    generator : torch.Generator

    Examples
    --------
    >>> gaussian_images(torch.full((2, 3, 4, 4), 0.5), generator=torch.Generator().manual_seed(0)).unique()
    tensor([0.5000])
    """
    axes("images", images, "n c h w", least=1)
    if not images.is_floating_point():
        raise ValueError(f"images are floats, found {images.dtype}")
    noise = torch.randn(images.shape, generator=generator, device=generator.device).to(images)
    return images.mean() + images.std(correction=0) * noise


def margins(score: Tensor, target: Tensor) -> Tensor:
    """Return by how much the score of the target exceeds the best of the others, (n,): negative where it is wrong.

    Parameters
    ----------
    score : (n, k)
        With two classes or more.
    target : int64 (n,)

    Examples
    --------
    >>> margins(torch.tensor([[3.0, 1.0, 2.5], [3.0, 1.0, 2.5]]), torch.tensor([0, 1]))
    tensor([ 0.5000, -2.0000])
    """
    n, k = axes("score", score, "n k")
    if k < 2:
        raise ValueError(f"score has two classes or more, found shape {tuple(score.shape)}")
    axes("target", target, "n", n=n)
    place = target[:, None]
    others = score.scatter(1, place, -torch.inf).amax(dim=1)
    return score.gather(1, place)[:, 0] - others


def spectral_complexity(weights: Sequence[Tensor], references: Sequence[Tensor]) -> Tensor:
    """Return the complexity R of a stack of affine maps and rectifiers, eq. (1.2) of Bartlett et al. (2017).

    The product of the spectral norms, by which the network stretches distances at most, times a factor for how far the
    weights are from references chosen before the data were seen, such as those of initialization.

    Parameters
    ----------
    weights : sequence of (outputs, inputs)
        From the first layer to the last; biases do not count.  If a matrix is zero, R is nan.
    references : sequence of (outputs, inputs)

    Examples
    --------
    >>> spectral_complexity([2 * torch.eye(3)], [torch.zeros(3, 3)])  # 2 * ((6 / 2) ** (2 / 3)) ** (3 / 2)
    tensor(6.)
    """
    if not 0 < len(weights) == len(references):
        raise ValueError(f"each matrix has its reference, found {len(weights)} and {len(references)}")
    stretch = weights[0].new_ones(())
    moved = weights[0].new_zeros(())
    for weight, reference in zip(weights, references, strict=True):
        outputs, inputs = axes("weights", weight, "outputs inputs")
        axes("references", reference, "outputs inputs", outputs=outputs, inputs=inputs)
        norm = torch.linalg.matrix_norm(weight, ord=2)
        stretch = stretch * norm
        rows = (weight - reference).norm(dim=1).sum()  # the (2, 1) norm of the transpose: each unit's length, added up
        moved = moved + (rows / norm) ** (2 / 3)
    return stretch * moved**1.5


class Memorizer(nn.Module):
    """A network of one hidden layer with 2 n + d weights, Theorem 1 of Zhang et al. (2017); none of them is set yet.

    All ``n`` units look in one direction; unit ``j`` is zero up to its threshold and rises with slope one from there.

    Parameters
    ----------
    n : int
        Units, as many as there are examples to learn.
    d : int
        Features of an input.
    device, dtype : optional

    Examples
    --------
    >>> sum(p.numel() for p in Memorizer(5, 3).parameters())  # 2 * 5 + 3
    13
    """

    def __init__(
        self, n: int, d: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        if n < 1 or d < 1:
            raise ValueError(f"n and d are at least 1, found {n} and {d}")
        super().__init__()
        self.direction = nn.Parameter(torch.zeros(d, device=device, dtype=dtype))
        self.threshold = nn.Parameter(torch.zeros(n, device=device, dtype=dtype))
        self.weight = nn.Parameter(torch.zeros(n, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Map (m, d) to one number each, (m,)."""
        axes("x", x, "m d", d=len(self.direction))
        return torch.relu((x @ self.direction)[:, None] - self.threshold) @ self.weight


@torch.no_grad()
def memorize(x: Tensor, y: Tensor, direction: Tensor) -> Memorizer:
    """Return the network of Theorem 1 that gives ``y`` at ``x`` exactly, up to rounding, with no training.

    Each threshold but the first is the projection of the example before, so that the matrix of the hidden units,
    examples by units in the order of their projections, is lower triangular with a positive diagonal.  (The paper puts
    the threshold anywhere between the two.)  Along ``direction`` the network is the polygon through the examples.

    Parameters
    ----------
    x : (n, d)
        Float64 unless ``n`` is small: neighbors on the line may be close, and the weights are then large.
    y : (n,)
        Any numbers.
    direction : (d,)
        On which no two examples may fall on one place; if the examples differ, a random one will do.

    Raises
    ------
    ValueError
        If two examples have one projection, or a number is not finite.

    Examples
    --------
    >>> x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([5.0, -1.0, 4.0])
    >>> net = memorize(x, y, torch.ones(1))
    >>> net(x).detach()
    tensor([ 5., -1.,  4.])
    """
    n, d = axes("x", x, "n d", least=1)
    axes("y", y, "n", n=n)
    axes("direction", direction, "d", d=d)
    if not (x.isfinite().all() and y.isfinite().all() and direction.isfinite().all()):
        raise ValueError("x, y and direction are finite, found nan or inf")
    places, order = (x @ direction).sort()
    gaps = places.diff()
    if not (gaps > 0).all():
        same = order[gaps.argmin() :][:2].tolist()
        raise ValueError(f"no two examples may have one projection, found examples {same}: take another direction")
    net = Memorizer(n, d, device=x.device, dtype=x.dtype)
    net.direction.copy_(direction)
    first = places[:1] - (places[:1].abs() / 1000).clamp(min=1)  # far from zero one less may be the same number
    net.threshold.copy_(torch.cat([first, places[:-1]]))
    hidden = torch.relu(places[:, None] - net.threshold)  # (examples, units), lower triangular
    target = y[order].to(x)[:, None]
    net.weight.copy_(torch.linalg.solve_triangular(hidden, target, upper=False)[:, 0])
    return net
