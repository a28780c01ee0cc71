"""Log-mel features: how loud a recording is, in bands of pitch that get wider upward, a hundred times a second.

The mel scale is m = 2595 log10(1 + f / 700), f in hertz, O'Shaughnessy's formula, which HTK and its successors use; the
triangular filters are those of Davis and Mermelstein (1980), IEEE Trans. ASSP 28, equally spaced on that scale.
Axes: n samples, t frames, w samples of a frame, f frequencies of its spectrum, m mel bands.
"""

import torch
from torch import Tensor

from dlbook._checks import axes

__all__ = ["frames", "hertz_to_mel", "log_mel", "mel_filters", "mel_to_hertz", "power_spectrum"]


def hertz_to_mel(frequency: Tensor) -> Tensor:
    """Return the pitch in mel of frequencies in hertz; 1,000 Hz are 1,000 mel.

    Examples
    --------
    >>> hertz_to_mel(torch.tensor([0.0, 1000.0, 4000.0])).round()
    tensor([   0., 1000., 2146.])
    """
    return 2595 * torch.log10(1 + frequency / 700)


def mel_to_hertz(pitch: Tensor) -> Tensor:
    """Undo :func:`hertz_to_mel`."""
    return 700 * (10 ** (pitch / 2595) - 1)


def frames(waveform: Tensor, size: int, step: int) -> Tensor:
    """Cut (..., n) into overlapping pieces (..., t, size), a new one every ``step`` samples; a rest is left out.

    Examples
    --------
    >>> frames(torch.arange(6), size=4, step=2)
    tensor([[0, 1, 2, 3],
            [2, 3, 4, 5]])
    """
    (n,) = axes("waveform", waveform, "... n")[-1:]
    if min(size, step) < 1 or n < size:
        raise ValueError(f"frames of {size} samples every {step} need sizes >= 1 and as long a waveform, found {n}")
    return waveform.unfold(-1, size, step)


def power_spectrum(pieces: Tensor) -> Tensor:
    """Return the squared magnitudes of the DFT (..., t, w // 2 + 1) of frames (..., t, w) under a Hann window.

    The window is 0.5 - 0.5 cos(2πi / w).

    Examples
    --------
    >>> power_spectrum(torch.ones(1, 4))  # the window sums to 2; one half of that leaks to the next frequency
    tensor([[4., 1., 0.]])
    """
    (w,) = axes("pieces", pieces, "... t w")[-1:]
    window = torch.hann_window(w, dtype=pieces.dtype, device=pieces.device)
    return torch.fft.rfft(pieces * window).abs().square()


def mel_filters(
    bands: int, size: int, rate: float, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """Return the weights (m, size // 2 + 1) with which each mel band collects the frequencies of a spectrum.

    A band is a triangle of height one: it rises from the middle of the band below to its own middle and falls to the
    middle of the one above. The middles are equally spaced in mel between 0 and half of the sample rate. Where bands
    are narrower than the spacing of the frequencies, ``rate / size``, some collect nothing.

    Parameters
    ----------
    bands : int
    size : int
        Samples of a frame.
    rate : float
        Samples a second.
    device, dtype : optional

    Examples
    --------
    >>> mel_filters(2, 8, 8000.0)  # middles at 621 and 1,792 Hz; frequencies 0, 1000, ..., 4000 Hz
    tensor([[0.0000, 0.6759, 0.0000, 0.0000, 0.0000],
            [0.0000, 0.3241, 0.9055, 0.4528, 0.0000]])
    """
    if bands < 1 or size < 2 or rate <= 0:
        raise ValueError(f"bands and rate are positive and size at least 2, found {bands}, {rate} and {size}")
    exact = torch.float64  # the last band's upper end is half of the rate, also after rounding
    top = hertz_to_mel(torch.tensor(rate / 2, dtype=exact))
    ends = mel_to_hertz(torch.linspace(0, 1, bands + 2, dtype=exact) * top)
    frequency = torch.arange(size // 2 + 1, dtype=exact) * rate / size
    low, middle, high = (ends[i : i + bands, None] for i in range(3))
    triangles = torch.minimum((frequency - low) / (middle - low), (high - frequency) / (high - middle))
    return triangles.clamp(min=0).to(device=device, dtype=dtype or torch.get_default_dtype())


def log_mel(
    waveform: Tensor, *, rate: float = 8000.0, size: int = 256, step: int = 80, bands: int = 40, floor: float = 1e-6
) -> Tensor:
    """Return features (..., t, bands): the logarithm of the power in each mel band, natural, ``floor`` added before.

    Parameters
    ----------
    waveform : (..., n)
        Floats between -1 and 1; divide int16 samples by 32,768 first.
    rate : float
        Samples a second.
    size, step : int
        Samples of a frame, and from one frame to the next; 256 and 80 are 32 and 10 milliseconds at 8,000 a second.
    bands : int
    floor : float
        What the quietest band counts, so that silence has a logarithm.

    Examples
    --------
    >>> tone = torch.sin(2 * torch.pi * 1000 * torch.arange(800) / 8000)
    >>> features = log_mel(tone)
    >>> features.shape, int(features[0].argmax())  # the 19th of 40 bands, 994 Hz
    (torch.Size([7, 40]), 18)
    """
    if not waveform.is_floating_point():
        raise ValueError(f"a waveform is floats in [-1, 1], found {waveform.dtype}: divide int16 by 32768")
    if not floor >= 0:
        raise ValueError(f"floor is at least 0, or a power below it has no logarithm, found {floor}")
    spectrum = power_spectrum(frames(waveform, size, step))
    filters = mel_filters(bands, size, rate, device=waveform.device, dtype=waveform.dtype)
    return (spectrum @ filters.T + floor).log()
