"""The gradient and its two variants: other backward rules for rectifiers.

Simonyan, Vedaldi and Zisserman (2013), arXiv:1312.6034, Sec. 3: the gradient; Zeiler and Fergus (2013),
arXiv:1311.2901, Sec. 2.1: the deconvnet; Springenberg, Dosovitskiy, Brox and Riedmiller (2014), arXiv:1412.6806,
Sec. 3.4: guided backpropagation.

Every function takes the question as a function ``f`` that maps images (b, c, h, w) to one number for each, (b,): the
logit of a class, the strongest number of a map, the norm of a layer.  The model behind it stays as it is, and needs no
hooks: the rectifiers that torch runs while ``f`` is computed get another backward rule.  Those are ``relu``, ``relu6``
and ``hardtanh`` from 0, in all their spellings.  Where another kind is left in the graph (a leaky one, a threshold, one
inside an exported module), the two rules that need it refuse; ``clamp`` and ``maximum`` are not taken for rectifiers.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dlbook._checks import finite_images, one_number_each

__all__ = ["RULES", "back", "deconvnet", "gradient", "guided_backpropagation"]

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
    finite_images(x)
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        if rule == "gradient":
            numbers = f(leaf)
        else:
            with _Rule(guided=rule == "guided"):
                numbers = f(leaf)
            if missed := sorted(_operations(numbers) & set(LEFT_ALONE)):
                raise ValueError(f"{rule} has rules for relu, relu6 and hardtanh from 0, found {', '.join(missed)}")
        one_number_each(numbers, x)
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
