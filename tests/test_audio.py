"""Sound on the page, read back by the standard library's and SciPy's readers."""

import base64
import io
import re
import wave

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from common import noise
from dlbook.audio import Players, wav


def test_scipy_reads_back_what_was_written():
    sound = noise(37).clamp(-2, 2) / 2
    rate, samples = wavfile.read(io.BytesIO(wav(sound, rate=11025)))
    assert rate == 11025
    assert samples.dtype == np.int16
    assert np.abs(samples / 32767 - sound.numpy()).max() <= 0.5 / 32767 + 1e-12


def test_what_is_too_loud_is_clipped_not_wrapped():
    with wave.open(io.BytesIO(wav(torch.tensor([3.0, -3.0])))) as file:
        assert file.getparams()[:3] == (1, 2, 8000)
        assert np.frombuffer(file.readframes(2), "<i2").tolist() == [32767, -32767]


def test_a_player_has_its_label_and_its_sound_and_fetches_nothing():
    players = Players({'she says "yes" & no': torch.zeros(6000), "b": torch.ones(8)}, rate=4000)
    shown = players._repr_html_()
    assert shown.count("<audio controls") == 2
    assert 'aria-label="she says &quot;yes&quot; &amp; no"' in shown
    assert "http" not in shown
    assert "autoplay" not in shown
    sounds = [base64.b64decode(data) for data in re.findall(r'src="data:audio/wav;base64,([^"]*)"', shown)]
    assert sounds == [wav(torch.zeros(6000), rate=4000), wav(torch.ones(8), rate=4000)]
    assert repr(players).splitlines()[0] == 'she says "yes" & no: 1.5 s of sound'


def test_half_precision_and_gradients_are_sound_too_and_an_empty_sound_is_a_header():
    sound = torch.tensor([0.5, -1.0], requires_grad=True)
    assert wav(sound) == wav(sound.detach()) == wav(sound.bfloat16())
    assert len(wav(torch.zeros(0))) == 44


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (torch.zeros(2, 3), r"waveform is \(t,\), found shape \(2, 3\)"),
        (torch.zeros(3).short(), "floats in .*int16: divide int16 by 32767"),
        (torch.tensor([0.0, torch.nan]), "holds NaN"),
    ],
)
def test_bad_sound_is_named(sound, message):
    with pytest.raises(ValueError, match=message):
        wav(sound)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wav(torch.zeros(3), rate=0), "rate is at least 1, found 0"),
        (lambda: Players({"a": torch.zeros(3)}, rate=0), "rate is at least 1, found 0"),
        (lambda: Players({"a": torch.zeros(1, 8000)}), r"sound 'a' is \(t,\), found shape \(1, 8000\)"),
    ],
)
def test_what_cannot_be_played_is_named_before_it_is_shown(call, message):
    with pytest.raises(ValueError, match=message):
        call()
