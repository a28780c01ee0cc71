"""All that a training run needs to go on exactly where it stopped, in one file that is whole or absent."""

import copy
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn

from dlbook._files import write_atomically

__all__ = ["Stateful", "generators", "load", "random_state", "save", "set_random_state"]


class Stateful(Protocol):
    """Anything with torch's pair of methods: optimizers, schedules, batches."""

    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...  # noqa: D102


def generators(model: nn.Module) -> dict[str, Generator]:
    """Return the generators that modules of ``model`` draw from (a dropout layer's own, say), by module and name."""
    return {
        f"{module_name}.{name}": value
        for module_name, module in model.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Generator)
    }


def random_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of every stream that a step may draw from: torch's own, each GPU's, the model's generators."""
    streams = {"cpu": torch.get_rng_state()}
    streams |= {f"cuda:{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    return streams | {f"model:{name}": g.get_state() for name, g in generators(model).items()}


def set_random_state(model: nn.Module, streams: dict[str, Tensor]) -> None:
    """Set every stream to the state that :func:`random_state` returned; a GPU that is not here is passed over."""
    torch.set_rng_state(streams["cpu"])
    for i in range(torch.cuda.device_count()):
        if f"cuda:{i}" in streams:
            torch.cuda.set_rng_state(streams[f"cuda:{i}"], i)
    for name, generator in generators(model).items():
        generator.set_state(streams[f"model:{name}"])


def save(path: Path, model: nn.Module, parts: dict[str, Stateful], position: dict[str, Any]) -> None:
    """Write model, parts and position to ``path`` in one step: a kill at any moment leaves the old file or the new."""
    state = {"model": model.state_dict(), "position": position}
    state |= {name: part.state_dict() for name, part in parts.items()}
    write_atomically(path, lambda part: torch.save(state, part))


def load(path: Path, model: nn.Module, parts: dict[str, Stateful]) -> dict[str, Any]:
    """Load what :func:`save` wrote into ``model`` and ``parts``, and return the position.

    Raises
    ------
    ValueError
        If the file cannot be read, or belongs to another model or to other parts; nothing is changed then.
    """
    state = _read(path)
    if not isinstance(state, dict) or set(state) != {"model", "position", *parts}:
        found = sorted(map(str, state)) if isinstance(state, dict) else f"a {type(state).__name__}"
        raise ValueError(f"the checkpoint {path} holds {found}, expected model, position, {sorted(parts)}")
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    saved = {name: tuple(value.shape) for name, value in state["model"].items()}
    if shapes != saved:
        differ = sorted(set(shapes.items()) ^ set(saved.items()))[:2]
        raise ValueError(f"the checkpoint {path} is of another model: they differ in {differ}")
    targets: dict[str, Stateful] = {**parts, "model": model}
    before = {name: copy.deepcopy(target.state_dict()) for name, target in targets.items()}
    try:
        for name, target in targets.items():
            target.load_state_dict(state[name])
    except Exception as error:  # an optimizer over other parameters, batches of another size: as it was before
        for other, target in targets.items():
            target.load_state_dict(before[other])
        raise ValueError(f"the checkpoint {path} does not fit: {name}: {error}") from error
    position: dict[str, Any] = state["position"]
    return position


def _read(path: Path) -> Any:
    if path.is_dir():
        raise ValueError(f"a checkpoint is a file, and {path} is a folder")
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise ValueError(f"the checkpoint {path} is damaged ({error}): delete it to start anew") from error
