"""Speech: the law of companding, and the lengths that its provenance gives."""

import numpy as np
import pytest
import torch

from dlbook.data import SAMPLE_RATE, speech_prompts
from dlbook.data.speech import mu_law_expand


def test_mu_law_is_odd_monotone_and_ends_at_full_scale():
    codes = np.arange(256, dtype=np.uint8)
    samples = mu_law_expand(codes).astype(int)
    assert (np.diff(samples) > 0).all()
    assert (samples == -samples[::-1]).all()
    assert samples[-1] == 32_767


def test_mu_law_undoes_the_companding_formula():
    # F(x) = sign(x) ln(1 + 255 |x|) / ln 256, the companding law, in 256 codes
    x = np.linspace(-1, 1, 101)
    codes = np.round((np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256) + 1) * 127.5).astype(np.uint8)
    error = np.abs(mu_law_expand(codes) / 32_767 - x)
    assert (error <= 0.023 * np.abs(x) + 1e-4).all()  # a code is 1/127.5 wide: ln(256) / 255 of the value, at most


def test_mu_law_refuses_wider_codes():
    with pytest.raises(ValueError, match="uint8, found int64"):
        mu_law_expand(np.arange(3))


def test_prompts_have_the_recorded_count_and_length():
    prompts = speech_prompts()
    assert len(prompts) == 456
    assert all(waveform.dtype == torch.int16 and waveform.ndim == 1 for waveform, _ in prompts)
    minutes = sum(len(waveform) for waveform, _ in prompts) / SAMPLE_RATE / 60
    assert minutes == pytest.approx(11.2, abs=0.05)
    assert max(len(waveform) for waveform, _ in prompts) <= 3.5 * SAMPLE_RATE
    assert all(transcript.strip() for _, transcript in prompts)


def test_speech_is_louder_than_the_pause_before_it():
    waveform, _ = speech_prompts()[0]
    assert waveform.abs().max() > 20 * waveform[:100].abs().float().mean()
