"""Log-mel features against sums over sines and cosines, the published formula, and pure tones."""

import math

import pytest
import torch
from torch.testing import assert_close

from common import F64, noise
from dlbook.data import SAMPLE_RATE, speech_prompts
from dlbook.sequences.mel import frames, hertz_to_mel, log_mel, mel_filters, mel_to_hertz, power_spectrum


def by_sums(x, rate, size, step, bands, floor):
    """Window, transform and collect with loops, from the definitions."""
    n_frames = (len(x) - size) // step + 1
    mel = [2595 * math.log10(1 + rate / 2 / 700) * i / (bands + 1) for i in range(bands + 2)]
    ends = [700 * (10 ** (m / 2595) - 1) for m in mel]
    out = torch.zeros(n_frames, bands, dtype=F64)
    for t in range(n_frames):
        piece = [float(x[t * step + i]) * (0.5 - 0.5 * math.cos(2 * math.pi * i / size)) for i in range(size)]
        power = []
        for k in range(size // 2 + 1):
            real = sum(p * math.cos(2 * math.pi * k * i / size) for i, p in enumerate(piece))
            imaginary = sum(p * math.sin(2 * math.pi * k * i / size) for i, p in enumerate(piece))
            power.append(real**2 + imaginary**2)
        for m in range(bands):
            low, middle, high = ends[m : m + 3]
            total = 0.0
            for k, p in enumerate(power):
                f = k * rate / size
                if low < f <= middle:
                    total += p * (f - low) / (middle - low)
                elif middle < f < high:
                    total += p * (high - f) / (high - middle)
            out[t, m] = math.log(total + floor)
    return out


@pytest.mark.parametrize(("size", "step"), [(32, 11), (37, 37)])
def test_matches_sums_from_the_definition(size, step):
    x = noise(131)
    found = log_mel(x, rate=5003.0, size=size, step=step, bands=7, floor=1e-3)
    assert_close(found, by_sums(x, 5003.0, size, step, 7, 1e-3), rtol=1e-10, atol=1e-10)


def test_matches_sums_on_speech():
    waveform = speech_prompts()[0][0][2000:2600].double() / 32768
    found = log_mel(waveform, size=64, step=53, bands=11)
    assert_close(found, by_sums(waveform, 8000, 64, 53, 11, 1e-6), rtol=1e-9, atol=1e-9)


def test_the_scale_is_the_published_one_and_inverts():
    f = torch.tensor([0.0, 700.0, 1000.0, 6300.0], dtype=F64)
    assert_close(hertz_to_mel(f)[[0, 1, 3]], torch.tensor([0, 2595 * math.log10(2), 2595.0], dtype=F64))
    assert abs(hertz_to_mel(f)[2] - 1000) < 0.05
    assert_close(mel_to_hertz(hertz_to_mel(f)), f, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 2500.0])
def test_a_tone_is_loudest_in_its_band(frequency):
    tone = torch.sin(2 * torch.pi * frequency * torch.arange(1600, dtype=F64) / SAMPLE_RATE)
    features = log_mel(tone, bands=29)
    middles = mel_to_hertz(hertz_to_mel(torch.tensor(4000.0, dtype=F64)) * torch.arange(1, 30) / 30)
    assert (features.argmax(-1) == (middles - frequency).abs().argmin()).all()


def test_twice_as_loud_adds_one_number_everywhere():
    x = noise(997)
    assert_close(log_mel(2 * x, floor=0.0), log_mel(x, floor=0.0) + math.log(4), rtol=1e-12, atol=1e-12)


def test_power_is_that_of_the_windowed_signal():
    # Parseval: the sum over all frequencies is the length times the sum of squares
    pieces = noise(3, 5, 16)
    window = torch.tensor([0.5 - 0.5 * math.cos(2 * math.pi * i / 16) for i in range(16)], dtype=F64)
    power = power_spectrum(pieces)
    both_sides = 2 * power.sum(-1) - power[..., 0] - power[..., -1]
    assert_close(both_sides, 16 * (pieces * window).square().sum(-1))


def test_neighboring_filters_share_a_frequency_and_add_up_to_one():
    filters = mel_filters(11, 512, 8000.0, dtype=F64)
    middles = mel_to_hertz(hertz_to_mel(torch.tensor(4000.0, dtype=F64)) * torch.arange(1, 12) / 12)
    between = (torch.arange(257) * 8000 / 512 > middles[0]) & (torch.arange(257) * 8000 / 512 < middles[-1])
    assert_close(filters.sum(0)[between], torch.ones(int(between.sum()), dtype=F64))
    assert filters.min() == 0


def test_frames_overlap_and_leave_a_rest_out():
    assert torch.equal(frames(torch.arange(2 * 11).view(2, 11), 5, 3)[1, :, 0], torch.tensor([11, 14, 17]))
    assert frames(torch.arange(11), 5, 3).shape == (3, 5)


def test_composes_with_torch():
    x = noise(2, 700, dtype=torch.float32)
    wanted = log_mel(x)
    assert_close(torch.compile(log_mel, fullgraph=True, backend="eager")(x), wanted)
    assert_close(torch.func.vmap(log_mel)(x), wanted)
    assert log_mel(x.to("meta")).shape == wanted.shape == (2, 6, 40)
    assert log_mel(x).dtype == torch.float32
    assert mel_filters(3, 16, 8000.0, dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_mel(speech_prompts()[0][0]), "found torch.int16: divide int16 by 32768"),
        (lambda: log_mel(torch.zeros(100)), "frames of 256 samples every 80 .* found 100"),
        (lambda: frames(torch.zeros(9), 3, 0), "every 0"),
        (lambda: mel_filters(0, 16, 8000.0), "found 0, 8000.0 and 16"),
        (lambda: log_mel(torch.zeros(300), floor=-1e-6), "floor is at least 0.*found -1e-06"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
