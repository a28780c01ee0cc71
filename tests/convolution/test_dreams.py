# ruff: noqa: E731 (a question is a lambda, as on the page)
"""Deep Dream against loops, its monotone score and closed forms."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook.convolution.dreams import deep_dream, total_variation


def net(*layers, seed=0):
    model = nn.Sequential(*layers).to(F64)
    generator = stream(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=F64))
    return model.eval()


def test_total_variation_by_hand():
    x = torch.tensor([[[[0.0, 2.0, 3.0], [1.0, 2.0, 7.0]]], [[[5.0] * 3] * 2]])
    # down: 1, 0, 4: mean 5/3; across: 2, 1, 1, 5: mean 9/4
    assert_close(total_variation(x), torch.tensor([5 / 3 + 9 / 4, 0.0]))


def test_dreams_rise_at_every_step_of_every_octave():
    model = net(nn.Conv2d(2, 7, 3), nn.ReLU(), nn.Conv2d(7, 5, 3))
    f = lambda x: model(x).square().mean(dim=(1, 2, 3))
    x = 0.3 * noise(1, 2, 17, 23).clamp(-3, 3)
    dream = deep_dream(f, x, octaves=3, steps=7, step_size=0.3)
    assert [len(numbers) for numbers in dream.objective] == [8] * 3
    for numbers in dream.objective:
        assert all(later >= earlier for earlier, later in pairwise(numbers))
        assert numbers[-1] > 1.5 * numbers[0]
    assert dream.image.shape == x.shape
    assert dream.objective[-1][-1] == f(dream.image).item()
    assert -1 <= dream.image.min() <= dream.image.max() <= 1


def test_a_step_that_overshoots_is_halved():
    # |x| from 0.3 by steps of 1 leads to 0.7, no better; half of it to 0.2, better
    x = torch.full((1, 1, 3, 3), 0.3)
    f = lambda x: -x.abs().mean(dim=(1, 2, 3))
    for halvings, end in ((0, 0.3), (1, 0.2), (5, 0.2)):
        dream = deep_dream(f, x, octaves=1, steps=1, step_size=1.0, halvings=halvings)
        assert_close(dream.image, torch.full((1, 1, 3, 3), 1.0).sign() * (end if end == 0.3 else -end))
        assert dream.objective == [pytest.approx([-0.3, -end])]


def test_a_linear_question_is_answered_by_steps_of_known_length():
    weights = torch.tensor([[1.0, -3.0], [2.0, 0.0]])  # mean absolute value 1.5
    dream = deep_dream(
        lambda x: (x * weights).sum(dim=(1, 2, 3)), torch.zeros(1, 1, 2, 2), octaves=1, steps=2, step_size=0.3
    )
    assert_close(dream.image[0, 0], 2 * 0.3 * weights / 1.5 * torch.tensor([[1.0, 1 / 1.2], [1.0, 1.0]]))


def test_octaves_grow_by_the_scale_and_nothing_is_added_without_steps():
    sizes = []

    def f(x):
        sizes.append(tuple(x.shape[-2:]))
        return x.mean(dim=(1, 2, 3))

    x = noise(1, 3, 40, 60).clamp(-1, 1)
    dream = deep_dream(f, x, octaves=3, scale=2.0, steps=0)
    assert torch.equal(dream.image, x)
    assert sizes == [(10, 15), (20, 30), (40, 60)]


def test_what_a_small_octave_adds_arrives_in_the_large_one():
    # the question is answered at the smallest size only: the dream is the image plus what was added there
    f = lambda x: x.mean(dim=(1, 2, 3)) * (1.0 if x.shape[-1] == 10 else 0.0)
    x = 0.2 * noise(1, 1, 20, 20).clamp(-2, 2)
    dream = deep_dream(f, x, octaves=2, scale=2.0, steps=3, step_size=0.1)
    assert_close(dream.image, (x + 0.3).clamp(-1, 1), atol=1e-6, rtol=0)


IMAGE = torch.zeros(1, 1, 5, 5)


MEAN = lambda x: x.mean(dim=(1, 2, 3))


@pytest.mark.parametrize(
    "options", [{"octaves": 0}, {"steps": -1}, {"scale": 1.0}, {"step_size": 0.0}, {"halvings": -1}]
)
def test_deep_dream_rejects_numbers_out_of_range(options):
    with pytest.raises(ValueError, match="octaves >= 1"):
        deep_dream(MEAN, IMAGE, **options)


def test_deep_dream_rejects_pixels_outside_the_bounds():
    deep_dream(MEAN, IMAGE + 1.175, bounds=(-0.1, 1.175), steps=0)  # a float32 slightly above the number
    with pytest.raises(ValueError, match=r"inside \(0, 1\), found -0.5 to -0.5"):
        deep_dream(MEAN, IMAGE - 0.5, bounds=(0, 1))
