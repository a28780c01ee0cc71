"""Device, threads and budgets follow the environment."""

import pytest
import torch
from threadpoolctl import threadpool_info

from dlbook.device import device, on_gpu, threads


def test_the_environment_overrides(monkeypatch):
    monkeypatch.setenv("DLBOOK_DEVICE", "cpu")
    assert device() == torch.device("cpu")
    monkeypatch.delenv("DLBOOK_DEVICE")
    assert device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["no-such-device", "cuda:99"])
def test_a_device_that_is_not_there_is_named(monkeypatch, name):
    monkeypatch.setenv("DLBOOK_DEVICE", name)
    with pytest.raises(ValueError, match=f"DLBOOK_DEVICE='{name}'"):
        device()


def test_threads_reach_torch_and_blas():
    try:
        threads(2)
        assert torch.get_num_threads() == 2
    finally:
        threads(1)
    assert torch.get_num_threads() == 1
    assert all(pool["num_threads"] == 1 for pool in threadpool_info() if pool["user_api"] == "blas")


def test_no_thread_at_all_is_refused():
    with pytest.raises(ValueError, match="found 0"):
        threads(0)


def test_the_budget_grows_only_on_a_gpu(monkeypatch):
    monkeypatch.setenv("DLBOOK_DEVICE", "cpu")
    assert on_gpu(20, else_=3) == 3
    monkeypatch.setattr("dlbook.device.device", lambda: torch.device("cuda"))
    assert on_gpu(20, else_=3) == 20
