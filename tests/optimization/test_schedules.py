"""Schedules against numbers worked by hand, against torch's own schedulers, and against what Robbins and Monro ask."""

import math
import warnings

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

from dlbook.data import Batches
from dlbook.optimization.schedules import (
    constant,
    cosine,
    inverse_square_root,
    inverse_time,
    step_decay,
    warm_up,
)
from dlbook.training import fit

BASE = 0.3


def rates(make, steps=97, base=BASE):
    """Return the rates of an optimizer under a scheduler, step by step."""
    optimizer = SGD([torch.zeros(2, requires_grad=True)], lr=base)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def close(ours, theirs):
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


# Torch's counterparts


def test_constant_is_torchs_constant_of_factor_one():
    close(rates(lambda o: LambdaLR(o, constant())), rates(lambda o: ConstantLR(o, factor=1.0)))


@pytest.mark.parametrize(("every", "factor"), [(7, 0.5), (1, 0.9), (13, 0.1), (200, 0.3)])
def test_step_decay_is_torchs_step_lr(every, factor):
    ours = rates(lambda o: LambdaLR(o, step_decay(every, factor=factor)))
    close(ours, rates(lambda o: StepLR(o, step_size=every, gamma=factor)))


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_cosine_is_torchs_cosine_annealing_until_the_end(floor):
    ours = rates(lambda o: LambdaLR(o, cosine(89, floor=floor)), 90)
    theirs = rates(lambda o: CosineAnnealingLR(o, T_max=89, eta_min=BASE * floor), 90)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)  # torch's is recursive and rounds in every step


def test_cosine_stays_where_torchs_rises_again():
    ours = rates(lambda o: LambdaLR(o, cosine(11, floor=0.25)), 23)
    assert set(ours[11:]) == {BASE * 0.25}
    assert rates(lambda o: CosineAnnealingLR(o, T_max=11), 23)[22] == pytest.approx(BASE)


def test_warm_up_is_torchs_linear_rate_and_then_the_other_scheduler():
    def theirs(optimizer):
        rise = LinearLR(optimizer, start_factor=1 / 8, end_factor=1.0, total_iters=7)
        return SequentialLR(optimizer, [rise, StepLR(optimizer, step_size=5, gamma=0.5)], milestones=[7])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR steps its parts with an argument that torch deprecates
        expected = rates(theirs)
    close(rates(lambda o: LambdaLR(o, warm_up(7, step_decay(5, factor=0.5)))), expected)


# By hand and by law


def test_step_decay_divides_by_ten_unless_told_otherwise():
    assert [step_decay(2)(t) for t in (0, 1, 2, 4)] == pytest.approx([1, 1, 0.1, 0.01])


def test_inverse_time_by_hand():
    assert inverse_time(0.5)(1) == pytest.approx(1 / 3)
    assert [inverse_time(3)(t) for t in (0, 1, 3, 6, 9)] == pytest.approx([1, 3 / 4, 1 / 2, 1 / 3, 1 / 4])


def test_inverse_time_sums_to_infinity_and_its_squares_do_not():
    half = 5
    terms = [inverse_time(half)(t) for t in range(100_000)]
    assert sum(terms) > half * math.log(100_000 / half)  # an integral below the sum: grows with the logarithm
    assert sum(term**2 for term in terms) < 1 + half  # and one above it: half² ∫ 1/(half + t)² dt = half


def test_cosine_by_hand():
    third = cosine(6, floor=0.1)
    assert [third(t) for t in (0, 2, 3, 4, 6, 7)] == pytest.approx([1, 0.1 + 0.9 * 0.75, 0.55, 0.325, 0.1, 0.1])


def test_warm_up_rises_evenly_and_reaches_what_follows():
    schedule = warm_up(4, lambda t: 10.0 - t)
    assert [schedule(t) for t in range(7)] == pytest.approx([2, 4, 6, 8, 10, 9, 8])


def test_inverse_square_root_is_eq_3_of_vaswani_et_al():
    schedule = inverse_square_root(512, 4000)
    for step_num in (1, 7, 3999, 4000, 4001, 100_000):
        wanted = 512**-0.5 * min(step_num**-0.5, step_num * 4000**-1.5)
        assert schedule(step_num - 1) == pytest.approx(wanted, rel=1e-12)
    rates_ = [schedule(t) for t in range(9000)]
    assert rates_.index(max(rates_)) == 3999
    assert max(rates_) == pytest.approx(1 / math.sqrt(512 * 4000))
    assert schedule(15_999) == pytest.approx(max(rates_) / 2)  # four times as far, half as fast


@pytest.mark.parametrize("schedule", [constant(), step_decay(3), inverse_time(0.5), cosine(7), warm_up(2, cosine(5))])
def test_factors_are_from_zero_to_one(schedule):
    assert all(0 <= schedule(t) <= 1 for t in range(1000))


# In training


def train(schedule, **options):
    torch.manual_seed(0)
    x = torch.randn(23, 3, dtype=torch.float64)
    batches = Batches(x, x[:, :1], 5, generator=torch.Generator().manual_seed(0))
    model = torch.nn.Linear(3, 1).double()
    optimizer = SGD(model.parameters(), lr=0.5)
    scheduler: LRScheduler = LambdaLR(optimizer, schedule)
    fit(model, torch.nn.functional.mse_loss, batches, optimizer, schedule=scheduler, progress=False, **options)
    return model.weight.detach().clone(), optimizer.param_groups[0]["lr"]


def test_fit_follows_a_schedule_update_by_update():
    seen = []

    def spy(t):
        seen.append(t)
        return warm_up(3, cosine(7))(t)

    _, last = train(spy, epochs=2)
    assert seen == list(range(11))  # ten updates of two epochs of five, and the rate for the one after
    assert last == pytest.approx(0.5 * cosine(7)(7))


def test_a_run_goes_on_with_its_schedule_after_a_checkpoint(tmp_path):
    schedule = warm_up(3, inverse_time(2))
    whole, _ = train(schedule, epochs=4)
    train(schedule, epochs=2, checkpoint=tmp_path / "run.pt")
    resumed, rate = train(schedule, epochs=4, checkpoint=tmp_path / "run.pt")
    assert torch.equal(resumed, whole)
    assert rate == pytest.approx(0.5 * inverse_time(2)(17))


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: step_decay(0), "every counts steps, a whole number from 1 on, found 0"),
        (lambda: step_decay(2.5), "found 2.5"),
        (lambda: step_decay(3, factor=0), "above 0 and at most 1, found 0"),
        (lambda: step_decay(3, factor=1.5), "found 1.5"),
        (lambda: step_decay(3, factor=math.nan), "found nan"),
        (lambda: inverse_time(0), "positive and finite, found 0"),
        (lambda: inverse_time(math.inf), "found inf"),
        (lambda: inverse_time(math.nan), "found nan"),
        (lambda: cosine(0), "steps counts steps, a whole number from 1 on, found 0"),
        (lambda: cosine(-3), "found -3"),
        (lambda: cosine(3, floor=-0.1), "from 0 to 1, found -0.1"),
        (lambda: cosine(3, floor=1.1), "found 1.1"),
        (lambda: inverse_square_root(512, 0), "warm_up_steps counts steps, a whole number from 1 on, found 0"),
        (lambda: inverse_square_root(0, 4000), "d_model is at least 1, found 0"),
        (lambda: warm_up(0, constant()), "steps counts steps, a whole number from 1 on, found 0"),
    ],
)
def test_impossible_schedules_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("make", [lambda: step_decay(1, factor=1), lambda: cosine(1, floor=1), lambda: cosine(1)])
def test_the_ends_of_the_ranges_are_allowed(make):
    assert make()(0) == 1
