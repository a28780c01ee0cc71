"""Long short-term memory: Graves (2013), arXiv:1308.0850, eq. (7) to (11), with and without peepholes.

Hochreiter and Schmidhuber (1997) have the cell and two gates, Gers, Schmidhuber and Cummins (2000) the forget gate,
Gers and Schmidhuber (2000) the peepholes. Paper → code: i, f, o → ``i, f, o``; what may be added to the cell, without
a letter there, → ``g``; W_ci, W_cf, W_co (diagonal) → ``peepholes``; parameters are named as in torch.
Axes: b sequences, t steps, d features, h cells.
"""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook.sequences._layers import add_parameters, described, through_layers

__all__ = ["LSTM", "Trace", "recur", "step"]

PEEPHOLES = ("peephole_i", "peephole_f", "peephole_o")


class Trace(NamedTuple):
    """All that happened in a chain of cells, each (b, t, h)."""

    states: Tensor
    cells: Tensor
    input_gates: Tensor
    forget_gates: Tensor
    output_gates: Tensor


def step(
    drive: Tensor, state: Tensor, cell: Tensor, weight_hh: Tensor, peepholes: Tensor | None = None
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return the next state, the next cell (both (b, h)) and the gates i, f, o that were open for them.

    Parameters
    ----------
    drive : (b, 4 h)
        What the input and the biases add before the nonlinearities, in torch's order: i, f, g, o.
    state, cell : (b, h)
    weight_hh : (4 h, h)
    peepholes : (3, h), optional
        For i and f, which see the old cell, and for o, which sees the new one.

    Examples
    --------
    >>> forget = torch.tensor([[-100.0, 100.0, 0.0, 100.0]])  # write nothing, keep all, show all
    >>> step(forget, torch.zeros(1, 1), torch.ones(1, 1), torch.zeros(4, 1))[1]
    tensor([[1.]])
    """
    i, f, g, o = torch.addmm(drive, state, weight_hh.T).chunk(4, dim=-1)
    if peepholes is not None:
        i, f = i + peepholes[0] * cell, f + peepholes[1] * cell
    i, f = i.sigmoid(), f.sigmoid()
    cell = f * cell + i * g.tanh()
    o = (o if peepholes is None else o + peepholes[2] * cell).sigmoid()
    return o * cell.tanh(), cell, (i, f, o)


def recur(
    x: Tensor,
    state: Tensor,
    cell: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    peepholes: Tensor | None = None,
) -> Trace:
    """Return the states, cells and gates that a sequence leads through.

    Parameters
    ----------
    x : (b, t, d)
    state, cell : (b, h)
        Those before the first step.
    weight_ih : (4 h, d)
    weight_hh : (4 h, h)
    bias : (4 h,), optional
    peepholes : (3, h), optional

    Examples
    --------
    >>> weights = LSTM(3, 5).chain("l0")
    >>> recur(torch.zeros(2, 7, 3), torch.zeros(2, 5), torch.zeros(2, 5), *weights).cells.shape
    torch.Size([2, 7, 5])
    """
    if peepholes is not None:
        axes("peepholes", peepholes, "gates h", gates=3, h=state.shape[-1])
    found = []
    for drive in F.linear(x, weight_ih, bias).unbind(1):
        state, cell, gates = step(drive, state, cell, weight_hh, peepholes)
        found.append((state, cell, *gates))
    return Trace(*(torch.stack(steps, dim=1) for steps in zip(*found, strict=True)))


class LSTM(nn.Module):
    """Layers of long short-term memory: arguments, parameters and numbers of ``torch.nn.LSTM``, and peepholes.

    Parameters
    ----------
    input_size, hidden_size, num_layers : int
    bias : bool
    bidirectional : bool
    peephole : bool
        Gates also see the cell, through a weight for each cell and gate.
    forget_bias : float, optional
        The sum of the two biases of the forget gates, at first; without it they are drawn like all others.
    generator : torch.Generator, optional
        Draws weights and biases as torch does, uniform in ±1/√hidden_size.
    device, dtype : optional

    Examples
    --------
    >>> output, (state, cell) = LSTM(3, 5, 2)(torch.zeros(7, 11, 3))
    >>> output.shape, state.shape, cell.shape
    (torch.Size([7, 11, 5]), torch.Size([2, 7, 5]), torch.Size([2, 7, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        bidirectional: bool = False,
        *,
        peephole: bool = False,
        forget_bias: float | None = None,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if forget_bias is not None and not bias:
            raise ValueError(f"forget_bias is {forget_bias} of a layer without biases")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.bidirectional, self.peephole = bias, bidirectional, peephole
        self.chains = add_parameters(
            self, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers, bidirectional=bidirectional,
            bias=bias, gates=4, vectors=PEEPHOLES if peephole else (), generator=generator, device=device, dtype=dtype,
        )  # fmt: skip
        if forget_bias is not None:
            forget = slice(hidden_size, 2 * hidden_size)
            with torch.no_grad():
                for chain in self.chains:
                    self.get_parameter(f"bias_ih_{chain}")[forget] = forget_bias
                    self.get_parameter(f"bias_hh_{chain}")[forget] = 0

    def extra_repr(self) -> str:
        """Name the sizes and what is not usual."""
        return described(self, num_layers=1, bias=True, bidirectional=False, peephole=False)

    def chain(self, name: str) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Return what :func:`recur` takes of one chain ("l0", "l0_reverse", "l1", ...)."""
        if name not in self.chains:
            raise ValueError(f"the chains are {', '.join(self.chains)}, found {name!r}")
        w_in, w, *b = self._parameters_of(name)
        holes = [cast(Tensor, getattr(self, f"{hole}_{name}")) for hole in PEEPHOLES] if self.peephole else []
        return w_in, w, b[0] + b[1] if b else None, torch.stack(holes) if holes else None

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Map (b, t, d), from states and cells (chains, b, h) or zeros, to all states and to the last of both.

        ``chains`` counts layers times directions. The first result is (b, t, h times directions), the others
        (chains, b, h).
        """
        b, _, _ = axes("x", x, "b t d", d=self.input_size, least=1)
        if state is None:
            state = (x.new_zeros(len(self.chains), b, self.hidden_size),) * 2
        for name, tensor in zip(("state", "cell"), state, strict=True):
            axes(name, tensor, "chains b h", chains=len(self.chains), b=b, h=self.hidden_size)
        (first, cell), cells = state, []

        def run(place: int, x: Tensor) -> Tensor:
            states, last = self._run(self.chains[place], x, first[place], cell[place])
            cells.append(last)
            return states

        output, last = through_layers(x, run, num_layers=self.num_layers, bidirectional=self.bidirectional)
        return output, (last, torch.stack(cells))

    def _run(self, chain: str, x: Tensor, state: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        # torch has the loop in one kernel, for cells without peepholes, not under a compiler and not under vmap.
        if not self.peephole and not torch.compiler.is_compiling():
            try:
                weights = self._parameters_of(chain)
                output, _, last = torch.lstm(
                    x, (state[None], cell[None]), weights, self.bias, 1, 0.0, self.training, False, True
                )
                return output, last[0]
            except RuntimeError:
                pass  # the loop says what is wrong, if it does not work either
        trace = recur(x, state, cell, *self.chain(chain))
        return trace.states, trace.cells[:, -1]

    def _parameters_of(self, chain: str) -> list[Tensor]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 2 + 2 * self.bias]
        return [cast(Tensor, getattr(self, f"{name}_{chain}")) for name in names]
