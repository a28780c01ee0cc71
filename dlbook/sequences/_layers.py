"""What all recurrent layers do alike: name and draw parameters as torch does, stack layers, and read both ways.

A *chain* is one direction of one layer; they are numbered as in torch, layer by layer, forwards before backwards.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn

from dlbook._draws import uniform_


def add_parameters(
    layer: nn.Module,
    *,
    input_size: int,
    hidden_size: int,
    num_layers: int,
    bidirectional: bool,
    bias: bool,
    gates: int,
    vectors: Sequence[str] = (),
    generator: Generator | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> list[str]:
    """Give ``layer`` the parameters of its chains, uniform in ±1/√hidden_size, and return the chains' names.

    Each chain has ``weight_ih`` (gates h, d), ``weight_hh`` (gates h, h), two biases (gates h,) if ``bias``, and a
    vector (h,) for each of ``vectors``.
    """
    if min(input_size, hidden_size, num_layers) < 1:
        raise ValueError(f"sizes are at least 1, found {input_size}, {hidden_size} and {num_layers} layers")
    ends = ("", "_reverse") if bidirectional else ("",)
    chains = [f"l{i}{end}" for i in range(num_layers) for end in ends]
    for place, chain in enumerate(chains):
        below = input_size if place < len(ends) else hidden_size * len(ends)
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (gates * hidden_size, below)}
        shapes |= {"weight_hh": (gates * hidden_size, hidden_size)}
        shapes |= dict.fromkeys(("bias_ih", "bias_hh") if bias else (), (gates * hidden_size,))
        shapes |= dict.fromkeys(vectors, (hidden_size,))
        for name, shape in shapes.items():
            layer.register_parameter(f"{name}_{chain}", nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
    for parameter in layer.parameters():
        uniform_(parameter, hidden_size**-0.5, generator)
    return chains


def through_layers(
    x: Tensor, run: Callable[[int, Tensor], Tensor], *, num_layers: int, bidirectional: bool
) -> tuple[Tensor, Tensor]:
    """Return the states of the last layer (b, t, h times directions) and where each chain ended (chains, b, h).

    Parameters
    ----------
    x : (b, t, d)
    run : callable
        Takes the number of a chain and what it reads, in the order in which it reads it, and returns its states
        (b, t, h).
    num_layers : int
    bidirectional : bool
    """
    ends: list[Tensor] = []
    for _ in range(num_layers):
        outputs = []
        for backwards in (False, True)[: 1 + bidirectional]:
            states = run(len(ends), x.flip(1) if backwards else x)
            ends.append(states[:, -1])
            outputs.append(states.flip(1) if backwards else states)
        x = torch.cat(outputs, dim=-1) if bidirectional else outputs[0]
    return x, torch.stack(ends)


def described(layer: nn.Module, **usual: object) -> str:
    """Return what a layer prints of itself: its two sizes, and every option that is not the usual one."""
    unusual = [f"{name}={getattr(layer, name)!r}" for name, value in usual.items() if getattr(layer, name) != value]
    return ", ".join([f"{layer.input_size}, {layer.hidden_size}", *unusual])
