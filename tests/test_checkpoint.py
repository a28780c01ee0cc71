"""Checkpoints: whole or absent, of this model or refused."""

import pytest
import torch
from torch import Generator, nn

from dlbook import checkpoint


def model(width: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, width), nn.Dropout())


def saved(path):
    net = model()
    checkpoint.save(path, net, {"optimizer": torch.optim.Adam(net.parameters())}, {"step": 5})
    return net


def test_what_was_saved_comes_back(tmp_path):
    net, other = saved(tmp_path / "c"), model()
    position = checkpoint.load(tmp_path / "c", other, {"optimizer": torch.optim.Adam(other.parameters())})
    assert position == {"step": 5}
    assert torch.equal(net[0].weight, other[0].weight)


def test_a_truncated_file_is_named(tmp_path):
    saved(tmp_path / "c")
    raw = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(raw[: len(raw) // 2])
    net = model()
    with pytest.raises(ValueError, match="is damaged"):
        checkpoint.load(tmp_path / "c", net, {"optimizer": torch.optim.Adam(net.parameters())})


def test_another_model_is_refused_and_left_alone(tmp_path):
    saved(tmp_path / "c")
    wide = model(4)
    before = wide[0].weight.clone()
    with pytest.raises(ValueError, match=r"another model: they differ in .*0\.bias"):
        checkpoint.load(tmp_path / "c", wide, {"optimizer": torch.optim.Adam(wide.parameters())})
    assert torch.equal(wide[0].weight, before)


def test_other_parts_are_refused(tmp_path):
    saved(tmp_path / "c")
    with pytest.raises(ValueError, match="expected model, position"):
        checkpoint.load(tmp_path / "c", model(), {})


def test_every_stream_comes_back():
    net = model()
    net[1].generator = Generator().manual_seed(3)
    state = checkpoint.random_state(net)
    drawn = torch.rand(3), torch.rand(3, generator=net[1].generator)
    checkpoint.set_random_state(net, state)
    again = torch.rand(3), torch.rand(3, generator=net[1].generator)
    assert torch.equal(drawn[0], again[0])
    assert torch.equal(drawn[1], again[1])


def test_generators_are_found_by_module_and_name():
    net = model()
    net[1].generator = Generator()
    assert list(checkpoint.generators(net)) == ["1.generator"]
