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
from dlbook.sequences._layers import add_parameters, described, through_layers

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
        if nonlinearity not in ACTIVATIONS:
            raise ValueError(f"nonlinearity is one of {', '.join(ACTIVATIONS)}, found {nonlinearity!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.nonlinearity, self.bias, self.bidirectional = nonlinearity, bias, bidirectional
        self.chains = add_parameters(
            self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers, bidirectional=bidirectional,
            bias=bias, gates=1, generator=generator, device=device, dtype=dtype,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Name the sizes and what is not usual."""
        return described(self, num_layers=1, nonlinearity="tanh", bias=True, bidirectional=False)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (b, t, d), from a state (chains, b, h) or zeros, to all states of the last layer and the last of all.

        ``chains`` counts layers times directions. The first result is (b, t, h times directions), the second
        (chains, b, h): where each chain ended, for one that reads backwards at the first step.
        """
        b, _, _ = axes("x", x, "b t d", d=self.input_size, least=1)
        if state is None:
            state = x.new_zeros(len(self.chains), b, self.hidden_size)
        axes("state", state, "chains b h", chains=len(self.chains), b=b, h=self.hidden_size)
        weights = [self._weights(chain) for chain in self.chains]

        def run(chain: int, x: Tensor) -> Tensor:
            return recur(x, state[chain], *weights[chain], ACTIVATIONS[self.nonlinearity])

        return through_layers(x, run, num_layers=self.num_layers, bidirectional=self.bidirectional)

    def _weights(self, chain: str) -> tuple[Tensor, Tensor, Tensor | None]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 2 + 2 * self.bias]
        w_in, w, *b = (cast(Tensor, getattr(self, f"{name}_{chain}")) for name in names)
        return w_in, w, b[0] + b[1] if b else None
