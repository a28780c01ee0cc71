"""Gated recurrent units: Chung et al. (2014), arXiv:1412.3555, eq. (5) to (8), and the form of today's libraries.

Cho et al. (2014), arXiv:1406.1078, have the unit. Paper → code: z, r → ``z, r``; h̃ → ``candidate``; parameters are
named and ordered as in torch (r, z, candidate). The libraries' form differs twice: their z keeps the old state where
the paper's takes the new one, and their reset gate comes behind the matrix, r ∘ (U h), not before it, U (r ∘ h).
Axes: b sequences, t steps, d features, h units.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook.sequences._layers import add_parameters, described, through_layers

__all__ = ["GRU", "step", "step_chung"]


def step(drive: Tensor, state: Tensor, weight_hh: Tensor, bias_hh: Tensor | None = None) -> Tensor:
    """Return the next state (b, h) in torch's form, in which the reset gate scales what the matrix made of the state.

    Parameters
    ----------
    drive : (b, 3 h)
        What the input and its biases add before the nonlinearities, in torch's order: r, z, candidate.
    state : (b, h)
    weight_hh : (3 h, h)
    bias_hh : (3 h,), optional
        Inside of the reset gate's reach, so that it cannot be merged with the input's.

    Examples
    --------
    >>> step(torch.zeros(1, 3), torch.ones(1, 1), torch.zeros(3, 1))  # z = 1/2, candidate 0
    tensor([[0.5000]])
    """
    parts = 2 * state.shape[-1], state.shape[-1]  # the gates, the candidate
    product_gates, product = F.linear(state, weight_hh, bias_hh).split(parts, dim=-1)
    drive_gates, drive = drive.split(parts, dim=-1)
    r, z = (drive_gates + product_gates).sigmoid().chunk(2, dim=-1)
    candidate = torch.tanh(torch.addcmul(drive, r, product))
    return torch.lerp(candidate, state, z)  # candidate + z (state - candidate)


def step_chung(drive: Tensor, state: Tensor, weight_hh: Tensor, bias_hh: Tensor | None = None) -> Tensor:
    """Return the next state (b, h) in the form of Chung et al.: the reset gate scales the state before the matrix.

    Takes what :func:`step` takes.

    Examples
    --------
    >>> step_chung(torch.zeros(1, 3), torch.ones(1, 1), torch.zeros(3, 1))
    tensor([[0.5000]])
    """
    parts = 2 * state.shape[-1], state.shape[-1]  # the gates, the candidate
    if bias_hh is not None:
        drive = drive + bias_hh
    drive_gates, drive = drive.split(parts, dim=-1)
    weight_gates, weight = weight_hh.split(parts)
    r, z = torch.addmm(drive_gates, state, weight_gates.T).sigmoid().chunk(2, dim=-1)
    candidate = torch.tanh(torch.addmm(drive, r * state, weight.T))
    return torch.lerp(state, candidate, z)  # (1 - z) state + z candidate


STEPS = {"torch": step, "chung": step_chung}


class GRU(nn.Module):
    """Layers of gated recurrent units: arguments, parameters and numbers of ``torch.nn.GRU``, or the paper's form.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias : bool
    bidirectional : bool
    form : {"torch", "chung"}
        Where the reset gate stands, and what z keeps; see the head of this module.
    generator : torch.Generator, optional
        Draws weights and biases as torch does, uniform in ±1/√hidden_size.
    device, dtype : optional

    Examples
    --------
    >>> output, state = GRU(3, 5, bidirectional=True)(torch.zeros(7, 11, 3))
    >>> output.shape, state.shape
    (torch.Size([7, 11, 10]), torch.Size([2, 7, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        *,
        form: str = "torch",
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if form not in STEPS:
            raise ValueError(f"form is one of {', '.join(STEPS)}, found {form!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.bidirectional, self.form = bias, bidirectional, form
        self.chains = add_parameters(
            self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers, bidirectional=bidirectional,
            bias=bias, gates=3, generator=generator, device=device, dtype=dtype,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Name the sizes and what is not usual."""
        return described(self, num_layers=1, bias=True, bidirectional=False, form="torch")

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map (b, t, d), from a state (chains, b, h) or zeros, to all states of the last layer and the last of all.

        ``chains`` counts layers times directions. The first result is (b, t, h times directions), the second
        (chains, b, h).
        """
        b, _, _ = axes("x", x, "b t d", d=self.input_size, least=1)
        if state is None:
            state = x.new_zeros(len(self.chains), b, self.hidden_size)
        axes("state", state, "chains b h", chains=len(self.chains), b=b, h=self.hidden_size)
        advance = STEPS[self.form]

        def run(place: int, x: Tensor) -> Tensor:
            chain, h, states = self.chains[place], state[place], []
            w_in, w = self._named("weight_ih", chain), self._named("weight_hh", chain)
            b_in, b_state = (self._named(name, chain) if self.bias else None for name in ("bias_ih", "bias_hh"))
            for drive in F.linear(x, w_in, b_in).unbind(1):
                h = advance(drive, h, w, b_state)
                states.append(h)
            return torch.stack(states, dim=1)

        return through_layers(x, run, num_layers=self.num_layers, bidirectional=self.bidirectional)

    def _named(self, name: str, chain: str) -> Tensor:
        return cast(Tensor, getattr(self, f"{name}_{chain}"))
