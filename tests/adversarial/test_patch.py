"""The adversarial patch: placing against slices, quarter turns and central differences; training against a known best."""

import math

import pytest
import torch
from torch.testing import assert_close

from adversarial.models import small_net
from common import F64, noise, stream
from dlbook.adversarial.patch import Places, place, random_places, train_patch


def places(center, side, angle=0.0):
    return Places(torch.tensor([center], dtype=F64), torch.tensor([side], dtype=F64), torch.tensor([angle], dtype=F64))


def disk(s):
    at = torch.arange(s) + 0.5 - s / 2
    return (at[:, None] ** 2 + at**2 <= (s / 2) ** 2).expand(2, s, s)


def test_a_patch_of_its_own_size_is_a_slice_inside_the_disk():
    x, patch = noise(1, 2, 11, 13), noise(2, 5, 5, seed=1)
    found = place(x, patch, places([4.5, 7.5], 5.0))
    expected = x.clone()
    expected[0, :, 2:7, 5:10] = torch.where(disk(5), patch, x[0, :, 2:7, 5:10])
    assert_close(found, expected)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_those_of_rot90_counterclockwise(quarters):
    x, patch = noise(1, 2, 11, 13), noise(2, 5, 5, seed=1)
    found = place(x, patch, places([4.5, 7.5], 5.0, quarters * math.pi / 2))
    expected = place(x, torch.rot90(patch, quarters, dims=(1, 2)), places([4.5, 7.5], 5.0))
    assert_close(found, expected)


def test_a_patch_twice_as_large_keeps_its_mean_and_its_disk():
    x, patch = torch.full((1, 1, 17, 19), -1.0, dtype=F64), torch.full((1, 3, 3), 0.5, dtype=F64)
    found = place(x, patch, places([8, 9], 12.0))
    row, column = torch.arange(17)[:, None] + 0.5 - 8, torch.arange(19) + 0.5 - 9
    assert ((found == 0.5)[0, 0] == (row**2 + column**2 <= 36)).all()


def test_between_pixels_colors_are_interpolated():
    patch = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])  # twice as large, its columns are 0, 1/4, 3/4, 1
    found = place(
        torch.full((1, 1, 4, 4), -1.0), patch, Places(torch.tensor([[2.0, 2]]), torch.tensor([4.0]), torch.zeros(1))
    )
    assert_close(found[0, 0, 1], torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_each_image_has_a_place_of_its_own():
    x, patch = noise(3, 2, 11, 13), noise(2, 5, 5, seed=1)
    where = Places(torch.tensor([[3.0, 4], [5, 6], [7, 8]]), torch.tensor([5.0, 4, 3]), torch.tensor([0.0, 1, 2]))
    whole = place(x, patch, where)
    parts = [place(x[i : i + 1], patch, Places(*(part[i : i + 1] for part in where))) for i in range(3)]
    assert_close(whole, torch.cat(parts))


def test_gradients_of_the_patch_are_central_differences():
    x, patch = noise(2, 1, 7, 7), noise(1, 3, 3, seed=1).requires_grad_()
    where = Places(
        torch.tensor([[3.0, 4], [3.5, 3]], dtype=F64),
        torch.tensor([5.0, 4], dtype=F64),
        torch.tensor([0.3, 2.0], dtype=F64),
    )
    assert torch.autograd.gradcheck(lambda p: place(x, p, where), patch)


def test_places_are_inside_uniform_and_repeat():
    x = torch.zeros(4000, 1, 20, 30)
    found = random_places(x, sides=(4, 8), turn=0.5, generator=stream())
    half = found.side / 2
    assert (found.center[:, 0] >= half).all()
    assert (found.center[:, 0] <= 20 - half).all()
    assert (found.center[:, 1] <= 30 - half).all()
    for values, low, high in ((found.side, 4, 8), (found.angle, -0.5, 0.5)):
        share = (values - low) / (high - low)
        assert share.amin() >= 0
        assert share.amax() <= 1
        assert abs(share.mean() - 0.5) < 0.03
        assert abs(share.var() - 1 / 12) < 0.01
    share = (found.center[:, 1] - half) / (30 - found.side)
    assert abs(share.mean() - 0.5) < 0.03
    rows = (found.center[:, 0] - half) / (20 - found.side)
    together = torch.corrcoef(torch.stack([found.side, rows, share, found.angle]))
    assert (together - torch.eye(4)).abs().max() < 0.06, "four draws that know nothing of each other"
    again = random_places(x, sides=(4, 8), turn=0.5, generator=stream())
    assert all(a.equal(b) for a, b in zip(found, again, strict=True))
    assert (random_places(x, sides=(4, 4), generator=stream()).angle == 0).all()


def test_training_finds_the_patch_of_a_linear_model():
    # class 0 is white on the left and black on the right of the middle; the patch covers the whole image
    weight = torch.cat([torch.ones(9, 4), torch.zeros(9, 1), -torch.ones(9, 4)], dim=1)

    def model(x):
        score = (x[:, 0] * weight).mean(dim=(1, 2))
        return torch.stack([score, -score], dim=1)

    x = torch.rand(5, 1, 9, 9, generator=stream())
    patch, losses = train_patch(model, x, 0, size=9, sides=(9, 9), steps=60, batch=3, generator=stream(1))
    inside = disk(9)[:1]
    assert_close(patch[(weight > 0)[None] & inside], torch.ones(int(((weight > 0) & inside).sum())))
    assert_close(patch[(weight < 0)[None] & inside], torch.zeros(int(((weight < 0) & inside).sum())))
    assert (patch[~inside.clone()] == 0.5).float().mean() > 0.3  # no image shows the corners, but for interpolation
    assert losses[-1] < losses[0]
    assert losses[0] > math.log(2) - 0.2


def test_the_first_loss_is_that_of_a_gray_patch():
    net, x = small_net(dtype=torch.float32), torch.rand(1, 2, 3, 5, generator=stream())
    _, losses = train_patch(net, x, 2, size=3, sides=(3, 3), steps=1, batch=1, generator=stream(7))
    draw = stream(7)
    torch.randint(1, (1,), generator=draw)
    where = random_places(x, sides=(3, 3), generator=draw)
    seen = place(x, torch.full((2, 3, 3), 0.5), where)
    expected = -net.eval()(seen).log_softmax(dim=1)[0, 2]
    assert losses[0] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, F64])
@pytest.mark.parametrize("context", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_dtypes_bounds_and_the_model_are_kept(dtype, context):
    net, x = small_net(dtype=dtype), torch.rand(6, 2, 3, 5, generator=stream()).to(dtype)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    with context():
        patch, _ = train_patch(
            net, x.clone(), 3, size=3, sides=(2, 3), turn=0.3, steps=20, step_size=0.5, generator=stream()
        )
    assert patch.dtype == dtype
    assert not patch.requires_grad
    assert patch.amin() == 0
    assert patch.amax() == 1
    assert net.training
    assert all(value.equal(state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_the_same_stream_trains_the_same_patch():
    net, x = small_net(dtype=torch.float32), torch.rand(6, 2, 3, 5, generator=stream())
    one, same, other = (
        train_patch(net, x, 3, size=3, sides=(2, 3), steps=5, generator=stream(s))[0] for s in (0, 0, 1)
    )
    assert one.equal(same)
    assert not one.equal(other)


def test_slopes_that_are_no_numbers_make_no_such_patch():
    def model(x):
        return torch.stack([x.sum(dim=(1, 2, 3)), (x - x).sqrt().sum(dim=(1, 2, 3))], dim=1)

    patch, _ = train_patch(model, torch.rand(3, 1, 5, 5), 0, size=3, sides=(3, 3), steps=3, generator=stream())
    assert patch.isfinite().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sides": (0, 3)}, "diameters"),
        ({"sides": (3, 2)}, "diameters"),
        ({"sides": (3, 4)}, "<= 3 pixels"),
        ({"size": 0}, "size=0"),
        ({"steps": 0}, "steps=0"),
        ({"batch": 0}, "batch=0"),
        ({"step_size": -1.0}, "step_size"),
        ({"turn": -0.1}, "turn is a finite angle"),
        ({"turn": math.nan}, "turn is a finite angle"),
        ({"target": 7}, r"0\.\.6"),
        ({"bounds": (0.5, 1)}, "pixels of x"),
        ({"x": torch.rand(6, 3, 5)}, "found shape"),
        ({"x": torch.zeros(0, 2, 3, 5)}, "found shape"),
    ],
)
def test_bad_input_is_named(change, words):
    given = {"x": torch.rand(6, 2, 3, 5, generator=stream()), "target": 3, "size": 3, "sides": (2, 3)} | change
    with pytest.raises(ValueError, match=words):
        train_patch(small_net(dtype=torch.float32), **given, generator=stream())


def test_bytes_and_arrays_are_refused_before_they_are_drawn_on():
    bytes_, floats = torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="x is a tensor of floats, found torch.uint8"):
        place(bytes_, torch.zeros(1, 3, 3), places([4, 4], 3.0))
    with pytest.raises(ValueError, match="patch is a tensor of floats, found torch.uint8"):
        place(floats, bytes_[0], places([4, 4], 3.0))
    with pytest.raises(ValueError, match="x is a tensor of floats, found float32"):
        random_places(floats.numpy(), sides=(2, 3))


def test_a_patch_of_other_channels_is_refused():
    with pytest.raises(ValueError, match="patch is"):
        place(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 3), places([4, 4], 3.0))
    with pytest.raises(ValueError, match="center"):
        place(torch.zeros(2, 1, 8, 8), torch.zeros(1, 3, 3), places([4, 4], 3.0))
    for name in ("side", "angle"):
        with pytest.raises(ValueError, match=name):
            place(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3, 3), places([4, 4], 3.0)._replace(**{name: torch.ones(2)}))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_colors_but_does_not_move_the_patch(dtype):
    x, patch, where = (
        torch.zeros(1, 1, 28, 28),
        torch.rand(1, 12, 12, generator=stream()),
        places([14.2, 13.1], 14, 0.1),
    )
    found = place(x.to(dtype), patch.to(dtype), where)
    assert found.dtype == dtype
    assert_close(found, place(x, patch.to(dtype).float(), where).to(dtype), rtol=0, atol=torch.finfo(dtype).eps)
