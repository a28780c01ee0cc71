"""The loop against a loop written out, against itself after a kill, and against itself in two processes."""

import os
import random
import runpy
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from torch import Generator, nn
from torch.nn import functional as F

from common import stream
from dlbook.data import Batches
from dlbook.optimization.schedules import step_decay
from dlbook.training import accuracy, evaluate, fit

X = torch.randn(37, 5, generator=Generator().manual_seed(1), dtype=torch.float64)
Y = (X[:, 0] * X[:, 1] > 0).long()


def batches(size: int = 8) -> Batches:
    return Batches(X, Y, size, generator=Generator().manual_seed(2))


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.3), nn.Linear(7, 2)).double()


def test_equals_a_loop_written_out():
    ours, theirs = network(), network()
    torch.manual_seed(4)
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    losses = fit(ours, F.cross_entropy, batches(), optimizer, epochs=3, progress=False)

    torch.manual_seed(4)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    order, expected = Generator().manual_seed(2), []
    for _ in range(3):
        total = 0.0
        for rows in torch.randperm(37, generator=order).split(8):
            optimizer.zero_grad()
            loss = F.cross_entropy(theirs(X[rows]), Y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        expected.append(total / 37)
    assert losses == expected
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_the_schedule_steps_after_every_update():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 0.5**update)
    fit(model, F.cross_entropy, batches(), optimizer, epochs=2, schedule=schedule, progress=False)
    assert optimizer.param_groups[0]["lr"] == 0.5**10  # five batches an epoch, the last of five rows


def test_a_function_of_the_step_is_a_schedule():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(model, F.cross_entropy, batches(), optimizer, epochs=2, schedule=step_decay(1, factor=0.5), progress=False)
    assert optimizer.param_groups[0]["lr"] == 0.5**10


@pytest.mark.parametrize("kind", ["list", "loader"])
def test_any_batches_that_can_be_iterated_again_train_alike(kind, tmp_path):
    pairs = list(zip(X.split(8), Y.split(8), strict=True))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=8, generator=stream())
    trained = []
    for given in (Batches(X, Y, 8, generator=None), pairs if kind == "list" else loader):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        path = tmp_path / f"{len(trained)}"
        options = {"epochs": 2, "checkpoint": path, "progress": False}
        trained.append((fit(model, F.cross_entropy, given, optimizer, **options), model.state_dict()))
        assert evaluate(model, given, F.cross_entropy) == evaluate(
            model, Batches(X, Y, 8, generator=None), F.cross_entropy
        )
    assert trained[0][0] == trained[1][0]
    assert all(torch.equal(trained[0][1][name], trained[1][1][name]) for name in trained[0][1])


def another_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network().parameters(), lr=0.1)


def own_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(list(model.parameters()) or [nn.Parameter(torch.zeros(1))], lr=0.1)


@pytest.mark.parametrize(
    ("model", "optimizer", "data", "words"),
    [
        (nn.Flatten(), own_optimizer, batches(), "nothing to train: Flatten has no parameters"),
        (network(), another_optimizer, batches(), "4 parameters, none of which belongs to the model"),
        (network(), own_optimizer, iter(batches()), "once an epoch: .* found generator"),
        (network(), own_optimizer, 7, "found int"),
    ],
)
def test_what_cannot_train_is_refused_before_the_first_step(model, optimizer, data, words):
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ValueError, match=words):
        fit(model, F.cross_entropy, data, optimizer(model), epochs=1, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


def test_progress_is_one_line_without_times(capsys):
    model = network()
    losses = fit(model, F.cross_entropy, batches(), torch.optim.SGD(model.parameters(), lr=0.1), epochs=2)
    captured = capsys.readouterr()
    assert captured.out == f"loss by epoch: {losses[0]:.4f}, {losses[1]:.4f}\n"
    assert captured.err == ""


def test_a_loss_that_is_not_finite_is_named_before_it_reaches_the_weights():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    calls = 0

    def explodes(logits, y):
        nonlocal calls
        calls += 1
        kept.append([p.detach().clone() for p in model.parameters()])
        return F.cross_entropy(logits, y) * (float("nan") if calls == 7 else 1)

    kept: list[list[torch.Tensor]] = []
    with pytest.raises(FloatingPointError, match=r"nan at step 6, with learning rate 0\.25"):
        fit(model, explodes, batches(), optimizer, epochs=2, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), kept[-1], strict=True))


def test_epochs_below_one_are_refused():
    model = network()
    with pytest.raises(ValueError, match="found 0"):
        fit(model, F.cross_entropy, batches(), torch.optim.SGD(model.parameters(), lr=0.1), epochs=0)


RUN = """
    import os, signal, sys, torch
    from pathlib import Path
    from torch import Generator, nn
    from torch.nn import functional as F
    import dlbook.training as training
    from dlbook.data import Batches

    class OwnDropout(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = Generator().manual_seed(7)

        def forward(self, x):
            return x * (torch.rand(x.shape, generator=self.generator) > 0.2) if self.training else x

    def train(path, die_at):
        training.SAVE_EVERY = 0.0  # after every step, so that a kill can fall between any two
        torch.manual_seed(3)
        x = torch.randn(37, 5, generator=Generator().manual_seed(1))
        y = (x[:, 0] * x[:, 1] > 0).long()
        model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.3), OwnDropout(), nn.Linear(7, 2))
        batches = Batches(x, y, 8, generator=Generator().manual_seed(2))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
        steps = 0
        def loss_fn(logits, target):
            nonlocal steps
            steps += 1
            if steps == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return F.cross_entropy(logits, target)
        options = dict(epochs=4, schedule=schedule, checkpoint=path, progress=False)
        losses = training.fit(model, loss_fn, batches, optimizer, **options)
        torch.save([losses, model.state_dict(), optimizer.state_dict()], path.with_suffix(".end"))

    for name, die_at in zip(sys.argv[2::2], sys.argv[3::2]):
        child = os.fork()  # a process each, without starting Python and torch for each
        if child == 0:
            train(Path(sys.argv[1]) / name, int(die_at))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_run_killed_at_random_steps_ends_with_the_same_weights_bit_for_bit(tmp_path):
    seed = int(time.time())
    steps = random.Random(seed)
    runs = ["straight", "0", "broken", f"{steps.randint(2, 9)}", "broken", f"{steps.randint(2, 9)}", "broken", "0"]
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(tmp_path), *runs]
    ends = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.split()
    assert ends == ["0", f"{-signal.SIGKILL}", f"{-signal.SIGKILL}", "0"]
    straight, broken = (torch.load(tmp_path / f"{name}.end", weights_only=True) for name in ("straight", "broken"))
    assert straight[0] == broken[0], f"seed {seed}"
    for name, weight in straight[1].items():
        assert torch.equal(weight, broken[1][name]), f"{name}, seed {seed}"


def test_a_run_taken_up_for_more_epochs_equals_one_long_run(tmp_path):
    long, short = network(), network()
    fit(
        long,
        F.cross_entropy,
        batches(),
        torch.optim.Adam(long.parameters()),
        epochs=3,
        checkpoint=tmp_path / "a",
        progress=False,
    )
    torch.manual_seed(3)
    short = network()
    optimizer = torch.optim.Adam(short.parameters())
    fit(short, F.cross_entropy, batches(), optimizer, epochs=1, checkpoint=tmp_path / "b", progress=False)
    torch.manual_seed(1234)  # the checkpoint holds the stream, whatever was drawn since
    again = network()
    fit(
        again,
        F.cross_entropy,
        batches(),
        torch.optim.Adam(again.parameters()),
        epochs=3,
        checkpoint=tmp_path / "b",
        progress=False,
    )
    assert all(torch.equal(a, b) for a, b in zip(long.parameters(), again.parameters(), strict=True))


DISTRIBUTED = """
    import sys, torch
    from torch import Generator, nn
    from torch.nn import functional as F
    import torch.distributed as dist
    from dlbook.data import Batches
    from dlbook.training import fit

    torch.manual_seed(3)
    x = torch.randn(37, 5, generator=Generator().manual_seed(1), dtype=torch.float64)
    y = (x[:, 0] * x[:, 1] > 0).long()
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2)).double()
    batches = Batches(x, y, 8, generator=Generator().manual_seed(2))  # five batches, the last of five rows: 3 and 2
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    path, epochs = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else (None, 3)
    losses = fit(model, F.cross_entropy, batches, optimizer, epochs=epochs, checkpoint=path, progress=False)
    if not dist.is_initialized() or dist.get_rank() == 0:
        torch.save([losses, model.state_dict()], sys.argv[1])
    if dist.is_initialized():
        dist.destroy_process_group()
"""


def test_two_processes_reach_the_weights_of_one(tmp_path, monkeypatch):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(DISTRIBUTED))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    local = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run(
        [*torchrun, str(script), str(tmp_path / "two")], check=True, env=local, capture_output=True, timeout=120
    )
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "one")])
    runpy.run_path(str(script))
    # one process for an epoch, two for the others
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "first"), str(tmp_path / "shared"), "1"])
    runpy.run_path(str(script))
    resumed = [*torchrun, str(script), str(tmp_path / "both"), str(tmp_path / "shared"), "3"]
    subprocess.run(resumed, check=True, env=local, capture_output=True, timeout=120)
    both = torch.load(tmp_path / "both", weights_only=True)
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one", "two"))
    assert both[0] == pytest.approx(one[0], rel=1e-12)
    for name, weight in both[1].items():
        torch.testing.assert_close(weight, one[1][name], rtol=1e-12, atol=1e-14)
    assert one[0] == pytest.approx(two[0], rel=1e-12)
    for name, weight in one[1].items():
        torch.testing.assert_close(weight, two[1][name], rtol=1e-12, atol=1e-14)


def test_evaluate_is_the_mean_over_examples_and_leaves_everything_as_it_was():
    model = network()
    model[0].eval()
    data = batches(8)
    next(iter(data))
    position, modes = data.state_dict(), [m.training for m in model.modules()]
    found = evaluate(model, data, lambda logits, y: F.cross_entropy(logits, y))
    model_eval = network().eval()
    assert found == pytest.approx(F.cross_entropy(model_eval(X), Y).item(), rel=1e-12)
    assert [m.training for m in model.modules()] == modes
    assert data.state_dict()["next"] == position["next"]
    assert torch.equal(data.state_dict()["generator"], position["generator"])


def test_evaluate_restores_the_modes_after_an_error():
    model = network()
    with pytest.raises(ZeroDivisionError):
        evaluate(model, batches(), lambda logits, y: 1 / 0)
    assert all(m.training for m in model.modules())


def test_accuracy_counts_by_hand():
    logits = torch.tensor([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    assert accuracy(logits, torch.tensor([1, 0, 0, 0])).item() == 0.75
