"""A file that a user writes type-checks strictly against the package, and its mistakes are seen."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GOOD = """
import numpy as np
import torch
from torch import Tensor

from dlbook.backprop.autograd import Tensor as Variable
from dlbook.backprop.mlp import MLP
from dlbook.convolution.convolution import Conv2d
from dlbook.convolution.lenet import LeNet5
from dlbook.data import Batches, king_james, mnist, sentence_pairs
from dlbook.foundations.losses import cross_entropy, hinge
from dlbook.optimization.optimizers import Adam
from dlbook.optimization.schedules import cosine
from dlbook.perceptron.perceptron import Perceptron
from dlbook.training import accuracy, evaluate, fit

data = mnist()
x: Tensor = data.x_train.flatten(1) / 255
batches = Batches(x, data.y_train, 100, generator=torch.Generator().manual_seed(0))
model = MLP((784, 100, 10))
optimizer = Adam(model.parameters(), lr=1e-3)
losses: list[float] = fit(model, cross_entropy, batches, optimizer, epochs=1, schedule=cosine(100))
score: float = evaluate(model, batches, accuracy)
maps: Tensor = Conv2d(1, 3, 5, padding="same")(data.x_test[:1] / 255)
loss: Tensor = hinge(torch.ones(2), torch.ones(2), reduction="sum")
logits: Tensor = LeNet5()(torch.zeros(1, 1, 32, 32))
mistakes: list[int] = Perceptron(rng=np.random.default_rng(0)).fit([[1.0], [-1.0]], [1, -1]).mistakes
Variable([1.0], requires_grad=True).sum().backward()
words: list[str] = king_james() + [french for _, french in sentence_pairs()]
"""
BAD = """
import torch

from dlbook.backprop.mlp import MLP
from dlbook.data import Batches, king_james
from dlbook.foundations.losses import hinge

hinge(torch.ones(2), torch.ones(2), reduction="average")
MLP(784)
Batches(torch.ones(2), torch.ones(2), "two", generator=None)
text: str = king_james()
"""


def check(folder: Path, code: str) -> tuple[int, str]:
    pytest.importorskip("mypy")
    file = folder / "user.py"
    file.write_text(code)
    # silent: as for an installed package, the user's own file is judged
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--no-error-summary"]
    options.append(f"--cache-dir={ROOT / '.mypy_cache' / 'user'}")
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(file)],
        capture_output=True, text=True, check=False, cwd=folder, env=environment,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_what_a_user_writes_is_well_typed(tmp_path):
    assert check(tmp_path, GOOD) == (0, "")


def test_what_a_user_gets_wrong_is_seen(tmp_path):
    status, said = check(tmp_path, BAD)
    assert status == 1
    assert re.findall(r"user\.py:(\d+): error", said) == ["8", "9", "10", "11"]
