"""Mu-law codes against the packed file's decoder, the bound on their error, and the law itself."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from common import F64, noise
from dlbook.data import speech_prompts
from dlbook.data.speech import mu_law_expand
from dlbook.generative.mu_law import code_edges, compress, decode, encode, expand

CODES = torch.arange(256)


def test_decodes_as_the_packed_recordings_are_decoded():
    theirs = mu_law_expand(np.arange(256, dtype=np.uint8))
    assert ((decode(CODES, dtype=F64) * 32767).round().short().numpy() == theirs).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, F64])
def test_every_code_comes_back(dtype):
    assert decode(CODES, dtype=dtype).dtype == dtype
    assert torch.equal(encode(decode(CODES, dtype=dtype)), CODES)


def test_recorded_speech_comes_back_sample_by_sample():
    waveform = speech_prompts()[0][0]
    again = (decode(encode(waveform.double() / 32767), dtype=F64) * 32767).round().short()
    assert torch.equal(again, waveform)


def test_compression_by_hand():
    # 255 x = 15: ln 16 / ln 256 = 1/2; 255 x = 3: ln 4 / ln 256 = 1/4
    assert_close(compress(torch.tensor([15 / 255, -3 / 255], dtype=F64)), torch.tensor([0.5, -0.25], dtype=F64))
    assert_close(expand(torch.tensor([0.5, -0.25], dtype=F64)), torch.tensor([15 / 255, -3 / 255], dtype=F64))


def test_expansion_undoes_compression():
    x = torch.linspace(-1, 1, 1001, dtype=F64)
    assert_close(expand(compress(x)), x, rtol=1e-12, atol=1e-15)


def test_the_error_obeys_the_proved_bound_and_reaches_it():
    x = torch.linspace(-1, 1, 200_001, dtype=F64)
    bound = (256 ** (1 / 255) - 1) * (x.abs() + 1 / 255)
    ratio = (decode(encode(x), dtype=F64) - x).abs() / bound
    assert ratio.max() <= 1 + 1e-9
    assert ratio.max() > 0.99


def test_codes_change_at_the_edges():
    edges = code_edges(dtype=F64)
    assert torch.equal(encode(edges - 1e-9), CODES[:-1])
    assert torch.equal(encode(edges + 1e-9), CODES[1:])
    assert edges[127].abs() < 1e-15
    assert math.isclose(-edges[0].item(), edges[-1].item())


def test_what_is_too_loud_gets_the_last_codes_and_shapes_stay():
    assert encode(torch.tensor([[7.0, -7.0, math.inf]])).tolist() == [[255, 0, 255]]
    assert encode(torch.zeros(2, 0, 3)).shape == (2, 0, 3)
    assert decode(CODES.to(torch.uint8)).dtype == torch.get_default_dtype()


def test_works_under_compile_and_vmap():
    x = noise(3, 5).clamp(-1, 1)
    wanted = encode(x)
    assert torch.equal(torch.compile(encode, fullgraph=True, backend="eager")(x), wanted)
    assert torch.equal(torch.func.vmap(encode)(x), wanted)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode(torch.zeros(3, dtype=torch.int16)), "floats in .*int16: divide int16 by 32767"),
        (lambda: decode(torch.zeros(3)), "codes are integers, found torch.float32"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_edges_in_half_precision_are_rounded_once(dtype):
    assert torch.equal(code_edges(dtype=dtype), code_edges().to(dtype))
