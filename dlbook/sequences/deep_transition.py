"""Recurrence through a network: Pascanu, Gulcehre, Cho and Bengio (2014), arXiv:1312.6026, Sec. 3.3.1.

From one state to the next lead several layers (DT-RNN, their Fig. 2 a), where a plain layer has one.
Axes: b sequences, t steps, d features, h units.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import uniform_

__all__ = ["DeepTransitionRNN"]


class DeepTransitionRNN(nn.Module):
    """A recurrent layer with ``depth`` products between two states; with one it is the plain layer.

    Parameters
    ----------
    input_size, hidden_size, depth : int
    generator : torch.Generator, optional
        Draws weights and biases, uniform in ±1/√hidden_size.
    device, dtype : optional

    Examples
    --------
    >>> output, state = DeepTransitionRNN(3, 5, depth=2)(torch.zeros(7, 11, 3))
    >>> output.shape, state.shape
    (torch.Size([7, 11, 5]), torch.Size([1, 7, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        depth: int = 2,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(input_size, hidden_size, depth) < 1:
            raise ValueError(f"sizes are at least 1, found {input_size}, {hidden_size} and depth {depth}")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_in = nn.Parameter(torch.empty(hidden_size, input_size, device=device, dtype=dtype))
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(hidden_size, hidden_size, device=device, dtype=dtype)) for _ in range(depth)
        )
        self.biases = nn.ParameterList(
            nn.Parameter(torch.empty(hidden_size, device=device, dtype=dtype)) for _ in range(depth)
        )
        for parameter in self.parameters():
            uniform_(parameter, hidden_size**-0.5, generator)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (b, t, d), from a state (1, b, h) or zeros, to all states (b, t, h) and the last one (1, b, h)."""
        b, _, _ = axes("x", x, "b t d", d=self.input_size, least=1)
        h = x.new_zeros(b, self.hidden_size) if state is None else state[0]
        axes("state", h, "b h", b=b, h=self.hidden_size)
        first, *others = self.weights
        states = []
        for added in F.linear(x, self.weight_in, self.biases[0]).unbind(1):
            h = torch.tanh(torch.addmm(added, h, first.T))
            for weight, bias in zip(others, list(self.biases)[1:], strict=True):
                h = torch.tanh(F.linear(h, weight, bias))
            states.append(h)
        return torch.stack(states, dim=1), h[None]
