"""DeepFool against the closed form for affine classifiers, the paper's loop over one image, and an exact distance."""

import copy

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn
from torch.testing import assert_close

from common import F64, noise, stream
from dlbook._draws import drawn
from dlbook.adversarial.deepfool import deepfool, nearest_face
from dlbook.adversarial.exact import class_pieces, nearest_other
from dlbook.backprop.mlp import MLP

WIDE = (-1e6, 1e6)


def affine(k=5, n=7):
    return drawn(nn.Linear, n, k, generator=stream(8)).to(F64).requires_grad_(False), noise(11, n, seed=3)


def network(seed=0):
    return nn.Sequential(
        nn.Flatten(), drawn(nn.Linear, 12, 13, generator=stream(seed)), nn.Tanh(), nn.Dropout(0.5),
        drawn(nn.Linear, 13, 5, generator=stream(seed + 1)),
    ).to(F64)  # fmt: skip


IMAGES = torch.rand(17, 3, 2, 2, generator=stream(5), dtype=F64)


def length(found, x, p=2):
    return torch.linalg.vector_norm((found.adversarial - x).flatten(1), ord=p, dim=1)


@pytest.mark.parametrize(("norm", "dual", "p"), [("l2", 2, 2), ("linf", 1, torch.inf)])
def test_affine_classifier_is_left_in_one_step_of_the_closed_form(norm, dual, p):
    model, x = affine()
    found = deepfool(model, x, bounds=WIDE, norm=norm, overshoot=0.02)
    scores, own = model(x), model(x).argmax(1)
    w = model.weight[None] - model.weight[own][:, None]
    distance = (scores - scores.gather(1, own[:, None])).abs() / torch.linalg.vector_norm(w, ord=dual, dim=2)
    distance[torch.arange(11), own] = torch.inf
    assert found.success.all()
    assert (found.iterations == 1).all()
    assert_close(length(found, x, p), 1.02 * distance.amin(1))
    assert torch.equal(model(found.adversarial).argmax(1), distance.argmin(1))


def test_a_line_in_the_plane_by_hand():
    # f = 3 u + 4 v - 10 over 0: the origin is 10 / 5 = 2 away in L2, and 10 / 7 in L-infinity
    model = nn.Linear(2, 2, dtype=F64)
    model.weight.data = torch.tensor([[0.0, 0], [3, 4]], dtype=F64)
    model.bias.data = torch.tensor([0.0, -10], dtype=F64)
    origin, classes = torch.zeros(1, 2, dtype=F64), torch.tensor([[0, 1]])
    for norm, size, way in (("l2", 2.0, [0.6, 0.8]), ("linf", 10 / 7, [1.0, 1.0])):
        distance, direction = nearest_face(model, origin, classes, norm=norm)
        assert_close(distance, torch.tensor([size], dtype=F64))
        assert_close(direction, torch.tensor([way], dtype=F64))
        found = deepfool(model, origin, bounds=WIDE, norm=norm, overshoot=0.1)
        assert_close(found.adversarial, 1.1 * distance * direction)


def test_least_change_of_an_affine_classifier_by_slsqp():
    model, x = affine()
    weight, bias = model.weight.numpy(), model.bias.numpy()
    found = length(deepfool(model, x, bounds=WIDE, overshoot=1e-6, candidates=None), x)
    for one, norm in zip(x.numpy()[:4], found, strict=False):
        own = (weight @ one + bias).argmax()
        best = np.inf
        for k in set(range(5)) - {own}:
            w, gap = weight[k] - weight[own], (weight[k] - weight[own]) @ one + bias[k] - bias[own]
            tie = {"type": "ineq", "fun": lambda r, w=w, gap=gap: w @ r + gap}
            best = min(best, np.sqrt(minimize(lambda r: r @ r, 0 * one + 0.1, constraints=[tie]).fun))
        assert abs(norm - best) < 1e-4 * best


def plain(model, x, *, overshoot=0.02, max_iter=50):
    """Algorithm 2 for one image, class by class, overshooting each step as in the authors' program in Python."""
    own, point, total = model(x[None]).argmax().item(), x, torch.zeros_like(x)
    for i in range(max_iter):
        if model(point[None]).argmax().item() != own:
            return point, i
        jacobian, scores = torch.autograd.functional.jacobian(lambda z: model(z[None])[0], point), model(point[None])[0]
        steps = []
        for k in range(len(scores)):
            if k != own:
                w, gap = jacobian[k] - jacobian[own], abs(scores[k] - scores[own])
                steps.append((gap / w.norm(), gap / w.norm() ** 2 * w))
        total = total + min(steps, key=lambda step: step[0])[1]
        point = x + (1 + overshoot) * total
    return point, max_iter


def test_is_the_papers_algorithm_2_image_by_image():
    model = network().eval()
    found, same = deepfool(model, IMAGES, bounds=WIDE), 0
    for i, x in enumerate(IMAGES):
        point, steps = plain(model, x)
        assert found.iterations[i] == steps
        far = (found.adversarial[i] - point).norm() / (point - x).norm()
        assert far < 0.0021  # a last step may be lengthened to 0.002 of the way
        same += (far < 1e-12).item()
    assert found.success.all()
    assert same > 0.8 * len(IMAGES)


@pytest.mark.parametrize(("change", "far"), [({}, 10.0), ({"candidates": 12}, 0.2), ({"candidates": None}, 0.2)])
def test_ten_candidates_unless_told(change, far):
    # the class that scores worst of twelve is by far the nearest
    offsets = torch.tensor([0.0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -20], dtype=F64)
    slopes = torch.tensor([0.0] + 10 * [0.1] + [100.0], dtype=F64)
    found = deepfool(lambda x: offsets + x[:, :1] * slopes, torch.zeros(1, 2, dtype=F64), bounds=WIDE, **change)
    assert_close(found.adversarial, torch.tensor([[1.02 * far, 0]], dtype=F64))


def test_few_candidates_are_those_that_score_best():
    model = network().eval()
    second = model(IMAGES).argsort(1, descending=True)[:, 1]
    found = deepfool(model, IMAGES, bounds=WIDE, candidates=2)
    assert torch.equal(model(found.adversarial).argmax(1)[found.success], second[found.success])
    assert (length(found, IMAGES) >= length(deepfool(model, IMAGES, bounds=WIDE), IMAGES) - 1e-9).float().mean() > 0.7


def bent(seed):
    made = MLP((2, 7, 5, 3), generator=stream(seed)).to(F64)
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(3)
        made[-1].bias -= made(4 * torch.rand(500, 2, generator=stream(9), dtype=F64) - 2).mean(0)
    return made


def test_never_nearer_than_the_exact_distance_and_equal_to_it_where_one_region_does():
    box = ((-2.0, 2.0), (-2.0, 2.0))
    model = bent(1)
    x = 4 * torch.rand(200, 2, generator=stream(2), dtype=F64) - 2
    exact, _ = nearest_other(class_pieces(model, box), x.numpy(), model(x).argmax(1).numpy())
    found = deepfool(model, x, bounds=(-2, 2), overshoot=0.01)
    ratio = length(found, x)[found.success].numpy() / exact[found.success.numpy()]
    assert found.success.float().mean() > 0.7
    assert ratio.min() > 1
    assert np.mean(ratio < 1.0101) > 0.3


def test_stays_in_the_bounds_and_turns_what_clipping_alone_would_leave_at_a_tie():
    # the first pixel has most of the slope and no room: plain steps would halve the gap for ever
    model = nn.Linear(2, 2, dtype=F64)
    model.weight.data = torch.tensor([[0.0, 0], [1, 1]], dtype=F64)
    model.bias.data = torch.tensor([0.0, -1.6], dtype=F64)
    x = torch.tensor([[1.0, 0.2]], dtype=F64)
    found = deepfool(model, x)
    assert found.success.all()
    assert 1 < found.iterations.item() < 20
    assert found.adversarial.max() <= 1
    assert 0.4 < length(found, x).item() < 0.4 * 1.02
    assert not deepfool(model, x, overshoot=0.0).success.any()  # it ends on the tie, or before it


def test_largest_change_inside_the_bounds_follows_the_recursion_by_hand():
    # one pixel is white, the others move together: the gap shrinks until the least step carries them over
    model = nn.Linear(3, 2, dtype=F64)
    model.weight.data = torch.tensor([[0.0, 0, 0], [1, 1, 1]], dtype=F64)
    model.bias.data = torch.tensor([0.0, -1.9], dtype=F64)
    v, steps = 0.2, 0
    while 1 + 2 * v <= 1.9:
        v += 1.05 * max((0.9 - 2 * v) / 3, 0.1 * 0.05 * (v - 0.2))
        steps += 1
    found = deepfool(model, torch.tensor([[1.0, 0.2, 0.2]], dtype=F64), norm="linf", overshoot=0.05)
    assert_close(found.adversarial, torch.tensor([[1.0, v, v]], dtype=F64))
    assert found.iterations.item() == steps


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_goes_as_far_as_foolbox(norm):
    foolbox = pytest.importorskip("foolbox")
    model, x = network().float().eval(), IMAGES.float()
    kind = {"l2": foolbox.attacks.L2DeepFoolAttack, "linf": foolbox.attacks.LinfDeepFoolAttack}[norm]
    wrapped = foolbox.PyTorchModel(model, bounds=(-9, 9), device="cpu")
    _, theirs, turned = kind()(wrapped, x, model(x).argmax(1), epsilons=None)
    found, p = deepfool(model, x, bounds=(-9, 9), norm=norm), 2 if norm == "l2" else torch.inf
    assert turned.all()
    assert found.success.all()
    ratio = length(found, x, p) / torch.linalg.vector_norm((theirs - x).flatten(1), ord=p, dim=1)
    assert ratio.min() > 0.99
    assert ratio.max() < 1.003  # they add 1e-4 to each distance, we may lengthen a last step


def test_images_out_of_reach_are_no_success():
    model = nn.Linear(2, 2, dtype=F64)
    model.weight.data = torch.tensor([[0.0, 0], [1, 1]], dtype=F64)
    model.bias.data = torch.tensor([0.0, -3.0], dtype=F64)
    calls = []
    found = deepfool(lambda x: calls.append(len(x)) or model(x), torch.tensor([[0.5, 0.5]], dtype=F64))
    assert not found.success.any()
    assert len(calls) == 5  # the start, and two for each of two steps
    assert_close(found.adversarial, torch.ones(1, 2, dtype=F64))
    assert found.iterations.item() == 1  # in the corner there is no further step, so it stops


def test_max_iter_counts_steps_and_success_is_honest():
    model = network()
    once = deepfool(model, IMAGES, max_iter=1)
    assert (once.iterations == 1).all()
    changed = model.eval()(once.adversarial).argmax(1) != model(IMAGES).argmax(1)
    assert torch.equal(changed, once.success)
    assert not once.success.all()


def test_no_image_depends_on_the_others():
    model = network()
    together = deepfool(model, IMAGES)
    for i in range(len(IMAGES)):
        alone = deepfool(model, IMAGES[i : i + 1])
        assert_close(alone.adversarial[0], together.adversarial[i])
        assert alone.iterations[0] == together.iterations[i]


def test_images_that_are_turned_leave_the_batch_that_the_model_sees():
    sizes = []
    model = network().eval()

    def counting(x):
        sizes.append(len(x))
        return model(x)

    found = deepfool(counting, IMAGES)
    later = sizes[1::2]  # the slopes of every step
    assert later == [int((found.iterations > i).sum()) for i in range(len(later))]
    assert later[-1] < len(IMAGES)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_leaves_model_and_images_as_they_were(mode):
    model = nn.Sequential(nn.BatchNorm2d(3), network()).to(F64).train()
    model[1][4].eval()
    before, x = copy.deepcopy(model.state_dict()), IMAGES.clone().requires_grad_()
    with mode():
        found = deepfool(model, x if mode is not torch.inference_mode else IMAGES.clone())
    assert model.training
    assert not model[1][4].training
    assert not found.adversarial.requires_grad
    assert torch.equal(x, IMAGES)
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert x.grad is None
    assert found.success.all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_other_precisions_turn_as_many_and_go_about_as_far(dtype):
    model, small = network(), network().to(dtype)
    found, exact = deepfool(small, IMAGES.to(dtype)), deepfool(model, IMAGES)
    assert found.adversarial.dtype == dtype
    assert found.success.all()
    far, near = length(found, IMAGES.to(dtype)).double(), length(exact, IMAGES)
    assert (far.median() / near.median() - 1).abs() < (0.001 if dtype == torch.float32 else 0.2)


def test_an_empty_batch():
    calls = []
    found = deepfool(lambda x: calls.append(x), IMAGES[:0])
    assert not calls  # some models cannot take an empty batch
    assert found.adversarial.shape == (0, 3, 2, 2)
    assert found.success.dtype == torch.bool
    assert found.iterations.dtype == torch.int64


def test_slopes_that_are_zero_or_not_finite_make_no_nan():
    for bad in (
        lambda x: 0 * x + torch.tensor([1.0, 0, 0]).to(x),
        lambda x: x.sqrt() * torch.tensor([0.0, 1, 1]).to(x),
    ):
        x = torch.zeros(2, 3, dtype=F64)
        found = deepfool(bad, x)
        assert torch.equal(found.adversarial, x)
        assert not found.success.any()
        assert (found.iterations == 0).all()
    steep = deepfool(lambda x: torch.stack([x[:, 1], x[:, 0].sqrt() - 1], 1), torch.tensor([[0.0, 0.5]], dtype=F64))
    assert torch.equal(steep.adversarial, torch.tensor([[0.0, 0.5]], dtype=F64))  # its only slope is infinite
    half = deepfool(
        lambda x: 6e4 * x, torch.tensor([[0.6, 0.4, 0.5]], dtype=torch.float16)
    )  # the slope's length does not fit there
    assert half.success.all()
    late = torch.tensor([torch.inf, 0.52], dtype=F64)  # where the second pixel exceeds this, its logit is NaN
    nan = deepfool(lambda x: torch.where(x > late, torch.nan, x), torch.tensor([[0.6, 0.5]], dtype=F64))
    assert not nan.success.any()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"overshoot": -0.1}, "overshoot"), ({"overshoot": float("nan")}, "overshoot"),
        ({"overshoot": float("inf")}, "overshoot"), ({"max_iter": 0}, "max_iter"), ({"norm": "l1"}, "norm"),
        ({"candidates": 1}, "candidates"), ({"bounds": (0, 0.5)}, "bounds"), ({"bounds": (1, 0)}, "bounds"),
    ],
)  # fmt: skip
def test_refuses_what_it_cannot_do(change, says):
    with pytest.raises(ValueError, match=says):
        deepfool(network(), IMAGES, **change)


def test_nearest_face_wants_a_row_of_classes_for_each_image():
    with pytest.raises(ValueError, match="classes"):
        nearest_face(network().eval(), IMAGES, torch.tensor([[0, 1]]))


def test_refuses_bytes_and_models_without_logits_or_slopes():
    with pytest.raises(ValueError, match="floats"):
        deepfool(network(), torch.zeros(2, 3, 2, 2, dtype=torch.uint8))
    with pytest.raises(ValueError, match="logits"):
        deepfool(lambda x: x.sum(dim=1), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="autograd"):
        deepfool(lambda x: x.detach(), torch.rand(2, 3))
