"""Adversarial networks: what knows the answer independently (a closed form, another library, finite differences, a law)."""

import torch

from dlbook.generative.gan import double


def test_one_case_worked_by_hand():
    assert torch.equal(double(torch.tensor([1.0, 2.0])), torch.tensor([2.0, 4.0]))
