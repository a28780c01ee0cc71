"""Codes of positions against the formula of the paper, and shifts against the addition theorems."""

import math

import pytest
import torch
from torch.testing import assert_close

from common import F64
from dlbook.sequences.positions import frequencies, shift_matrix, sinusoids

EXACT = {"rtol": 0, "atol": 1e-12}


def test_every_entry_is_the_papers_formula():
    codes = sinusoids(13, 10, dtype=F64)
    for pos in range(13):
        for i in range(5):
            angle = pos / 10_000 ** (2 * i / 10)
            assert_close(codes[pos, 2 * i].item(), math.sin(angle), **EXACT)
            assert_close(codes[pos, 2 * i + 1].item(), math.cos(angle), **EXACT)


def test_wavelengths_rise_from_two_pi_towards_base_times_that():
    waves = 2 * math.pi / frequencies(512)
    assert waves[0].item() == pytest.approx(2 * math.pi)
    assert waves[-1].item() == pytest.approx(2 * math.pi * 10_000 ** (510 / 512))
    assert_close(frequencies(6, base=8), torch.tensor([1, 0.5, 0.25], dtype=F64), **EXACT)


@pytest.mark.parametrize("shift", [0, 1, 7, -3])
def test_a_shift_turns_each_pair_of_features(shift):
    turn = shift_matrix(shift, 6)
    codes = sinusoids(19, 6, dtype=F64)
    places = range(max(0, -shift), 19 - max(0, shift))
    for t in places:
        assert_close(turn @ codes[t], codes[t + shift], **EXACT)
    assert_close(turn @ turn.T, torch.eye(6, dtype=F64), **EXACT)  # a rotation: lengths stay
    assert torch.linalg.det(turn).item() == pytest.approx(1)
    blocks = torch.block_diag(*torch.ones(3, 2, 2, dtype=torch.bool))
    assert not turn[~blocks].any()


def test_shifts_add_up():
    assert_close(shift_matrix(3, 6) @ shift_matrix(4, 6), shift_matrix(7, 6), **EXACT)


def test_products_of_codes_depend_on_the_distance_alone():
    codes = sinusoids(23, 8, dtype=F64)
    gram = codes @ codes.T
    for distance in range(23):
        diagonal = gram.diagonal(distance)
        assert_close(diagonal, torch.full_like(diagonal, frequencies(8).mul(distance).cos().sum().item()), **EXACT)


def test_device_and_dtype_are_those_asked_for():
    assert sinusoids(3, 4, device="meta").is_meta
    assert shift_matrix(1, 4, device="meta").is_meta
    assert sinusoids(3, 4, dtype=torch.bfloat16).dtype == torch.bfloat16
    assert sinusoids(3, 4).dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sinusoids(3, 5), "d_model is even and at least 2, found 5"),
        (lambda: sinusoids(0, 4), "at least one position, found length = 0"),
        (lambda: shift_matrix(1, 0), "found 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
