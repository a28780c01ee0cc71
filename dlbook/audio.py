"""Sound that can be played on the page: WAV bytes, and a labelled player that fetches nothing."""

import base64
import html
import io
import wave
from collections.abc import Mapping

import torch
from torch import Tensor

from dlbook._checks import axes

__all__ = ["Players", "wav"]


def wav(waveform: Tensor, *, rate: int = 8000) -> bytes:
    """Return a WAV file, 16 bits and one channel, of amplitudes (t,) in [-1, 1], which are clipped to it.

    Examples
    --------
    >>> wav(torch.zeros(4))[:4], len(wav(torch.zeros(4)))
    (b'RIFF', 52)
    """
    axes("waveform", waveform, "t")
    _check_rate(rate)
    if not waveform.is_floating_point():
        raise ValueError(f"amplitudes are floats in [-1, 1], found {waveform.dtype}: divide int16 by 32767")
    if waveform.isnan().any():
        raise ValueError("waveform holds NaN, which is no amplitude")
    samples = (waveform.detach().cpu().double().clamp(-1, 1) * 32767).round().to(torch.int16)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.numpy().astype("<i2").tobytes())
    return file.getvalue()


class Players:
    """A player for each sound, under its name; shown when it is the last value of a cell.

    Parameters
    ----------
    sounds : mapping of str to Tensor
        What is heard, in words that serve a reader who cannot hear it, and the amplitudes (t,) in [-1, 1].
    rate : int
        Samples a second.

    Examples
    --------
    >>> Players({"silence, one second": torch.zeros(8000)})
    silence, one second: 1.0 s of sound
    """

    def __init__(self, sounds: Mapping[str, Tensor], *, rate: int = 8000) -> None:
        _check_rate(rate)
        for name, sound in sounds.items():
            axes(f"sound {name!r}", sound, "t")
        self.sounds, self.rate = dict(sounds), rate

    def __repr__(self) -> str:
        """Name the sounds where nothing can be played."""
        return "\n".join(f"{name}: {len(sound) / self.rate:.1f} s of sound" for name, sound in self.sounds.items())

    def _repr_html_(self) -> str:
        rows = []
        for name, sound in self.sounds.items():
            data = base64.b64encode(wav(sound, rate=self.rate)).decode("ascii")
            label = html.escape(name, quote=True)
            rows.append(
                f'<p>{label}<br><audio controls preload="metadata" aria-label="{label}" '
                f'src="data:audio/wav;base64,{data}"></audio></p>'
            )
        return f'<div class="players">{"".join(rows)}</div>'


def _check_rate(rate: int) -> None:
    if rate < 1:
        raise ValueError(f"rate is at least 1, found {rate}")
