"""Adversarial training against the closed form of a linear classifier, Wong's algorithm in its own words, and `fit`."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from common import F64, noise, shaken, stream
from dlbook.adversarial.attack import Attack
from dlbook.adversarial.defences import Attacked, adversarial_training, ascend, robust_accuracy, survivors
from dlbook.adversarial.fgsm import fgsm
from dlbook.adversarial.pgd import pgd
from dlbook.data import Batches
from dlbook.training import fit


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def network(seed=0):
    torch.manual_seed(seed)
    return shaken(nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)), seed)


def images(count, seed=1):
    return noise(count, 5, seed=seed).sigmoid(), torch.arange(count) % 3


def test_one_step_is_algorithm_3_of_wong_written_out():
    model, (x, y) = network(), images(11)
    change = 0.3 * (2 * torch.rand(x.shape, generator=stream(), dtype=F64) - 1)
    start = (x + change).clamp(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(model(start), y), start)
    change = (start.detach() - x + 1.25 * 0.3 * slope.sign()).clamp(-0.3, 0.3)
    assert_close(ascend(model, x, y, epsilon=0.3, generator=stream()), (x + change).clamp(0, 1))


def test_many_steps_reach_the_worst_case_of_a_linear_classifier_of_two_classes():
    # the loss is monotone in the margin, and the margin is least at x - ε sign(w_y - w_other)
    model, (x, y) = shaken(nn.Linear(5, 2)), images(9)
    y = y % 2
    apart = model.weight[y] - model.weight[1 - y]
    wanted = (x - 0.2 * apart.sign()).clamp(0, 1)
    assert_close(ascend(model, x, y, epsilon=0.2, steps=5, generator=stream()), wanted.detach())


def test_more_steps_are_pgd_without_early_stop():
    model, (x, y) = network(), images(11)
    for steps, size in ((7, None), (3, 0.05)):
        ours = ascend(model, x, y, epsilon=0.2, steps=steps, step_size=size, generator=stream())
        theirs = pgd(model, x, y, epsilon=0.2, steps=steps, step_size=size, early_stop=False, generator=stream())
        assert_close(ours, theirs.adversarial)


def test_ascend_stays_in_the_ball_and_the_bounds_and_leaves_all_as_it_was():
    model = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Dropout(), nn.Linear(7, 3)).to(F64)
    x, y = images(11)
    x[:4] = x[:4].round()
    before, kept = copy.deepcopy(model.state_dict()), x.clone()
    with torch.no_grad():
        found = ascend(model, x, y, epsilon=0.3, steps=3, generator=stream())
    assert ((found - x).abs() <= 0.3 + 1e-12).all()
    assert found.amin() >= 0
    assert found.amax() <= 1
    assert not found.requires_grad
    assert torch.equal(x, kept)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    wide = ascend(model, 2 * x - 1, y, epsilon=5.0, generator=stream(), bounds=(-1, 1))
    assert wide.amin() == -1
    assert wide.amax() == 1


def test_training_is_plain_training_where_epsilon_is_zero():
    x, y = images(22)
    losses, weights = [], []
    for epsilon in (0.0, None):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        batches = Batches(x, y, 5, generator=stream())
        if epsilon is None:
            losses.append(fit(model, F.cross_entropy, batches, optimizer, epochs=2, progress=False))
        else:
            losses.append(
                adversarial_training(
                    model, batches, optimizer, epsilon=0.0, epochs=2, generator=stream(7), progress=False
                )
            )
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert_close(losses[0], losses[1])
    assert_close(weights[0], weights[1])


@pytest.mark.parametrize("schedule", [None, lambda step: 1 / (1 + step)])
@pytest.mark.parametrize(
    "options", [{}, {"ramp": 2}, {"steps": 3}, {"steps": 2, "step_size": 0.05, "bounds": (-1.0, 2.0)}]
)
def test_training_is_steps_on_attacked_images_one_by_one(options, schedule):
    x, y = images(12)
    model, twin = network(), network()
    adversarial_training(
        model, [(x[:6], y[:6]), (x[6:], y[6:])], torch.optim.SGD(model.parameters(), lr=0.1), epsilon=0.2, epochs=2,
        generator=stream(3), schedule=schedule, progress=False, **options,
    )  # fmt: skip
    draw = stream(3)
    for step, half in enumerate([slice(6), slice(6, 12)] * 2):
        rise = min(1, (step + 1) / 3) if "ramp" in options else 1
        rest = {name: value for name, value in options.items() if name != "ramp"}
        worse = ascend(twin, x[half], y[half], epsilon=0.2 * rise, generator=draw, **rest)
        rate = 0.1 * (schedule(step) if schedule else 1)
        slopes = torch.autograd.grad(F.cross_entropy(twin(worse), y[half]), list(twin.parameters()))
        with torch.no_grad():
            for p, slope in zip(twin.parameters(), slopes, strict=True):
                p -= rate * slope
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert_close(ours, theirs)


def test_training_moves_a_classifier_from_the_brittle_feature_to_the_robust_one():
    # feature 0 tells the classes by ±0.05 always, feature 1 by ±0.3 in nine of ten: at ε = 0.1 only the second lasts
    y = torch.arange(400) % 2
    sign = 2.0 * y - 1
    held = torch.where(torch.arange(400) % 20 < 18, sign, -sign)
    x = torch.stack([0.5 + 0.05 * sign, 0.5 + 0.3 * held], dim=1)
    models = []
    for epsilon in (0.0, 0.1):
        model = nn.Linear(2, 2)
        nn.init.zeros_(model.weight)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
        batches = Batches(x, y, 50, generator=stream())
        adversarial_training(model, batches, optimizer, epsilon=epsilon, epochs=80, generator=stream(), progress=False)
        models.append(model)
    attack = partial(pgd, epsilon=0.1, steps=5, generator=stream())
    plain, robust = models
    assert robust_accuracy(plain, x, y) == 1.0
    assert robust_accuracy(plain, x, y, attack) < 0.5
    assert robust_accuracy(robust, x, y, attack) == pytest.approx(0.9)


def test_attacked_batches_meet_the_model_as_it_is_and_take_both_kinds_of_attack():
    model, (x, y) = shaken(nn.Linear(5, 3)), images(6)
    batches = Attacked([(x, y)], model, partial(fgsm, epsilon=0.1))
    assert len(batches) == 1
    (first, labels), *rest = batches
    assert not rest
    assert torch.equal(labels, y)
    assert_close(first, fgsm(model, x, y, epsilon=0.1).adversarial)
    with torch.no_grad():
        model.weight.neg_()
        model.bias.neg_()
    ((second, _),) = batches
    assert_close(second, fgsm(model, x, y, epsilon=0.1).adversarial)
    assert not torch.equal(first, second)
    ((third, _),) = Attacked([(x, y)], model, lambda model, x, y: x / 2)
    assert torch.equal(third, x / 2)


def test_survivors_are_those_that_every_attack_left_and_liars_are_not_believed():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0], [0.7, 0.3]])
    y, seen = torch.zeros(5, dtype=torch.int64), []

    def flip(which):
        def attack(model, x, y):
            seen.append(x[:, 0].tolist())
            hit = (x[:, 0] - which).abs() < 1e-6
            return Attack(torch.where(hit[:, None], x.flip(1), x), ~hit, y)  # its claim of success is a lie

        return attack

    found = survivors(lambda x: x, x, y, flip(0.9), flip(0.7), size=2)
    assert found.tolist() == [True, False, True, False, False]
    assert_close(torch.tensor(sum(seen, [])), torch.tensor([1.0, 0.9, 0.8, 0.7, 1.0, 0.8, 0.7]))
    assert max(map(len, seen)) == 2
    assert robust_accuracy(lambda x: x, x, y, flip(0.9), flip(0.7)) == 0.4
    assert robust_accuracy(lambda x: x, x, y) == 0.8


def test_survivors_counts_in_evaluation_mode_and_an_attack_that_ends_up_right_is_none():
    model = nn.Sequential(nn.Dropout(0.99), nn.Linear(5, 3)).to(F64)
    x, _ = images(30)
    y = model.eval()(x).argmax(dim=1)
    model.train()
    assert robust_accuracy(model, x, y) == 1.0
    assert model.training
    with torch.inference_mode():
        assert robust_accuracy(model, x, y, partial(pgd, epsilon=0.0, generator=stream())) == 1.0
    assert survivors(model, x[:0], y[:0]).shape == (0,)


def test_an_answer_that_is_no_number_is_neither_right_nor_a_success():
    x, y = torch.tensor([[0.0, 1.0], [1.0, 0.0], [torch.nan, 0.0]]), torch.tensor([1, 0, 0])

    def spoil(model, x, y):
        return Attack(x.where(y[:, None] == 0, torch.nan), torch.ones_like(y, dtype=torch.bool), y)

    assert survivors(lambda x: x, x, y).tolist() == [True, True, False]
    assert survivors(lambda x: x, x, y, spoil).tolist() == [True, True, False]


def test_ascend_takes_no_image_and_half_precision():
    model, (x, y) = network(), images(4)
    assert ascend(model, x[:0], y[:0], epsilon=0.1, generator=stream()).shape == (0, 5)
    model, x = model.to(torch.bfloat16), x.to(torch.bfloat16)
    found = ascend(model, x, y, epsilon=0.25, generator=stream())
    assert found.dtype == torch.bfloat16
    assert (found.float() - x.float()).abs().max() <= 0.25 + 2**-8


def one_image(model, x, y):
    """Attack the first image and forget the others."""
    return Attack(x[:1], torch.ones_like(y, dtype=torch.bool), y)


MODEL, (X, Y) = network(), images(4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ascend(MODEL, X, Y, epsilon=-0.1, generator=stream()), "epsilon is a finite size"),
        (lambda: ascend(MODEL, X, Y, epsilon=0.1, step_size=-1, generator=stream()), "step_size is a finite size"),
        (lambda: ascend(MODEL, X, Y, epsilon=0.1, steps=0, generator=stream()), "steps .* at least 1, found 0"),
        (lambda: ascend(MODEL, X + 1, Y, epsilon=0.1, generator=stream()), "pixels of x lie in"),
        (lambda: ascend(MODEL, X, Y[:3], epsilon=0.1, generator=stream()), r"y is \(4,\)"),
        (lambda: ascend(MODEL, X, Y + 1, epsilon=0.1, generator=stream()), "class numbers lie in 0..2, found 1 to 3"),
        (lambda: train(epsilon=-1.0), "epsilon is a finite size"),
        (lambda: train(steps=0), "steps is at least 1 and ramp, .* found 0 and 0"),
        (lambda: train(ramp=-1), "found 1 and -1"),
        (lambda: train(epochs=0), "epochs counts passes over the data"),
        (lambda: train(batches=iter([(X, Y)])), "iterated once an epoch, found list_iterator"),
        (lambda: survivors(MODEL, X, Y.float()), "y holds class numbers"),
        (lambda: survivors(MODEL, X, Y, size=0), "size is the number of images at once, at least 1, found 0"),
        (lambda: survivors(MODEL, X, Y + 1), "class numbers lie in 0..2"),
        (lambda: survivors(lambda x: x[:, :3], X, X[:, :3].argmax(1), one_image), r"images \(4, 5\), found \(1, 5\)"),
        (lambda: robust_accuracy(MODEL, X[:0], Y[:0]), r"a share of no images .* \(0, 5\)"),
    ],
)
def test_bad_input_is_named_and_nothing_is_trained(call, message):
    before = copy.deepcopy(MODEL.state_dict())
    with pytest.raises(ValueError, match=message):
        call()
    assert all(torch.equal(value, before[name]) for name, value in MODEL.state_dict().items())


def train(batches=None, epsilon=0.1, epochs=1, **options):
    """Train the model of this file with one option wrong."""
    optimizer = torch.optim.SGD(MODEL.parameters(), lr=0.1)
    batches = batches or [(X, Y)]
    adversarial_training(
        MODEL, batches, optimizer, epsilon=epsilon, epochs=epochs, generator=stream(), progress=False, **options
    )
