"""Recurrent layers: one set of weights at every step, and a state that is handed on (Elman, 1990).

Pascanu, Mikolov and Bengio (2013), arXiv:1211.5063, eq. (1) and (2), have W_in → ``weight_ih`` and W_rec →
``weight_hh``; parameters are named as in torch. Axes: b sequences, t steps, d features, h units of the state.
"""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import uniform_

__all__ = ["RNN", "recur"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


def recur(
    x: Tensor,
    state: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    activation: Callable[[Tensor], Tensor] = torch.tanh,
) -> Tensor:
    """Return the states that a sequence leads through: each is ``activation(W_in x + W_rec state + b)``.

    Parameters
    ----------
    x : (b, t, d)
    state : (b, h)
        The one before the first step.
    weight_ih : (h, d)
    weight_hh : (h, h)
    bias : (h,), optional
    activation : callable

    Returns
    -------
    (b, t, h)

    Examples
    --------
    >>> halve, one = torch.tensor([[0.5]]), torch.tensor([[1.0]])
    >>> recur(torch.ones(1, 4, 1), torch.zeros(1, 1), one, halve, activation=lambda a: a).flatten()
    tensor([1.0000, 1.5000, 1.7500, 1.8750])
    """
    drive = F.linear(x, weight_ih, bias)  # what the inputs add, for all steps in one product
    states = []
    for added in drive.unbind(1):
        state = activation(torch.addmm(added, state, weight_hh.T))
        states.append(state)
    return torch.stack(states, dim=1)


class RNN(nn.Module):
    """Layers of recurrence, in one direction or in both: arguments, parameters and numbers of ``torch.nn.RNN``.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
        A layer above the first reads the states of the one below.
    nonlinearity : {"tanh", "relu"}
    bias : bool
        Two vectors a layer, as in torch, though their sum is all that counts.
    bidirectional : bool
        A second chain of states, with weights of its own, reads from the end; outputs are concatenated.
    generator : torch.Generator, optional
        Draws weights and biases as torch does, uniform in ±1/√hidden_size.
    device, dtype : optional

    Examples
    --------
    >>> output, state = RNN(3, 5, 2, bidirectional=True)(torch.zeros(7, 11, 3))
    >>> output.shape, state.shape
    (torch.Size([7, 11, 10]), torch.Size([4, 7, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        bidirectional: bool = False,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(f"sizes are at least 1, found {input_size}, {hidden_size} and {num_layers} layers")
        if nonlinearity not in ACTIVATIONS:
            raise ValueError(f"nonlinearity is one of {', '.join(ACTIVATIONS)}, found {nonlinearity!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.bias, self.bidirectional = nonlinearity, bias, bidirectional
        self.chains = [f"l{i}{end}" for i in range(num_layers) for end in ("", "_reverse")[: 1 + bidirectional]]
        for i, chain in enumerate(self.chains):
            below = input_size if i <= bidirectional else hidden_size * (1 + bidirectional)
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (hidden_size, below),
                "weight_hh": (hidden_size, hidden_size),
            }
            shapes |= {"bias_ih": (hidden_size,), "bias_hh": (hidden_size,)} if bias else {}
            for name, shape in shapes.items():
                self.register_parameter(f"{name}_{chain}", nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        for parameter in self.parameters():
            uniform_(parameter, hidden_size**-0.5, generator)

    def extra_repr(self) -> str:
        """Name the sizes and what is not usual."""
        usual = {"num_layers": 1, "nonlinearity": "tanh", "bias": True, "bidirectional": False}
        unusual = [f"{name}={getattr(self, name)!r}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *unusual])

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (b, t, d), from a state (chains, b, h) or zeros, to all states of the last layer and the last of all.

        ``chains`` counts layers times directions. The first result is (b, t, h times directions), the second
        (chains, b, h): where each chain ended, for one that reads backwards at the first step.
        """
        b, _, _ = axes("x", x, "b t d", d=self.input_size, least=1)
        if state is None:
            state = x.new_zeros(len(self.chains), b, self.hidden_size)
        axes("state", state, "chains b h", chains=len(self.chains), b=b, h=self.hidden_size)
        ends = []
        for layer in range(self.num_layers):
            outputs = []
            for backwards in range(1 + self.bidirectional):
                chain = layer * (1 + self.bidirectional) + backwards
                states = self._run(x.flip(1) if backwards else x, state[chain], self.chains[chain])
                ends.append(states[:, -1])
                outputs.append(states.flip(1) if backwards else states)
            x = torch.cat(outputs, dim=-1) if self.bidirectional else outputs[0]
        return x, torch.stack(ends)

    def _run(self, x: Tensor, state: Tensor, chain: str) -> Tensor:
        def of(name: str) -> Tensor:
            return cast(Tensor, getattr(self, f"{name}_{chain}"))

        bias = of("bias_ih") + of("bias_hh") if self.bias else None
        return recur(x, state, of("weight_ih"), of("weight_hh"), bias, ACTIVATIONS[self.nonlinearity])
