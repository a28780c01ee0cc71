"""The small DCGAN against the same layers written out in torch, the paper's rules, and laws of sampling."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, composes, noise, shaken, size, stream
from dlbook.generative.dcgan import DCGANDiscriminator, DCGANGenerator

SMALL = {"channels": 3, "side": 12, "image_channels": 2}


def normalized(x, norm):
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def test_the_generator_is_its_layers_written_out():
    model = shaken(DCGANGenerator(latent=5, **SMALL, generator=stream())).eval()
    z = noise(7, 5)
    x = normalized((z @ model.seed.weight.T).reshape(7, 6, 3, 3), model.norm1).clamp(min=0)
    x = F.conv_transpose2d(x, model.grow1.weight, None, stride=2, padding=1)
    x = normalized(x, model.norm2).clamp(min=0)
    x = F.conv_transpose2d(x, model.grow2.weight, model.grow2.bias, stride=2, padding=1)
    assert x.shape == (7, 2, 12, 12)
    assert_close(model(z), 1 / (1 + torch.exp(-x)))


@pytest.mark.parametrize("norm", [True, False])
def test_the_discriminator_is_its_layers_written_out(norm):
    model = shaken(DCGANDiscriminator(**SMALL, norm=norm, generator=stream())).eval()
    images = noise(7, 2, 12, 12)
    x = F.conv2d(images, model.shrink1.weight, model.shrink1.bias, stride=2, padding=1)
    x = torch.where(x > 0, x, 0.2 * x)
    x = F.conv2d(x, model.shrink2.weight, model.shrink2.bias, stride=2, padding=1)
    x = normalized(x, model.norm) if norm else x
    x = torch.where(x > 0, x, 0.2 * x)
    assert_close(model(images), x.reshape(7, -1) @ model.answer.weight[0] + model.answer.bias)


def test_normalization_stands_where_the_paper_puts_it():
    for model, count in ((DCGANGenerator(), 2), (DCGANDiscriminator(), 1), (DCGANDiscriminator(norm=False), 0)):
        assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == count
    # counts by hand: 32 * 784 + 2 * 16 + 16 * 8 * 16 + 2 * 8 + 8 * 16 + 1, and 8 * 16 + 8 + 8 * 16 * 16 + 2 * 16 + 784 + 1
    assert size(DCGANGenerator()) == 27313
    assert size(DCGANDiscriminator()) == 3001
    assert size(DCGANDiscriminator(norm=False)) == 3001 - 32 + 16


def test_weights_are_normal_of_the_given_width_from_the_stream():
    for kind in (DCGANGenerator, DCGANDiscriminator):
        first, second = (kind(channels=32, std=0.1, generator=stream(3)) for _ in range(2))
        other = kind(channels=32, std=0.1, generator=stream(4))
        for (name, a), b, c in zip(first.named_parameters(), second.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)
            if a.dim() > 1:
                assert not torch.equal(a, c)
                if a.numel() > 5000:
                    assert_close(a.std(), torch.tensor(0.1), rtol=0.05, atol=0)
            else:
                assert torch.equal(
                    a, torch.ones_like(a) if "norm" in name and "weight" in name else torch.zeros_like(a)
                )


def test_a_sample_is_the_network_in_evaluation_mode_at_normal_numbers():
    model = shaken(DCGANGenerator(latent=5, **SMALL, generator=stream()))
    model.norm2.eval()  # a mixture of modes is kept, too
    state = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    drawn = model.sample(7, generator=stream(1))
    assert not drawn.requires_grad
    assert [module.training for module in model.modules()] == modes
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    z = torch.randn(7, 5, generator=stream(1), dtype=F64)
    assert_close(drawn, model.eval()(z).detach())
    assert_close(model.sample(7, generator=stream(1)), drawn)
    assert model.sample(0).shape == (0, 2, 12, 12)


def test_pixels_lie_between_0_and_1_and_images_differ():
    drawn = shaken(DCGANGenerator(generator=stream())).sample(5, generator=stream(1))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert (drawn[0] - drawn[1]).abs().max() > 0.01


def test_modes_come_back_after_a_failure():
    model = DCGANGenerator(generator=stream())
    model.grow2 = nn.Linear(1, 1)
    with pytest.raises(RuntimeError):
        model.sample(2, generator=stream())
    assert all(module.training for module in model.modules())


def test_composes_with_torch():
    for model, x in (
        (DCGANGenerator(latent=5, **SMALL, generator=stream()).eval(), noise(3, 5, dtype=torch.float32)),
        (DCGANDiscriminator(**SMALL, generator=stream()).eval(), noise(3, 2, 12, 12, dtype=torch.float32)),
        (DCGANDiscriminator(**SMALL, norm=False, generator=stream()), noise(3, 2, 12, 12, dtype=torch.float32)),
    ):
        composes(model, x)
        assert_close(torch.compile(model, fullgraph=True, backend="eager")(x), model(x))
        assert copy.deepcopy(model).bfloat16()(x.bfloat16()).dtype == torch.bfloat16
    assert DCGANGenerator(device="meta")(torch.zeros(3, 32, device="meta")).shape == (3, 1, 28, 28)
    assert DCGANDiscriminator(device="meta")(torch.zeros(3, 1, 28, 28, device="meta")).shape == (3,)
    assert DCGANGenerator(dtype=F64).sample(2).dtype == F64
    assert DCGANDiscriminator(dtype=F64)(noise(2, 1, 28, 28)).dtype == F64


def test_two_networks_learn_one_image():
    # a data set of one image: the generator must end at it
    image = (noise(1, 1, 8, 8) > 0).float()
    draws = stream(2)
    G = DCGANGenerator(latent=4, channels=4, side=8, generator=stream())
    D = DCGANDiscriminator(channels=4, side=8, norm=False, generator=stream(1))
    for_G, for_D = (torch.optim.Adam(m.parameters(), lr=5e-3, betas=(0.5, 0.99)) for m in (G, D))
    for _ in range(150):
        fake = G(torch.randn(8, 4, generator=draws))
        loss = F.softplus(-D(image)).mean() + F.softplus(D(fake.detach())).mean()
        for_D.zero_grad()
        loss.backward()
        for_D.step()
        for_G.zero_grad()
        F.softplus(-D(fake)).mean().backward()
        for_G.step()
    assert (G.sample(16, generator=draws) - image).abs().mean() < 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: DCGANGenerator(side=14), "side is a multiple of 4, found 14"),
        (lambda: DCGANGenerator(side=0), "side is a multiple of 4, found 0"),
        (lambda: DCGANGenerator(latent=0), "latent is at least 1, found 0"),
        (lambda: DCGANGenerator(channels=0), "channels is at least 1, found 0"),
        (lambda: DCGANDiscriminator(image_channels=0), "image_channels is at least 1, found 0"),
        (lambda: DCGANDiscriminator(side=30), "side is a multiple of 4, found 30"),
        (lambda: DCGANGenerator().sample(-1), "n counts images, at least 0, found -1"),
        (lambda: DCGANGenerator()(torch.zeros(2, 31)), r"z is \(b, 32\), found shape \(2, 31\)"),
        (lambda: DCGANDiscriminator()(torch.zeros(2, 28, 28)), r"x is \(b, 1, 28, 28\), found shape \(2, 28, 28\)"),
        (lambda: DCGANDiscriminator()(torch.zeros(2, 1, 28, 32)), r"x is \(b, 1, 28, 28\)"),
        (lambda: DCGANDiscriminator()(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)), "images are floats.*uint8"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
