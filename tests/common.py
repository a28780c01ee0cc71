"""What the tests of several modules need: random arrays, models without zeros, and equality bit for bit."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.testing import assert_close

Array = np.ndarray[Any, Any]
F64 = torch.float64


def stream(seed: int = 0) -> torch.Generator:
    """Return a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = F64) -> torch.Tensor:
    """Return a tensor of standard normal numbers."""
    return torch.randn(*shape, generator=stream(seed), dtype=dtype)


def draw(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    """Return an array of uniform numbers."""
    return np.random.default_rng(seed).uniform(low, high, shape)


def same(found: Sequence[Array], expected: Sequence[Array]) -> None:
    """Assert that arrays are equal bit for bit, NaN and the sign of zero included."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def size(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def with_biases(model: nn.Module) -> nn.Module:
    """Give every bias numbers of its own: a fault in a bias that is zero would not be seen."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.copy_(0.1 * noise(*parameter.shape, seed=len(name)))
    return model


def shaken(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and every running statistic a value of its own, in float64."""
    model, generator = model.to(F64), stream(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator, dtype=F64)
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=F64))
            elif name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator, dtype=F64))
    return model


def composes(layer: nn.Module, x: torch.Tensor) -> None:
    """Assert that ``layer`` can be copied, mapped over examples by vmap, and called with parameters of others."""
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    assert_close(torch.func.vmap(lambda one: layer(one[None])[0])(x), layer(x))
    doubled = {name: 2 * value for name, value in layer.state_dict().items()}
    other = copy.deepcopy(layer)
    other.load_state_dict(doubled)
    assert_close(torch.func.functional_call(layer, doubled, (x,)), other(x))


def learns_an_image_and_its_negative(model: nn.Module) -> None:
    """Assert that a model of binary images 5 x 5 learns these two by heart, down to little more than the bit between them."""
    one = (noise(1, 1, 5, 5, dtype=torch.float32) > 0).float()
    x = torch.cat([one, 1 - one])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        loss = -model.log_prob(x).mean()  # type: ignore[operator]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.log(2) - 1e-4 < loss.item() < 2.1  # of 17: a bit, and first pixels that look like padding
