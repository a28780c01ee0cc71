"""How many multiply-adds a network costs: one weight times one number, added up.

Biases, activations, pooling and normalization do not count.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlbook.convolution.convolution import Conv2d
from dlbook.convolution.group import P1Conv2d, P4Conv2d, P4MConv2d
from dlbook.convolution.table_conv import TableConv2d
from dlbook.perceptron.linear import SoftmaxRegression

__all__ = ["multiply_adds"]


def multiply_adds(model: nn.Module, shape: Sequence[int]) -> dict[str, int]:
    """Count the multiply-adds of every convolution and linear layer for one input, by running it.

    Parameters
    ----------
    model : nn.Module
    shape : sequence of int
        Of one input without the batch axis, (c, h, w) for images.

    Returns
    -------
    dict of str to int
        Name of the layer → its multiply-adds, in the order of the first call; their sum is the cost of the model.

    Notes
    -----
    Convolutions and linear layers are known, torch's and the book's; what has one weight for each map, such as a
    normalization, costs nothing in this count.

    Examples
    --------
    >>> multiply_adds(nn.Conv2d(3, 8, 5), (3, 12, 12))  # 8 x 8 places, 8 maps, kernels of 3 x 5 x 5
    {'': 38400}
    """
    if len(shape) == 0 or min(shape) < 1:
        raise ValueError(f"shape is that of one input, all sizes at least 1, found {tuple(shape)}")
    counts: dict[str, int] = {}

    for name, layer in model.named_modules():
        own = [parameter for parameter in layer.parameters(recurse=False) if parameter.ndim > 1]
        if own and not _is_product(layer):
            raise ValueError(f"what layer {name!r}, {type(layer).__name__}, multiplies is not known here")

    def count(name: str, layer: Any, output: Tensor) -> None:
        maps = len(layer.table if isinstance(layer, TableConv2d) else layer.weight)
        # every weight of a map is used once for each of its numbers; the batch is 1
        counts[name] = counts.get(name, 0) + output.numel() // maps * layer.weight.numel()

    hooks = [
        layer.register_forward_hook(lambda layer, _, output, name=name: count(name, layer, output))
        for name, layer in model.named_modules()
        if _is_product(layer)
    ]
    weight = next(model.parameters(), torch.empty(0))
    modes = {layer: layer.training for layer in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *shape, device=weight.device, dtype=weight.dtype))
    except RuntimeError as error:
        raise ValueError(f"the model takes no input of shape {tuple(shape)}: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in modes.items():
            layer.training = mode
    return counts


def _is_product(layer: nn.Module) -> bool:
    """Tell whether the numbers that a layer gives are products of its weights with numbers that it is given."""
    torchs = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
    return isinstance(layer, torchs | Conv2d | TableConv2d | SoftmaxRegression | P1Conv2d | P4Conv2d | P4MConv2d)
