"""A small Deep Speech 2: Amodei et al. (2015), arXiv:1512.02595, Section 3, trained with CTC.

Convolutions in time, clipped rectifiers, bidirectional recurrent layers of gated units with sequence-wise batch
normalization, a linear layer; and SortaGrad, the paper's order of training. Theirs had up to eleven layers.
Axes: b recordings, t frames, m features, c channels, h units, v labels and the blank.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import uniform_

__all__ = ["BidirectionalGRU", "DeepSpeech", "SequenceNorm", "clipped_relu", "sorta_grad"]


def clipped_relu(x: Tensor) -> Tensor:
    """Return min(max(x, 0), 20), the paper's nonlinearity.

    Examples
    --------
    >>> clipped_relu(torch.tensor([-1.0, 3.0, 30.0]))
    tensor([ 0.,  3., 20.])
    """
    return x.clamp(0, 20)


class SequenceNorm(nn.Module):
    """Batch normalization over all frames of all recordings of a batch, those behind an end left out.

    Arguments, parameters, running mean and variance and, on a batch without padding, the numbers of ``nn.BatchNorm1d``,
    but no count of the batches seen.

    Parameters
    ----------
    size : int
    eps, momentum : float
    device, dtype : optional

    Examples
    --------
    >>> SequenceNorm(1)(torch.tensor([[[1.0], [3.0], [7.0]]]), torch.tensor([[[True], [True], [False]]])).flatten()[:2]
    tensor([-1.0000,  1.0000], grad_fn=<SliceBackward0>)
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        size: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size, self.eps, self.momentum = size, eps, momentum
        self.weight = nn.Parameter(torch.ones(size, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(size, device=device, dtype=dtype))
        self.register_buffer("running_mean", torch.zeros(size, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.ones(size, device=device, dtype=dtype))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize (b, t, c); ``mask``, bool (b, t, 1), is True at frames that count."""
        b, t, _ = axes("x", x, "b t c", c=self.size)
        if not self.training:
            mean, var = self.running_mean, self.running_var
        else:
            if mask is None:
                mask = x.new_ones(b, t, 1)
            axes("mask", mask, "b t 1", b=b, t=t)
            count = mask.sum().to(x.dtype)
            mean = (x * mask).sum(dim=(0, 1)) / count
            var = ((x - mean) * mask).square().sum(dim=(0, 1)) / count
            with torch.no_grad():
                unbiased = var * count / (count - 1).clamp(min=1)
                self.running_mean = torch.lerp(self.running_mean, mean, self.momentum)
                self.running_var = torch.lerp(self.running_var, unbiased, self.momentum)
        return (x - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias


class BidirectionalGRU(nn.Module):
    """Gated units that read in both directions, the sum of whose states goes on, normalized as the paper has it.

    Only what comes from below is normalized, B(W x), over all frames of the batch, and not what comes from the state
    before, U h. The direction that reads backward begins at the end of each recording, not at that of its padding.

    Parameters
    ----------
    input_size, hidden_size : int
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> BidirectionalGRU(3, 5)(torch.zeros(2, 7, 3)).shape
    torch.Size([2, 7, 5])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        place = {"device": device, "dtype": dtype}
        self.weight_ih = nn.Parameter(torch.empty(2, 3 * hidden_size, input_size, **place))  # type: ignore[arg-type]
        self.weight_hh = nn.Parameter(torch.empty(2, 3 * hidden_size, hidden_size, **place))  # type: ignore[arg-type]
        for parameter in self.parameters():
            uniform_(parameter, hidden_size**-0.5, generator)
        self.norms = nn.ModuleList(SequenceNorm(3 * hidden_size, device=device, dtype=dtype) for _ in range(2))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map (b, t, d) to the sums of both states (b, t, h), zero behind the ends that ``lengths`` (b,) gives."""
        b, t, _ = axes("x", x, "b t d", d=self.input_size, least=1)
        places, mask = _places(b, t, lengths, x)
        h = self.hidden_size
        turned = x.gather(1, places[..., None].expand_as(x))
        drives = [norm(F.linear((x, turned)[i], self.weight_ih[i]), mask) for i, norm in enumerate(self.norms)]
        state, states = x.new_zeros(2, b, h), []
        weight = self.weight_hh.mT.contiguous()
        of_gates, of_candidate = torch.stack(drives).split([2 * h, h], dim=-1)
        for gates, candidate in zip(of_gates.unbind(2), of_candidate.unbind(2), strict=True):
            # torch's form of the unit, see gru.step, for both directions at once
            to_gates, to_candidate = torch.bmm(state, weight).split([2 * h, h], dim=-1)
            r, z = (gates + to_gates).sigmoid().chunk(2, dim=-1)
            state = torch.lerp(torch.tanh(torch.addcmul(candidate, r, to_candidate)), state, z)
            states.append(state)
        forward, backward = torch.stack(states, dim=2)
        backward = backward.gather(1, places[..., None].expand_as(backward))
        return (forward + backward) * mask


class DeepSpeech(nn.Module):
    """Convolutions in time that thin out the frames, bidirectional gated layers, and scores of the labels.

    Parameters
    ----------
    features, labels : int
        The blank counts as a label.
    channels, hidden_size, num_layers : int
        No layer is recurrent if ``num_layers`` is zero.
    kernel : int
        Frames that a convolution sees.
    strides : sequence of int
        Of the convolutions, one for each.
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> model = DeepSpeech(40, 11)
    >>> scores, lengths = model(torch.zeros(2, 100, 40), torch.tensor([100, 57]))
    >>> scores.shape, lengths
    (torch.Size([2, 25, 11]), tensor([25, 15]))
    """

    def __init__(
        self,
        features: int,
        labels: int,
        *,
        channels: int = 48,
        hidden_size: int = 48,
        num_layers: int = 1,
        kernel: int = 7,
        strides: Sequence[int] = (2, 2),
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0 or min(features, labels, channels, hidden_size, kernel, *strides) < 1 or num_layers < 0:
            raise ValueError(
                f"sizes and strides are at least 1 and kernel is odd, found {features}, {labels}, {channels}, "
                f"{hidden_size}, {kernel}, strides {tuple(strides)} and {num_layers} layers"
            )
        place = {"device": device, "dtype": dtype}
        below = [features, *[channels] * (len(strides) - 1)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(d, channels, kernel, stride, kernel // 2, bias=False, **place)  # type: ignore[arg-type]
            for d, stride in zip(below, strides, strict=True)
        )
        self.norms = nn.ModuleList(SequenceNorm(channels, device=device, dtype=dtype) for _ in below)
        self.recurrent = nn.ModuleList(
            BidirectionalGRU(d, hidden_size, generator=generator, device=device, dtype=dtype)
            for d in [channels, *[hidden_size] * (num_layers - 1)][:num_layers]
        )
        self.scores = nn.Linear(hidden_size if num_layers else channels, labels, device=device, dtype=dtype)
        for layer in [*self.convolutions, self.scores]:
            for parameter in layer.parameters():
                fan_in = layer.weight[0].numel()
                uniform_(parameter, fan_in**-0.5, generator)
        self.features, self.strides = features, tuple(strides)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map features (b, t, m) to scores (b, s, v), and how many frames there are, (b,), to how many scores.

        Each convolution leaves one of ``stride`` frames, rounded up.
        """
        b, t, _ = axes("x", x, "b t m", m=self.features, least=1)
        if lengths is None:
            lengths = torch.full((b,), t, dtype=torch.int64, device=x.device)
        axes("lengths", lengths, "b", b=b)
        _check_lengths(lengths, t)
        x = x * _places(b, t, lengths, x)[1]
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            x = convolution(x.mT).mT
            lengths = (lengths + self.strides[i] - 1) // self.strides[i]
            mask = _places(b, x.shape[1], lengths, x)[1]
            x = clipped_relu(norm(x, mask)) * mask
        for layer in self.recurrent:
            x = layer(x, lengths)
        return self.scores(x), lengths


def _check_lengths(lengths: Tensor, t: int) -> None:
    """Refuse lengths that no recording of t frames has, where looking at values costs nothing."""
    if torch.compiler.is_compiling() or lengths.device.type != "cpu":
        return  # to read values here would break the graph or wait for the device
    try:
        wrong = bool(((lengths < 1) | (lengths > t)).any())
    except RuntimeError:  # inside vmap lengths have no values
        return
    if wrong:
        raise ValueError(f"lengths are 1 to {t}, the frames of x, found {lengths.tolist()}")


def _places(b: int, t: int, lengths: Tensor | None, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return places (b, t) that turn each recording around, and which frames count, (b, t, 1)."""
    places = torch.arange(t, device=x.device).expand(b, t)
    if lengths is None:
        return places.flip(1), torch.ones(b, t, 1, dtype=torch.bool, device=x.device)
    turned = lengths[:, None] - 1 - places
    return torch.where(turned >= 0, turned, places), (turned >= 0)[..., None]


def sorta_grad(lengths: Sequence[int], size: int, *, epoch: int, generator: Generator) -> list[list[int]]:
    """Return the batches of an epoch, as numbers of recordings: of like length each, and the shortest first in epoch 0.

    Later epochs take the same batches in a random order (SortaGrad, Section 3.3 of the paper).

    Parameters
    ----------
    lengths : n ints
    size : int
        Recordings a batch; the last batch may be smaller.
    epoch : int
    generator : torch.Generator
        Not used in epoch 0.

    Examples
    --------
    >>> sorta_grad([7, 2, 5, 3, 11], 2, epoch=0, generator=torch.Generator())
    [[1, 3], [2, 0], [4]]
    """
    if size < 1 or epoch < 0:
        raise ValueError(f"size is at least 1 and epoch at least 0, found {size} and {epoch}")
    by_length = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches = [by_length[i : i + size] for i in range(0, len(by_length), size)]
    if epoch == 0:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
