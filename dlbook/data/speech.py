"""Recorded speech: 456 short English telephone prompts by one speaker, with transcripts."""

import numpy as np
import torch
from torch import Tensor

from dlbook._files import member

__all__ = ["SAMPLE_RATE", "mu_law_expand", "speech_prompts"]

SAMPLE_RATE = 8000  # samples a second
_FILE = "speech_8khz_mulaw.npz"


def mu_law_expand(codes: np.ndarray) -> np.ndarray:
    """Undo mu-law companding with mu = 255: codes uint8 (n,), 0 to 255, become samples int16 (n,).

    With x = 2 code / 255 - 1 the sample is sign(x) ((1 + mu)^|x| - 1) / mu, scaled to 16 bits (the continuous form of
    ITU-T G.711's law).

    Raises
    ------
    ValueError
        If ``codes`` is not uint8: wider codes would be read on the wrong scale.

    Examples
    --------
    >>> mu_law_expand(np.array([0, 255], dtype=np.uint8))
    array([-32767,  32767], dtype=int16)
    """
    if codes.dtype != np.uint8:
        raise ValueError(f"mu-law codes are uint8, found {codes.dtype}")
    x = codes.astype(np.float64) / 127.5 - 1
    return np.round(np.sign(x) * (256.0 ** np.abs(x) - 1) / 255 * 32767).astype(np.int16)


def speech_prompts() -> list[tuple[Tensor, str]]:
    """Return 456 telephone prompts spoken by Allison Smith, up to 3.5 s each, 11.2 minutes together.

    Returns
    -------
    list of (waveform, transcript)
        ``waveform`` int16 (samples,) at 8,000 samples a second, ``transcript`` str.

    Raises
    ------
    DamagedFileError
        If the packed file is not the one that was shipped.

    Examples
    --------
    >>> waveform, transcript = speech_prompts()[0]
    >>> waveform.dtype
    torch.int16
    """
    samples = torch.from_numpy(mu_law_expand(np.asarray(member(_FILE, "samples"))))
    transcripts = np.asarray(member(_FILE, "transcripts")).tobytes().decode("utf8").split("\n")
    ends = [int(end) for end in member(_FILE, "ends")]
    waveforms = [samples[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return list(zip(waveforms, transcripts, strict=True))
