"""Multilayer perceptrons: affine maps with an activation between them.

The lecture's h = g(W x + b), y = W₂ h + b₂ (S1:93-108) and its two hidden layers (S2:183-211).  No activation follows
the last map: its outputs are scores (logits), for the losses of :mod:`dlbook.foundations.losses`.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import undrawn, uniform_

__all__ = ["MLP", "Pointwise", "xor_network"]


class Pointwise(nn.Module):
    """A function of tensors as a layer without parameters.

    Examples
    --------
    >>> Pointwise(torch.tanh)
    Pointwise(tanh)
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, u: Tensor) -> Tensor:
        """Apply the function; shapes are its own."""
        return self.function(u)

    def extra_repr(self) -> str:
        """Name the function."""
        return getattr(self.function, "__name__", repr(self.function))


class MLP(nn.Sequential):
    """A multilayer perceptron, (n, sizes[0]) → (n, sizes[-1]).

    An ``nn.Sequential`` of ``Linear``, activation, ``Linear``, ...: without a generator it draws the same weights as
    that, and either loads the ``state_dict`` of the other.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, of hidden units in each hidden layer, and of outputs: ``(784, 256, 10)``.
    activation : function or Module
        Between the affine maps, never after the last one.  It acts entry by entry, or must keep the widths.
    generator : torch.Generator, optional
        Draws the weights; torch's global stream otherwise.  Uniform in ± 1/√inputs, as ``nn.Linear`` does.
    device, dtype
        As in ``nn.Linear``.

    Examples
    --------
    >>> net = MLP((784, 256, 10))
    >>> net(torch.zeros(5, 784)).shape
    torch.Size([5, 10])
    >>> sum(p.numel() for p in net.parameters())
    203530
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Callable[[Tensor], Tensor] = torch.relu,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        sizes = tuple(sizes)
        if len(sizes) < 2 or any(not isinstance(size, int) or size < 1 for size in sizes):
            raise ValueError(f"sizes are two positive integers or more, found {sizes}")
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            linear = _linear(inputs, outputs, generator, device, dtype)
            act = activation if isinstance(activation, nn.Module) else Pointwise(activation)
            layers += [linear, act]
        super().__init__(*layers[:-1])
        self.sizes = sizes

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (..., sizes[-1]) of x (..., sizes[0])."""
        return self.states(x)[-1]

    def states(self, x: Tensor) -> list[Tensor]:
        """Return x, what each hidden layer makes of it (after the activation), and the scores.

        Examples
        --------
        >>> [tuple(state.shape) for state in MLP((2, 4, 3, 1)).states(torch.zeros(5, 2))]
        [(5, 2), (5, 4), (5, 3), (5, 1)]
        """
        axes("x", x, "... d", d=self.sizes[0])
        states = [x]
        for place, layer in enumerate(self):
            x = layer(x)
            if place % 2 or place == len(self) - 1:
                states.append(x)
        return states


def xor_network(activation: Callable[[Tensor], Tensor] = torch.relu) -> MLP:
    """Return the lecture's network for the exclusive or, S1:165-168, in float64: two inputs, two hidden units, a score.

    Its weights are right with ``torch.relu`` and with a unit step, and wrong with a sigmoid or tanh.

    Examples
    --------
    >>> corners = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).double()
    >>> xor_network()(corners)[:, 0].tolist()
    [-1.0, 1.0, 1.0, -1.0]
    """
    network = MLP((2, 2, 1), activation=activation, dtype=torch.float64)
    weights = {
        "0.weight": [[1.0, -1.0], [-1.0, 1.0]],
        "0.bias": [-0.5, -0.5],
        "2.weight": [[4.0, 4.0]],
        "2.bias": [-1.0],
    }
    network.load_state_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in weights.items()})
    return network


@torch.no_grad()
def _linear(
    inputs: int,
    outputs: int,
    generator: Generator | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Linear:
    """Make a layer whose weights are drawn as ``nn.Linear`` draws them, from the given stream alone."""
    if generator is None:
        return nn.Linear(inputs, outputs, device=device, dtype=dtype)
    layer = undrawn(nn.Linear, inputs, outputs, device=device, dtype=dtype)
    for parameter in layer.parameters():
        uniform_(parameter, inputs**-0.5, generator)
    return layer
