"""Checkpoints: whole or absent, of this model or refused."""

import pytest
import torch
from torch import Generator, nn

from dlbook import checkpoint
from dlbook.data import Batches


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


def same(first: dict, second: dict) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_what_does_not_fit_changes_nothing_neither_weights_nor_parts(tmp_path):
    net = model()
    batches = Batches(torch.zeros(7, 2), torch.zeros(7), 3, generator=Generator().manual_seed(1))
    parts = {"optimizer": torch.optim.SGD(net.parameters(), lr=0.5), "batches": batches}
    checkpoint.save(tmp_path / "c", net, parts, {})
    other, few = model(), Batches(torch.zeros(7, 2), torch.zeros(7), 2, generator=Generator().manual_seed(9))
    optimizer = torch.optim.SGD(other.parameters(), lr=0.25)
    before, stream = {k: v.clone() for k, v in other.state_dict().items()}, few.generator.get_state()
    with pytest.raises(ValueError, match=r"does not fit: batches: .* batches of 3 examples, found 2"):
        checkpoint.load(tmp_path / "c", other, {"optimizer": optimizer, "batches": few})
    assert same(before, other.state_dict())
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert torch.equal(stream, few.generator.get_state())
    halves = torch.optim.SGD([{"params": [p]} for p in other.parameters()], lr=0.25)
    with pytest.raises(ValueError, match="does not fit: optimizer: "):
        checkpoint.load(tmp_path / "c", other, {"optimizer": halves, "batches": batches})
    assert same(before, other.state_dict())


@pytest.mark.parametrize("content", [{"weights": torch.zeros(2)}, [1, 2], torch.zeros(3)])
def test_a_foreign_file_says_what_it_holds(tmp_path, content):
    torch.save(content, tmp_path / "c")
    with pytest.raises(ValueError, match=r"the checkpoint .* holds .*, expected model, position"):
        checkpoint.load(tmp_path / "c", model(), {})


def test_a_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        checkpoint.load(tmp_path, model(), {})


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
