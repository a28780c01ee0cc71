"""What a network looks at: gradients and their two variants, occlusion, strongest inputs, and dreams.

Simonyan, Vedaldi and Zisserman (2013), arXiv:1312.6034, Sec. 3: the gradient; Zeiler and Fergus (2013),
arXiv:1311.2901, Sec. 2.1 and 4.2: the deconvnet and occlusion; Springenberg, Dosovitskiy, Brox and Riedmiller (2014),
arXiv:1412.6806, Sec. 3.4: guided backpropagation; Mordvintsev, Olah and Tyka (2015), "Inceptionism": Deep Dream.

Every function takes the question as a function ``f`` that maps images (b, c, h, w) to one number for each, (b,): the
logit of a class, the strongest number of a map, the norm of a layer.  The model behind it stays as it is, and needs no
hooks: the rectifiers that torch runs while ``f`` is computed get another backward rule.  Those are ``relu``, ``relu6``
and ``hardtanh`` from 0, in all their spellings.  Where another kind is left in the graph (a leaky one, a threshold, one
inside an exported module), the two rules that need it refuse; ``clamp`` and ``maximum`` are not taken for rectifiers.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

RULES = ("gradient", "deconvnet", "guided")

RELU = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
RELU6 = {F.relu6, torch._C._nn.relu6, torch._C._nn.relu6_}
HARDTANH = {F.hardtanh, F.hardtanh_, torch._C._nn.hardtanh, torch._C._nn.hardtanh_}  # `nn.ReLU6` is one, from 0 to 6
IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_, torch._C._nn.relu6_, F.hardtanh_, torch._C._nn.hardtanh_}
LIMITS = (("min_val", 1, -1.0), ("max_val", 2, 1.0))
LEFT_ALONE = (
    "Relu",
    "LeakyRelu",
    "Threshold",
    "PreluKernel",
    "Elu",
    "Celu",
    "RreluWithNoise",
)  # in a graph
OPTIONS = {F.relu: 1, F.relu6: 1, F.hardtanh: 3}  # where ``inplace`` stands among the arguments


class Strongest(NamedTuple):
    """The images to which each map answers most, best first; where in the map, too."""

    values: Tensor  # (c, k)
    images: Tensor  # int64 (c, k)
    rows: Tensor  # int64 (c, k)
    columns: Tensor  # int64 (c, k)


class Dream(NamedTuple):
    """An image that was changed to raise a number."""

    image: Tensor  # (1, c, h, w)
    objective: list[list[float]]  # for each octave: before the first step and after each; never falls within an octave


class _Rectifier(torch.autograd.Function):
    """min(max(x, 0), top), with the rule of the deconvnet or of guided backpropagation on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, guided: bool) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < top))
        ctx.guided = guided
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor | None, ...]:
        (passed,) = ctx.saved_tensors
        signal = signals[0].clamp(min=0)
        return (signal * passed if ctx.guided else signal), None, None


class _Rule(TorchFunctionMode):
    """While this is active, rectifiers that torch is asked for are :class:`_Rectifier`."""

    def __init__(self, guided: bool) -> None:
        super().__init__()
        self.guided = guided

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        top = torch.inf if func in RELU else 6.0 if func in RELU6 else None
        if func in HARDTANH:
            low, high = (kwargs.get(name, args[i] if i < len(args) else default) for name, i, default in LIMITS)
            top = high if low == 0 else None
        if top is None:
            return func(*args, **kwargs)
        x = args[0] if args else kwargs["input"]
        y = _Rectifier.apply(x, top, self.guided)
        at = OPTIONS.get(func, len(args))
        in_place = func in IN_PLACE or kwargs.get("inplace", at < len(args) and args[at])
        return x.copy_(y) if in_place else y


def back(f: Callable[[Tensor], Tensor], x: Tensor, rule: str) -> Tensor:
    """Carry ``f`` back to the pixels: transposed layers, switches at the pooling, and a rule at the rectifiers.

    With s the signal that comes from above and z what went into a rectifier, below it is

    ============= ======================= ==============================================================
    rule          signal below            who
    ============= ======================= ==============================================================
    ``gradient``  [z > 0] s               the chain rule; Simonyan, Vedaldi and Zisserman
    ``deconvnet`` [s > 0] s               Zeiler and Fergus
    ``guided``    [z > 0] [s > 0] s       Springenberg, Dosovitskiy, Brox and Riedmiller
    ============= ======================= ==============================================================

    (for ReLU6, [0 < z < 6]).  Elsewhere all three are the chain rule.

    Parameters
    ----------
    f : callable
        Images (b, c, h, w) to numbers (b,), each of them a function of its own image alone.
    x : (b, c, h, w)
    rule : {"gradient", "deconvnet", "guided"}

    Returns
    -------
    signal : (b, c, h, w)

    Raises
    ------
    ValueError
        If the rule is unknown, ``x`` is not finite floats (b, c, h, w), ``f`` does not give (b,), or it has rectifiers
        of a kind for which the deconvnet and guided backpropagation have no rule.

    Examples
    --------
    >>> x = torch.tensor([[[[2.0, 3.0]]]])
    >>> f = lambda x: (x * torch.tensor([1.0, -1.0])).relu().sum(dim=(1, 2, 3)) - x.relu().sum(dim=(1, 2, 3))
    >>> [back(f, x, rule).flatten().tolist() for rule in RULES]
    [[0.0, -1.0], [1.0, -1.0], [1.0, 0.0]]
    """
    if rule not in RULES:
        raise ValueError(f"rule is one of {RULES}, found {rule!r}")
    _check_images(x)
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        if rule == "gradient":
            numbers = f(leaf)
        else:
            with _Rule(guided=rule == "guided"):
                numbers = f(leaf)
            if missed := sorted(_operations(numbers) & set(LEFT_ALONE)):
                raise ValueError(f"{rule} has rules for relu, relu6 and hardtanh from 0, found {', '.join(missed)}")
        _check_numbers(numbers, x)
        (signal,) = torch.autograd.grad(numbers.sum(), leaf, allow_unused=True)
    return torch.zeros_like(x) if signal is None else signal


def _operations(result: Tensor) -> set[str]:
    """Return the names of the operations in the graph behind a tensor, as autograd calls them: "Relu", "Mul"."""
    todo, seen = [result.grad_fn], set[Any]()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [parent for parent, _ in node.next_functions]
    return {re.sub(r"Backward\d*$", "", node.name()) for node in seen}


def gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the derivative of ``f`` by each pixel, (b, c, h, w): :func:`back` with the chain rule."""
    return back(f, x, "gradient")


def deconvnet(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the reconstruction of Zeiler and Fergus, (b, c, h, w): :func:`back` with a rectified signal.

    They start from the value of one unit and set all others of its layer to zero.  With ``f`` that unit, this starts
    from 1; every step on the way is positively homogeneous, so the two differ by that value as a factor.
    """
    return back(f, x, "deconvnet")


def guided_backpropagation(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the reconstruction of Springenberg et al., (b, c, h, w): :func:`back` with both masks."""
    return back(f, x, "guided")


def saliency(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return how much ``f`` would move if a pixel did: the largest derivative of its colors, without sign.

    Sec. 3.1 of Simonyan et al.: M[i, j] = max over the channels c of the absolute derivative by pixel (c, i, j).

    Parameters
    ----------
    f : callable
        Images (b, c, h, w) to numbers (b,); there the logit of a class, before the softmax.
    x : (b, c, h, w)

    Returns
    -------
    map : (b, h, w)

    Raises
    ------
    ValueError
        As :func:`back`.

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    >>> saliency(lambda x: x[:, 0, 0, 0] * 5 - x[:, 1, 0, 0] * 7 + x[:, 1, 0, 1], x)
    tensor([[[7., 1.]]])
    """
    return gradient(f, x).abs().amax(dim=1)


@torch.no_grad()
def occlusion(
    f: Callable[[Tensor], Tensor], x: Tensor, *, size: int, stride: int, value: float = 0.0, batch: int = 8
) -> Tensor:
    """Cover one square of an image at a time, and ask ``f`` again (Zeiler and Fergus, Sec. 4.2).

    Parameters
    ----------
    f : callable
        Images (b, c, h, w) to numbers (b,); there the probability of the right class.
    x : (1, c, h, w)
    size, stride : int
        Side of the square, and how far it moves each time, in pixels.
    value : float
        What it is filled with; 0 is the paper's grey where images are centered.
    batch : int
        How many covered images ``f`` gets at once.

    Returns
    -------
    answers : (rows, columns)
        Entry (i, j) has the square's corner at pixel (i stride, j stride).  Squares lie inside the image.

    Raises
    ------
    ValueError
        If ``x`` is not one finite image, the square does not fit, or a number is not positive.

    Examples
    --------
    >>> occlusion(lambda x: x.sum(dim=(1, 2, 3)), torch.tensor([[[[1.0, 2.0, 4.0]] * 2]]), size=2, stride=1)
    tensor([[8., 2.]])
    """
    _check_images(x, one=True)
    h, w = x.shape[-2:]
    if not 1 <= size <= min(h, w) or min(stride, batch) < 1:
        raise ValueError(f"size is from 1 to {min(h, w)}, stride and batch positive, found {size}, {stride}, {batch}")
    places = [(i, j) for i in range(0, h - size + 1, stride) for j in range(0, w - size + 1, stride)]
    answers = []
    for start in range(0, len(places), batch):
        chosen = places[start : start + batch]
        covered = x.repeat(len(chosen), 1, 1, 1)
        for image, (i, j) in zip(covered, chosen, strict=True):
            image[:, i : i + size, j : j + size] = value
        numbers = f(covered)
        _check_numbers(numbers, covered)
        answers.append(numbers)
    return torch.cat(answers).reshape((h - size) // stride + 1, -1)


def top_activations(maps: Tensor | Iterable[Tensor], k: int) -> Strongest:
    """Find the ``k`` images to which each map answers most, each image counted once, at its strongest place.

    Zeiler and Fergus show a unit by its nine strongest images.

    Parameters
    ----------
    maps : (n, c, h, w), or an iterable of such batches
        Of one layer, for all images.
    k : int

    Returns
    -------
    Strongest

    Raises
    ------
    ValueError
        If the maps are not (n, c, h, w), or there are fewer than ``k`` images.

    Examples
    --------
    >>> maps = torch.tensor([[[[1.0, 0.0]]], [[[2.0, 3.0]]], [[[0.0, 0.0]]]])
    >>> best = top_activations(maps, 2)
    >>> best.values, best.images, best.columns
    (tensor([[3., 1.]]), tensor([[1, 0]]), tensor([[1, 0]]))
    """
    batches = [maps] if isinstance(maps, Tensor) else list(maps)
    shapes = [tuple(batch.shape) for batch in batches]
    if not batches or any(len(shape) != 4 or 0 in shape or shape[1:] != shapes[0][1:] for shape in shapes):
        raise ValueError(f"maps are (n, c, h, w), alike in c, h and w, found {shapes}")
    n = sum(shape[0] for shape in shapes)
    if not 1 <= k <= n:
        raise ValueError(f"k is from 1 to {n}, the number of images, found {k}")
    found = [batch.flatten(2).max(dim=2) for batch in batches]
    peaks, places = torch.cat([peak for peak, _ in found]), torch.cat([place for _, place in found])
    values, images = peaks.T.topk(k, dim=1)
    place = places.T.gather(1, images)
    width = shapes[0][3]
    return Strongest(values, images, place // width, place % width)


def total_variation(x: Tensor) -> Tensor:
    """Return the mean absolute difference of neighboring pixels, down plus across: (b, c, h, w) → (b,).

    Examples
    --------
    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 4.0]]]]))
    tensor([4.])
    """
    down, across = x.diff(dim=2).abs(), x.diff(dim=3).abs()
    return down.mean(dim=(1, 2, 3)) + across.mean(dim=(1, 2, 3))


def deep_dream(
    f: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    octaves: int = 3,
    scale: float = 1.4,
    steps: int = 10,
    step_size: float = 0.05,
    bounds: tuple[float, float] = (-1.0, 1.0),
    halvings: int = 6,
) -> Dream:
    """Change an image so that ``f`` sees more of what it sees: gradient ascent with a line search, coarse to fine.

    At the smallest of ``octaves`` sizes the image is moved along the gradient, which is scaled to a mean absolute value
    of 1; then what was added is enlarged by ``scale`` and put onto the image of the next size, and so on.  A step that
    would lower ``f`` is halved until it does not, and is left out after ``halvings`` attempts, so that ``f`` never
    falls within an octave.

    Parameters
    ----------
    f : callable
        Images (1, c, h, w) of several sizes to a number (1,), such as the mean square of a layer.
    x : (1, c, h, w)
    octaves, steps : int
        Sizes, and steps at each.
    scale : float
        Of the sides, from one size to the next.
    step_size : float
        Mean change of a pixel in a step, in units of ``x``.
    bounds : (float, float)
        Pixels stay inside.
    halvings : int

    Returns
    -------
    Dream

    Raises
    ------
    ValueError
        If ``x`` is not one finite image inside the bounds, or a number is out of range.

    Examples
    --------
    >>> f = lambda x: -(x - 0.5).square().mean(dim=(1, 2, 3))
    >>> dream = deep_dream(f, torch.zeros(1, 1, 8, 8), octaves=1, steps=20)
    >>> dream.image.mean().item() > 0.45, dream.objective[0][-1] > dream.objective[0][0]
    (True, True)
    """
    _check_images(x, one=True)
    if octaves < 1 or steps < 0 or halvings < 0 or not scale > 1 or not step_size > 0:
        found = f"{octaves}, {steps}, {halvings}, {scale} and {step_size}"
        raise ValueError(f"octaves >= 1, steps and halvings >= 0, scale > 1 and step_size > 0, found {found}")
    low, high = bounds
    least, most = x.new_tensor(bounds)  # as rounded as the pixels are
    if not least <= x.min() <= x.max() <= most:
        raise ValueError(f"pixels are inside {bounds}, found {float(x.min()):g} to {float(x.max()):g}")
    h, w = x.shape[-2:]
    added, objective = torch.zeros_like(x), []
    for octave in reversed(range(octaves)):
        size = [max(1, round(h / scale**octave)), max(1, round(w / scale**octave))]
        base = _resized(x, size)
        image, numbers = _ascend(
            f, (base + _resized(added, size)).clamp(low, high), steps, step_size, (low, high), halvings
        )
        objective.append(numbers)
        added = image - base
    return Dream(image, objective)


def _ascend(
    f: Callable[[Tensor], Tensor],
    image: Tensor,
    steps: int,
    step_size: float,
    bounds: tuple[float, float],
    halvings: int,
) -> tuple[Tensor, list[float]]:
    with torch.no_grad():
        numbers = [f(image).item()]
    for _ in range(steps):
        direction = gradient(f, image)
        direction = direction / direction.abs().mean().clamp(min=1e-12)
        for halving in range(halvings + 1):
            moved = (image + step_size * 0.5**halving * direction).clamp(*bounds)
            with torch.no_grad():
                number = f(moved).item()
            if number >= numbers[-1]:
                image = moved
                break
        else:
            number = numbers[-1]
        numbers.append(number)
    return image, numbers


def _resized(x: Tensor, size: list[int]) -> Tensor:
    if list(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)


def _check_images(x: Tensor, *, one: bool = False) -> None:
    if x.ndim != 4 or 0 in x.shape or not x.is_floating_point() or (one and len(x) != 1):
        batch = "1" if one else "b"
        raise ValueError(f"images are floats ({batch}, c, h, w), found {x.dtype} {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError(f"images are finite, found {int((~x.isfinite()).sum())} numbers that are not")


def _check_numbers(numbers: Tensor, x: Tensor) -> None:
    if numbers.shape != x.shape[:1]:
        raise ValueError(f"f gives one number an image, ({len(x)},), found shape {tuple(numbers.shape)}")
