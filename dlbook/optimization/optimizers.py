"""Gradient descent, momentum and adaptive rates: seven optimizers with the names and the state of ``torch.optim``.

Sources: Polyak (1964) (momentum); Nesterov (1983) in the form of Sutskever et al. (2013), eq. (3) and (4);
Duchi, Hazan and Singer (2011), Fig. 1, diagonal (Adagrad); Tieleman and Hinton (2012), lecture 6e (RMSprop); Kingma and
Ba (2015), Algorithm 1 (Adam); Reddi, Kale and Kumar (2018), Algorithm 2 (``amsgrad``); Loshchilov and Hutter (2019),
Algorithm 2 (AdamW).

Papers → code: α, ε or η (the step) → ``lr``; β, μ or α (how much of the past is kept) → ``momentum``; β₁, β₂ →
``betas``; m → ``exp_avg``; v → ``exp_avg_sq``; λ → ``weight_decay``; ε, ϵ or δ (beside the root) → ``eps``.

Each class holds its equation, in ``_update``, for one parameter and its gradient; what all share (the loop, the sign,
the decay of weights, checks) is in their parent. Names of options, of state entries and their defaults are those of
``torch.optim``, so a ``state_dict`` of either goes on in the other. What chooses among torch's implementations
(``foreach``, ``fused``, ``capturable``, ``differentiable``) is not here.
"""

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Nesterov", "RMSprop"]

State = dict[str, Tensor]  # what is remembered of one parameter


class _Updates(Optimizer):
    """What all seven share: checks, the closure, which parameters move, the sign, and the decay of weights."""

    _below: ClassVar[dict[str, float]] = {"lr": math.inf, "weight_decay": math.inf}  # each option is in [0, this)
    _fixed: ClassVar[dict[str, bool]] = {}  # options that a loaded state does not change
    _ours: ClassVar[dict[str, bool]] = {}  # options that a state of torch's may lack

    def __init__(self, params: Iterable[Any], **options: Any) -> None:
        self._check(options)
        super().__init__(params, options)

    def _check(self, options: dict[str, Any]) -> None:
        for name, below in self._below.items():
            values = options[name] if name == "betas" else (options[name],)
            if name == "betas" and (not isinstance(values, list | tuple) or len(values) != 2):
                raise ValueError(f"betas are two numbers, found {values!r}")
            for value in values:
                if not (isinstance(value, Real) and 0 <= float(value) < below):
                    wanted = "finite" if below == math.inf else f"below {below:g}"
                    raise ValueError(f"{name} is a number, at least 0 and {wanted}, found {value!r}")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; what is not given is as in the constructor."""
        self._check({**self.defaults, **param_group})
        super().add_param_group(param_group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state of this optimizer or of its counterpart in ``torch.optim``."""
        for group in state_dict["param_groups"]:
            missing = sorted(self.defaults.keys() - group.keys() - self._ours.keys())
            if missing:
                needed = f"{type(self).__name__} needs {', '.join(missing)}"
                raise ValueError(f"{needed}, found a state with {', '.join(sorted(group))}")
            self._check(self._understood(group))
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group.update(self._understood(group))

    def _understood(self, group: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a loaded group as ours are: numbers, though torch allows a rate that is a tensor."""
        numbers = {name: value.item() for name, value in group.items() if isinstance(value, Tensor)}
        return {**self._ours, **group, **numbers, **self._fixed}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew, before the change.

        Returns
        -------
        What ``closure`` returned, the loss; without it None.

        Raises
        ------
        ValueError
            If a gradient is sparse or a parameter complex; no parameter has changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        for p in (p for params in moving for p in params):
            if p.grad.layout != torch.strided or p.is_complex():
                found = f"{p.grad.layout} of {p.dtype}"
                raise ValueError(f"gradients are dense and real, found {found}, shape {tuple(p.shape)}")
        for group, params in zip(self.param_groups, moving, strict=True):
            for p in params:
                self._move(p, group)
        return loss

    def _move(self, p: Tensor, group: dict[str, Any]) -> None:
        """Change one parameter: the sign and the decay, which are the same for all, then the class's own equation."""
        assert p.grad is not None
        grad = -p.grad if group["maximize"] else p.grad
        if group["weight_decay"] and group.get("decoupled_weight_decay"):
            p.mul_(1 - group["lr"] * group["weight_decay"])
        elif group["weight_decay"]:  # the gradient of weight_decay / 2 |p|²
            grad = grad.add(p, alpha=group["weight_decay"])
        self._update(p, grad, self.state[p], group)

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        raise NotImplementedError


def _memory(state: State, name: str, p: Tensor, start: float = 0.0) -> Tensor:
    """Return what is remembered of a parameter under ``name``; in the beginning it is ``start`` everywhere."""
    if name not in state:
        state[name] = torch.full_like(p, start, memory_format=torch.preserve_format)
    return state[name]


def _count(state: State) -> float:
    """Count one update more and return the count; a parameter without a gradient skips updates."""
    if "step" not in state:
        state["step"] = torch.zeros((), device="cpu")
    state["step"] += 1
    return state["step"].item()


class SGD(_Updates):
    """Gradient descent, ``p -= lr * grad``, and torch's two forms of momentum, as ``torch.optim.SGD``.

    Parameters
    ----------
    params : iterable of parameters, named parameters or groups
    lr : float
        The step η; 0 leaves the parameters of a group where they are.
    momentum : float
        Share α of the velocity that is kept, from 0 to below 1: see :class:`Momentum`.
    dampening : float
        The gradient enters the velocity with the factor 1 - ``dampening``, but the first one with 1.
    weight_decay : float
        Adds this multiple of the parameter to its gradient.
    nesterov : bool
        Step along ``grad + momentum * velocity``: see :class:`Nesterov`.
    maximize : bool
        Go uphill.

    Examples
    --------
    >>> p = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.1)
    >>> (p**2).sum().backward()
    >>> optimizer.step()
    >>> p.detach()
    tensor([2.4000])
    """

    _below: ClassVar[dict[str, float]] = {**_Updates._below, "momentum": 1, "dampening": math.inf}
    _ours: ClassVar[dict[str, bool]] = {"average": False}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov, maximize=maximize, average=False,
        )  # fmt: skip

    def _check(self, options: dict[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            found = f"{options['momentum']} and {options['dampening']}"
            raise ValueError(f"nesterov wants a momentum and no dampening, found {found}")

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        if group["nesterov"]:
            Nesterov._update(p, grad, state, group)
        elif group["momentum"]:
            Momentum._update(p, grad, state, group)
        else:
            p.add_(grad, alpha=-group["lr"])


class Momentum(SGD):
    """Heavy ball: ``velocity = momentum * velocity + grad; p -= lr * velocity`` (Polyak, 1964).

    Parameters
    ----------
    params, lr, momentum, dampening, weight_decay, maximize
        As in :class:`SGD`.
    average : bool
        Make the velocity a moving average, ``momentum * velocity + (1 - momentum) * grad``, that starts at 0, as the
        lecture does (S3:129): the same path as without it for ``lr * (1 - momentum)``. Torch's nearest relative,
        ``dampening=momentum``, takes its first gradient whole and so takes another path.

    Examples
    --------
    >>> p = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = Momentum([p], lr=0.1, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (p**2).sum().backward()
    ...     optimizer.step()
    >>> p.detach()  # 3 - 0.1 * 6 = 2.4, then 2.4 - 0.1 * (3 + 4.8)
    tensor([1.6200])
    """

    _fixed: ClassVar[dict[str, bool]] = {"nesterov": False}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.9,
        dampening: float = 0,
        weight_decay: float = 0,
        *,
        average: bool = False,
        maximize: bool = False,
    ) -> None:
        if average and dampening:
            raise ValueError(f"an average is damped by 1 - momentum: dampening is 0, found {dampening!r}")
        _Updates.__init__(
            self, params, lr=lr, momentum=momentum, dampening=momentum if average else dampening,
            weight_decay=weight_decay, nesterov=False, maximize=maximize, average=average,
        )  # fmt: skip

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        whole = "momentum_buffer" not in state and not group["average"]  # torch does not damp the first gradient
        share = 1.0 if whole else 1 - (group["momentum"] if group["average"] else group["dampening"])
        velocity = _memory(state, "momentum_buffer", p)
        velocity.mul_(group["momentum"]).add_(grad, alpha=share)
        p.add_(velocity, alpha=-group["lr"])


class Nesterov(SGD):
    """Momentum whose gradient is taken ahead (Nesterov, 1983; Sutskever et al., 2013, eq. 3 and 4).

    With θ for the paper's point, v for its velocity in units of the step and p for ours, ``p = θ - lr * momentum * v``:
    the parameters *are* the point ahead, as in torch, and ``p -= lr * (grad + momentum * velocity)``.

    Parameters
    ----------
    params, lr, momentum, weight_decay, maximize
        As in :class:`SGD`, with momentum above 0.

    Examples
    --------
    >>> p = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = Nesterov([p], lr=0.1, momentum=0.5)
    >>> (p**2).sum().backward()
    >>> optimizer.step()
    >>> p.detach()  # 3 - 0.1 * (6 + 0.5 * 6)
    tensor([2.1000])
    """

    _fixed: ClassVar[dict[str, bool]] = {"nesterov": True}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, momentum, 0, weight_decay, True, maximize=maximize)

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        velocity = _memory(state, "momentum_buffer", p)
        velocity.mul_(group["momentum"]).add_(grad)
        p.add_(grad + group["momentum"] * velocity, alpha=-group["lr"])


class Adagrad(_Updates):
    """Divide each step by the root of the sum of all squared gradients so far (Duchi et al., 2011, diagonal form).

    Parameters
    ----------
    params : iterable of parameters, named parameters or groups
    lr : float
    lr_decay : float
        Divide the rate of update t by 1 + (t - 1) ``lr_decay``.
    weight_decay : float
        Adds this multiple of the parameter to its gradient.
    initial_accumulator_value : float
        Where the sums start.
    eps : float
        Is added to the root; the paper's δ.
    maximize : bool
        Go uphill.

    Examples
    --------
    >>> p = torch.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = Adagrad([p], lr=1.0)
    >>> (p**2).sum().backward()
    >>> optimizer.step()  # the gradients are 6 and 600
    >>> [round(x, 3) for x in p.tolist()]
    [2.0, 299.0]
    """

    _below: ClassVar[dict[str, float]] = {
        **_Updates._below, "lr_decay": math.inf, "initial_accumulator_value": math.inf, "eps": math.inf,
    }  # fmt: skip

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        rate = group["lr"] / (1 + (_count(state) - 1) * group["lr_decay"])
        total = _memory(state, "sum", p, group["initial_accumulator_value"])
        total.addcmul_(grad, grad)
        p.addcdiv_(grad, total.sqrt().add_(group["eps"]), value=-rate)


class RMSprop(_Updates):
    """Divide each step by the root of a moving average of squared gradients (Tieleman and Hinton, 2012).

    Parameters
    ----------
    params : iterable of parameters, named parameters or groups
    lr : float
    alpha : float
        Share of the average that is kept, from 0 to below 1; 0.9 in the lecture.
    eps : float
        Is added to the root.
    weight_decay : float
        Adds this multiple of the parameter to its gradient.
    momentum : float
        Share kept of a velocity of the *divided* gradients.
    centered : bool
        Subtract the square of the average gradient before the root (Graves, 2013).
    maximize : bool
        Go uphill.

    Examples
    --------
    >>> p = torch.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = RMSprop([p], lr=0.1, alpha=0.99)
    >>> (p**2).sum().backward()
    >>> optimizer.step()  # each by lr / sqrt(1 - alpha), ten times lr: the average starts at 0
    >>> [round(x, 3) for x in p.tolist()]
    [2.0, 299.0]
    """

    _below: ClassVar[dict[str, float]] = {**_Updates._below, "alpha": 1, "eps": math.inf, "momentum": 1}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
            centered=centered, maximize=maximize,
        )  # fmt: skip

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        alpha = group["alpha"]
        _count(state)  # nothing here uses it; a state that torch loads has it
        square = _memory(state, "square_avg", p)
        square.mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = _memory(state, "grad_avg", p).lerp_(grad, 1 - alpha)
            square = square - mean**2
        step = grad / square.sqrt().add_(group["eps"])
        if group["momentum"]:
            step = _memory(state, "momentum_buffer", p).mul_(group["momentum"]).add_(step)
        p.add_(step, alpha=-group["lr"])


class Adam(_Updates):
    """Moving averages of gradient and squared gradient, both corrected for their start at 0 (Kingma and Ba, 2015).

    Parameters
    ----------
    params : iterable of parameters, named parameters or groups
    lr : float
        Length of the first step of each weight; later ones are seldom longer.
    betas : (float, float)
        Shares of the two averages that are kept, each from 0 to below 1.
    eps : float
        Is added to the corrected root.
    weight_decay : float
        Adds this multiple of the parameter to its gradient, so it is divided by the root, too: see :class:`AdamW`.
    amsgrad : bool
        Divide by the largest average of squares so far (Reddi et al., 2018). As in torch, both averages are corrected.
    maximize : bool
        Go uphill.

    Examples
    --------
    >>> p = torch.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.1)
    >>> (p**2).sum().backward()
    >>> optimizer.step()
    >>> [round(x, 3) for x in p.tolist()]
    [2.9, 299.9]
    """

    _below: ClassVar[dict[str, float]] = {**_Updates._below, "betas": 1, "eps": math.inf}
    _ours: ClassVar[dict[str, bool]] = {"decoupled_weight_decay": False}  # older ones lack it

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize,
            decoupled_weight_decay=self._fixed.get("decoupled_weight_decay", False),
        )  # fmt: skip

    @staticmethod
    def _update(p: Tensor, grad: Tensor, state: State, group: dict[str, Any]) -> None:
        (beta1, beta2), t = group["betas"], _count(state)
        mean, square = _memory(state, "exp_avg", p), _memory(state, "exp_avg_sq", p)
        mean.lerp_(grad, 1 - beta1)  # beta1 * mean + (1 - beta1) * grad
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            largest = _memory(state, "max_exp_avg_sq", p)
            square = torch.maximum(largest, square, out=largest)
        root = square.sqrt().div_(math.sqrt(1 - beta2**t)).add_(group["eps"])
        p.addcdiv_(mean, root, value=-group["lr"] / (1 - beta1**t))


class AdamW(Adam):
    """Adam whose decay does not go through the averages: ``p *= 1 - lr * weight_decay`` (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    params, lr, betas, eps, amsgrad, maximize
        As in :class:`Adam`.
    weight_decay : float
        The paper's λ; its factor η is the rate here, as in torch.

    Examples
    --------
    >>> p = torch.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = AdamW([p], lr=0.1, weight_decay=0.1)
    >>> (0 * p).sum().backward()
    >>> optimizer.step()  # no gradient: all that happens is the decay by a hundredth
    >>> [round(x, 3) for x in p.tolist()]
    [2.97, 297.0]
    """

    _fixed: ClassVar[dict[str, bool]] = {"decoupled_weight_decay": True}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
