"""Seven optimizers against torch.optim in float64, against steps worked by hand, and against what the papers prove."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dlbook.optimization import optimizers as module
from dlbook.optimization.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSprop

F64 = torch.float64
ALL = (SGD, Momentum, Nesterov, Adagrad, RMSprop, Adam, AdamW)
SHAPES = [(3, 5), (7,), (), (2, 3, 1)]


def start():
    """Return four parameters of different shapes, drawn anew each time from one seed."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in SHAPES]


def pull(params, step, seed=1):
    """Give each parameter the gradient of a bowl of its own, shaken by noise; the second skips two steps of three."""
    generator = torch.Generator().manual_seed(1000 * seed + step)
    for i, p in enumerate(params):
        noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
        p.grad = None if i == 1 and step % 3 else 10.0 ** (i - 1) * (p.detach() - 1) + 0.3 * noise


def run(optimizer, params, steps, first=0):
    path = []
    for step in range(first, first + steps):
        pull(params, step)
        optimizer.step()
        path.append([p.detach().clone() for p in params])
    return path


# Against torch.optim, two hundred steps

TWINS = {
    "SGD": (SGD, {"lr": 0.01}, torch.optim.SGD, {}),
    "SGD, decay": (SGD, {"lr": 0.01, "weight_decay": 0.1}, torch.optim.SGD, {}),
    "SGD, uphill": (SGD, {"lr": 1e-4, "maximize": True, "weight_decay": 0.1}, torch.optim.SGD, {}),
    "SGD, momentum": (SGD, {"lr": 0.01, "momentum": 0.9}, torch.optim.SGD, {}),
    "SGD, dampening": (SGD, {"lr": 0.01, "momentum": 0.9, "dampening": 0.3}, torch.optim.SGD, {}),
    "SGD, nesterov": (SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}, torch.optim.SGD, {}),
    "Momentum": (Momentum, {"lr": 0.01}, torch.optim.SGD, {"momentum": 0.9}),
    "Momentum, dampening": (
        Momentum, {"lr": 0.01, "momentum": 0.8, "dampening": 0.8, "weight_decay": 0.1}, torch.optim.SGD, {},
    ),
    "Nesterov": (Nesterov, {"lr": 0.01}, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "Nesterov, decay": (
        Nesterov, {"lr": 0.01, "momentum": 0.7, "weight_decay": 0.1}, torch.optim.SGD, {"nesterov": True},
    ),
    "Adagrad": (Adagrad, {}, torch.optim.Adagrad, {}),
    "Adagrad, options": (
        Adagrad,
        {"lr": 0.3, "lr_decay": 0.02, "weight_decay": 0.1, "initial_accumulator_value": 0.2, "eps": 0.01},
        torch.optim.Adagrad,
        {},
    ),
    "RMSprop": (RMSprop, {}, torch.optim.RMSprop, {}),
    "RMSprop, centered": (RMSprop, {"alpha": 0.9, "centered": True, "eps": 1e-3}, torch.optim.RMSprop, {}),
    "RMSprop, momentum": (RMSprop, {"momentum": 0.7, "weight_decay": 0.1}, torch.optim.RMSprop, {}),
    "RMSprop, uphill": (RMSprop, {"maximize": True, "centered": True, "momentum": 0.5}, torch.optim.RMSprop, {}),
    "Adam": (Adam, {}, torch.optim.Adam, {}),
    "Adam, options": (
        Adam, {"lr": 0.1, "betas": (0.7, 0.95), "eps": 1e-3, "weight_decay": 0.1}, torch.optim.Adam, {},
    ),
    "Adam, amsgrad": (Adam, {"lr": 0.1, "betas": (0.5, 0.8), "amsgrad": True}, torch.optim.Adam, {}),
    "Adam, uphill": (Adam, {"lr": 0.1, "maximize": True, "weight_decay": 0.1}, torch.optim.Adam, {}),
    "AdamW": (AdamW, {}, torch.optim.AdamW, {}),
    "AdamW, options": (
        AdamW, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}, torch.optim.AdamW, {},
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize(("ours", "options", "theirs", "more"), TWINS.values(), ids=TWINS)


@EACH
def test_two_hundred_steps_are_those_of_torch(ours, options, theirs, more):
    mine, yours = start(), start()
    path = run(ours(mine, **options), mine, 200)
    expected = run(theirs(yours, **options, **more), yours, 200)
    assert_close(path, expected, rtol=1e-10, atol=1e-10)
    assert all(torch.isfinite(p).all() for p in path[-1])


@EACH
def test_a_state_of_torchs_goes_on_in_ours_and_back(ours, options, theirs, more):
    yours = start()
    expected = run(theirs(yours, **options, **more), yours, 60)
    params = start()
    first = theirs(params, **options, **more)
    run(first, params, 20)
    second = ours(params, **options)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    run(second, params, 20, first=20)
    third = theirs(params, **options, **more)
    third.load_state_dict(copy.deepcopy(second.state_dict()))
    path = run(third, params, 20, first=40)
    assert_close(path[-1], expected[-1], rtol=1e-10, atol=1e-10)


@EACH
def test_a_state_of_ours_goes_on_in_torchs(ours, options, theirs, more):
    yours, params = start(), start()
    expected = run(theirs(yours, **options, **more), yours, 40)
    first = ours(params, **options)
    run(first, params, 20)
    second = theirs(params, **options, **more)
    second.load_state_dict(first.state_dict())
    assert_close(run(second, params, 20, first=20)[-1], expected[-1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("ours", "theirs"), [(o, o) for o in ALL if o is not Momentum and o is not Nesterov])
def test_defaults_are_those_of_torch(ours, theirs):
    twin = getattr(torch.optim, theirs.__name__)(start()).param_groups[0]
    group = ours(start()).param_groups[0]
    # an older torch has no name for the kind of decay
    shared = [name for name in group if name not in ("params", "average") and name in twin]
    assert len(shared) >= len(group) - 3
    assert {name: group[name] for name in shared} == {name: twin[name] for name in shared}


@pytest.mark.parametrize("ours", ALL)
def test_a_state_without_a_step_loads_in_torchs(ours):
    name = {"Momentum": "SGD", "Nesterov": "SGD"}.get(ours.__name__, ours.__name__)
    params, twins = start(), start()
    theirs = getattr(torch.optim, name)(params)
    theirs.load_state_dict(ours(start(), lr=0.01).state_dict())
    try:
        found = run(theirs, params, 3)
    except KeyError:  # Adagrad of torch 2.6 makes its sums in the constructor, and loading takes them away
        assert name == "Adagrad"
        pytest.skip("this torch's Adagrad goes on from no state that has no sums, its own among them")
    assert_close(found, run(ours(twins, lr=0.01), twins, 3))


@pytest.mark.parametrize("ours", ALL)
def test_groups_have_options_of_their_own_and_a_schedule_changes_the_rate(ours):
    def groups(params):
        return [{"params": params[:2], "lr": 0.03, "weight_decay": 0.2}, {"params": params[2:]}]

    name = {"Momentum": "SGD", "Nesterov": "SGD"}.get(ours.__name__, ours.__name__)
    more = {"Momentum": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9, "nesterov": True}}.get(ours.__name__, {})
    mine, yours = start(), start()
    pair = ours(groups(mine), lr=0.01), getattr(torch.optim, name)(groups(yours), lr=0.01, **more)
    schedules = [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9) for optimizer in pair]
    for step in range(20):
        run(pair[0], mine, 1, first=step)
        run(pair[1], yours, 1, first=step)
        for schedule in schedules:
            schedule.step()
    assert_close(mine, yours, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ours", ALL)
def test_not_a_number_spreads_as_in_torch(ours):
    name = {"Momentum": "SGD", "Nesterov": "SGD"}.get(ours.__name__, ours.__name__)
    more = {"Momentum": {"momentum": 0.9}, "Nesterov": {"momentum": 0.9, "nesterov": True}}.get(ours.__name__, {})
    ends = []
    for make in (ours, lambda params: getattr(torch.optim, name)(params, lr=ours(start()).defaults["lr"], **more)):
        p = torch.ones(4, dtype=torch.float64, requires_grad=True)
        optimizer = make([p])
        for grad in ([1.0, math.nan, math.inf, 0.0], [1.0, 1.0, 1.0, 0.0]):
            p.grad = torch.tensor(grad, dtype=torch.float64)
            optimizer.step()
        ends.append(p.detach())
    assert_close(*ends, equal_nan=True)
    assert torch.isfinite(ends[0][0])
    assert torch.isnan(ends[0][1])


# Steps worked by hand


def moved(optimizer, p, *gradients):
    for grad in gradients:
        p.grad = torch.as_tensor(grad, dtype=torch.float64).expand(p.shape)
        optimizer.step()
    return p.detach()


def point(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def test_two_steps_of_momentum_by_hand():
    # v = 2, p = 1 - 0.2; v = 1 + 4, p = 0.8 - 0.5
    p = point(1.0)
    assert_close(moved(Momentum([p], lr=0.1, momentum=0.5), p, 2.0, 4.0), torch.tensor([0.3], dtype=torch.float64))


def test_two_steps_of_the_moving_average_by_hand():
    # v = 0.5 · 2 = 1, p = 1 - 0.1; v = 0.5 · 1 + 0.5 · 4 = 2.5, p = 0.9 - 0.25
    p = point(1.0)
    found = moved(Momentum([p], lr=0.1, momentum=0.5, average=True), p, 2.0, 4.0)
    assert_close(found, torch.tensor([0.65], dtype=torch.float64))


def test_two_steps_of_nesterov_by_hand():
    # v = 2, p = 1 - 0.1 (2 + 0.5 · 2); v = 1 + 4, p = 0.7 - 0.1 (4 + 0.5 · 5)
    p = point(1.0)
    assert_close(moved(Nesterov([p], lr=0.1, momentum=0.5), p, 2.0, 4.0), torch.tensor([0.05], dtype=torch.float64))


def test_two_steps_of_adagrad_by_hand():
    # sums 9 and 25: 1 - 3/3 = 0, then 0 - 4/5
    p = point(1.0)
    assert_close(moved(Adagrad([p], lr=1.0, eps=0), p, 3.0, 4.0), torch.tensor([-0.8], dtype=torch.float64))


def test_two_steps_of_rmsprop_by_hand():
    # averages 0.75 · 0 + 0.25 · 16 = 4 and 0.75 · 4 + 0.25 · 24 = 9: 1 - 4/2 = -1, then -1 - √24/3
    p = point(1.0)
    found = moved(RMSprop([p], lr=1.0, alpha=0.75, eps=0), p, 4.0, math.sqrt(24))
    assert_close(found, torch.tensor([-1 - math.sqrt(24) / 3], dtype=torch.float64))


def test_two_steps_of_adam_by_hand():
    # β = (1/2, 3/4). m = 1, v = 1, corrected 2 and 4: 1 - 2/2 = 0.
    # m = 1/2 + 3 = 3.5, over 3/4 = 14/3; v = 3/4 + 9 = 39/4, over 7/16 = 156/7: 0 - (14/3) / √(156/7)
    p = point(1.0)
    found = moved(Adam([p], lr=1.0, betas=(0.5, 0.75), eps=0), p, 2.0, 6.0)
    assert_close(found, torch.tensor([-(14 / 3) / math.sqrt(156 / 7)], dtype=torch.float64))


def test_amsgrad_keeps_the_largest_average():
    # β₂ = 1/2: v = 8, then 4 + 0.5 = 4.5 < 8. The first step is 1, the second 1 / √(8 / (3/4))
    p = point(0.0)
    found = moved(Adam([p], lr=1.0, betas=(0.0, 0.5), eps=0, amsgrad=True), p, 4.0, 1.0)
    assert_close(found, torch.tensor([-1 - 1 / math.sqrt(8 / 0.75)], dtype=torch.float64))


def test_decay_by_hand_of_both_kinds():
    # no gradient of the loss: AdamW shrinks by 1 - 0.1 · 0.5, Adam sees the gradient 0.5 p and steps by lr
    for kind, expected in ((AdamW, [1.9, 190.0]), (Adam, [1.9, 199.9])):
        p = point(2.0, 200.0)
        found = moved(kind([p], lr=0.1, weight_decay=0.5, eps=0), p, 0.0) if kind is Adam else moved(
            kind([p], lr=0.1, weight_decay=0.5), p, 0.0
        )  # fmt: skip
        assert_close(found, torch.tensor(expected, dtype=torch.float64))


# What is proved


def bowl(kappa):
    return torch.logspace(0, math.log10(kappa), 5, dtype=torch.float64)


def descend(make, curvature, steps, **options):
    p = torch.ones_like(curvature).requires_grad_()
    optimizer = make([p], **options)
    lengths = []
    for _ in range(steps):
        p.grad = curvature * p.detach()
        optimizer.step()
        lengths.append(p.detach().norm().item())
    return lengths, p.detach()


def test_the_moving_average_is_heavy_ball_with_a_smaller_rate():
    average = descend(Momentum, bowl(25), 200, lr=0.3, momentum=0.8, average=True)[1]
    ball = descend(Momentum, bowl(25), 200, lr=0.3 * 0.2, momentum=0.8)[1]
    assert_close(average, ball, rtol=1e-9, atol=1e-15)
    damped = descend(torch.optim.SGD, bowl(25), 3, lr=0.3, momentum=0.8, dampening=0.8)[1]
    assert (damped - descend(Momentum, bowl(25), 3, lr=0.3, momentum=0.8, average=True)[1]).abs().max() > 0.5


def test_an_average_loads_in_torchs_with_dampening():
    mine, yours = start(), start()
    expected = run(Momentum(mine, lr=0.01, average=True), mine, 40)
    first = Momentum(yours, lr=0.01, average=True)
    run(first, yours, 20)
    second = torch.optim.SGD(yours, lr=1.0)
    second.load_state_dict(first.state_dict())
    assert_close(run(second, yours, 20, first=20)[-1], expected[-1], rtol=1e-10, atol=1e-12)
    third = Momentum(yours, lr=1.0)
    third.load_state_dict(first.state_dict())
    assert third.param_groups[0]["average"]


@pytest.mark.parametrize("kappa", [4, 25, 100])
def test_the_rate_of_heavy_ball_is_polyaks(kappa):
    root = math.sqrt(kappa)
    rate = (root - 1) / (root + 1)
    lengths, _ = descend(Momentum, bowl(kappa), 400, lr=4 / (root + 1) ** 2, momentum=rate**2)
    measured = (lengths[299] / lengths[99]) ** (1 / 200)
    assert rate < measured < rate ** (1 - 3 / 200) * 1.01  # a double root: k times rate to the k


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_nesterov_is_the_step_ahead(momentum):
    """Sutskever et al., eq. (3) and (4), written out; the parameters of ours are the point ahead."""
    curvature, lr = bowl(25), 0.02
    theta, v = torch.ones(5, dtype=torch.float64), torch.zeros(5, dtype=F64)
    for _ in range(50):
        v = momentum * v - lr * curvature * (theta + momentum * v)
        theta = theta + v
    ours = descend(Nesterov, curvature, 50, lr=lr, momentum=momentum)[1]
    assert_close(ours, theta + momentum * v, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_adam_does_not_feel_the_scale_of_the_gradient(scale):
    """Scaled by a power of two, with eps scaled alike, the path is the same to the last bit."""
    ends = []
    for c in (1.0, scale):
        params = start()
        optimizer = Adam(params, lr=0.1, eps=1e-3 * c)
        for step in range(50):
            pull(params, step)
            for p in params:
                if p.grad is not None:
                    p.grad *= c
            optimizer.step()
        ends.append([p.detach() for p in params])
    assert_close(*ends, rtol=0, atol=0)


@pytest.mark.parametrize("make", [Adam, AdamW])
def test_the_first_step_of_adam_has_the_length_of_the_rate(make):
    p = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    p.grad = torch.tensor([1e-3, -1.0, 10.0, -1e6, 1e5], dtype=torch.float64)
    make([p], lr=0.25).step()
    assert_close(p.detach(), -0.25 * p.grad.sign(), rtol=1e-4, atol=0)


def test_adam_goes_to_the_wrong_end_and_amsgrad_does_not():
    """Reddi et al. (2018), Theorem 1 with C = 4: slopes C, -1, -1 on [-1, 1], β₁ = 0, β₂ = 1 / (1 + C²)."""
    ends = {}
    for amsgrad in (False, True):
        p = point(0.0)
        optimizer = Adam([p], lr=0.1, betas=(0.0, 1 / 17), eps=0, amsgrad=amsgrad)
        for t in range(300):
            p.grad = torch.tensor([4.0 if t % 3 == 0 else -1.0], dtype=torch.float64)
            optimizer.step()
            with torch.no_grad():
                p.clamp_(-1, 1)
        ends[amsgrad] = p.item()
    assert ends[False] > 0.5
    assert ends[True] < -0.9


# How they are used


@pytest.mark.parametrize("ours", ALL)
def test_a_closure_is_called_once_with_gradients_on(ours):
    p = point(3.0)
    optimizer = ours([p], lr=0.1)
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 9
    assert calls == [True]
    assert p.item() < 3
    assert optimizer.step() is None


@pytest.mark.parametrize("ours", ALL)
def test_gradients_stay_as_they_are_and_none_moves_nothing(ours):
    p, still = point(3.0, 4.0), point(5.0)
    grad = torch.tensor([1.0, -2.0], dtype=torch.float64)
    p.grad = grad
    optimizer = ours([p, still], lr=0.1, weight_decay=0.1, maximize=True)
    optimizer.step()
    assert p.grad is grad
    assert grad.tolist() == [1, -2]
    assert still.item() == 5
    assert still not in optimizer.state
    p.grad = None
    before = p.detach().clone()
    optimizer.step()
    assert torch.equal(p.detach(), before)


@pytest.mark.parametrize("ours", ALL)
def test_parameters_of_several_types_and_none_at_all(ours):
    params = [torch.ones(3, dtype=dtype, requires_grad=True) for dtype in (torch.float32, F64, torch.bfloat16)]
    params.append(torch.ones(0, requires_grad=True))
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer = ours(params, lr=0.125)
    for _ in range(2):
        optimizer.step()
    assert [p.dtype for p in params[:3]] == [torch.float32, F64, torch.bfloat16]
    assert_close(params[0].double(), params[1], rtol=1e-5, atol=1e-6)
    assert_close(params[2].double(), params[1], rtol=0, atol=0.02)
    assert (params[1] < 1).all()


@pytest.mark.parametrize("ours", ALL)
def test_a_copy_goes_its_own_way(ours):
    params = start()
    optimizer = ours(params, lr=0.01)
    run(optimizer, params, 3)
    pair = copy.deepcopy((optimizer, params))
    assert_close(run(*pair, 5, first=3), run(optimizer, params, 5, first=3), rtol=0, atol=0)


# Bad input


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (SGD, {"lr": -0.1}, "lr is a number, at least 0 and finite, found -0.1"),
        (SGD, {"lr": math.nan}, "found nan"),
        (Adam, {"lr": math.inf}, "found inf"),
        (Adam, {"lr": torch.tensor(0.1)}, r"found tensor\(0.1"),
        (Momentum, {"momentum": 1.0}, "momentum is a number, at least 0 and below 1, found 1.0"),
        (Momentum, {"momentum": -0.5}, "found -0.5"),
        (Momentum, {"average": True, "dampening": 0.5}, "dampening is 0, found 0.5"),
        (SGD, {"dampening": math.nan}, "dampening is a number"),
        (SGD, {"weight_decay": -1}, "weight_decay is a number, at least 0 and finite, found -1"),
        (SGD, {"nesterov": True}, "nesterov wants a momentum and no dampening, found 0 and 0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.5}, "found 0.9 and 0.5"),
        (Nesterov, {"momentum": 0}, "nesterov wants a momentum"),
        (Adagrad, {"lr_decay": -1}, "lr_decay is a number"),
        (Adagrad, {"initial_accumulator_value": -1}, "initial_accumulator_value is a number"),
        (Adagrad, {"eps": -1}, "eps is a number"),
        (RMSprop, {"alpha": 1.0}, "alpha is a number, at least 0 and below 1, found 1.0"),
        (RMSprop, {"momentum": 1.0}, "momentum is a number"),
        (RMSprop, {"eps": math.nan}, "eps is a number"),
        (Adam, {"betas": (0.9, 1.0)}, "betas is a number, at least 0 and below 1, found 1.0"),
        (Adam, {"betas": 0.9}, "betas are two numbers, found 0.9"),
        (AdamW, {"betas": (0.9,)}, r"betas are two numbers, found \(0.9,\)"),
        (AdamW, {"eps": -1e-8}, "eps is a number"),
    ],
)
def test_impossible_options_are_refused(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(start(), **options)


def test_impossible_options_of_a_group_are_refused_before_it_is_added():
    optimizer = Adam(start())
    with pytest.raises(ValueError, match="lr is a number, at least 0 and finite, found -1"):
        optimizer.add_param_group({"params": [point(1.0)], "lr": -1})
    assert len(optimizer.param_groups) == 1
    with pytest.raises(ValueError, match="found 2"):
        Momentum([{"params": start(), "momentum": 2}])


@pytest.mark.parametrize("ours", ALL)
def test_sparse_gradients_are_refused_before_anything_moves(ours):
    p, table = point(1.0), torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    p.grad = torch.ones_like(p)
    table.grad = torch.ones(4, 3, dtype=torch.float64).to_sparse()
    with pytest.raises(ValueError, match=r"dense and real, found torch.sparse_coo of torch.float64, shape \(4, 3\)"):
        ours([p, table], lr=0.1).step()
    assert p.item() == 1


def test_complex_parameters_are_refused():
    p = torch.ones(2, dtype=torch.complex128, requires_grad=True)
    p.grad = torch.ones_like(p)
    with pytest.raises(ValueError, match="found torch.strided of torch.complex128"):
        SGD([p]).step()


@pytest.mark.parametrize(
    ("make", "other", "missing"),
    [(Adam, SGD, "amsgrad, betas, eps"), (SGD, Adam, "dampening, momentum, nesterov"), (RMSprop, Adagrad, "alpha")],
)
def test_states_of_other_optimizers_are_refused(make, other, missing):
    with pytest.raises(ValueError, match=f"{make.__name__} needs {missing}"):
        make(start()).load_state_dict(other(start()).state_dict())


def test_a_class_keeps_its_meaning_when_it_loads():
    plain = torch.optim.SGD(start(), momentum=0.9).state_dict()
    assert Nesterov(start()).param_groups[0]["nesterov"]
    for make, expected in ((Nesterov, True), (Momentum, False), (SGD, False)):
        optimizer = make(start())
        optimizer.load_state_dict(plain)
        assert optimizer.param_groups[0]["nesterov"] is expected
    ahead = Momentum(start())
    ahead.load_state_dict(torch.optim.SGD(start(), momentum=0.9, nesterov=True).state_dict())
    assert ahead.param_groups[0]["nesterov"] is False
    decayed = AdamW(start())
    decayed.load_state_dict(torch.optim.Adam(start(), weight_decay=0.1).state_dict())
    assert decayed.param_groups[0]["decoupled_weight_decay"] is True


@pytest.mark.parametrize("kind", ["Adam", "RMSprop", "SGD", "Adagrad"])
def test_a_state_of_torchs_with_a_rate_that_is_a_tensor_goes_on(kind):
    theirs_p, ours_p = (nn.Parameter(torch.ones(3, dtype=torch.float64)) for _ in range(2))
    theirs = getattr(torch.optim, kind)([theirs_p], lr=torch.tensor(0.125), foreach=False)
    ours = getattr(module, kind)([ours_p])
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    for p, optimizer in ((theirs_p, theirs), (ours_p, ours)):
        p.grad = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
        optimizer.step()
    assert_close(ours_p, theirs_p, rtol=1e-12, atol=0)
    assert ours.param_groups[0]["lr"] == 0.125


def test_a_state_that_the_constructor_would_refuse_is_refused_and_changes_nothing():
    p = nn.Parameter(torch.ones(2))
    ours, plain = Nesterov([p], lr=0.5), torch.optim.SGD([p], lr=0.25)
    with pytest.raises(ValueError, match="nesterov wants a momentum"):
        ours.load_state_dict(plain.state_dict())
    assert ours.param_groups[0]["lr"] == 0.5
