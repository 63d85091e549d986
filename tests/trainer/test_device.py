"""Guessing the device without torch."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from trainer import device


class Driver:
    """NVIDIA's driver library, as far as it is asked."""

    def __init__(self, gpus: int, error: int = 0) -> None:
        self.gpus, self.error = gpus, error

    def cuInit(self, flags: int) -> int:
        return self.error

    def cuDeviceGetCount(self, count: object) -> int:
        count._obj.value = self.gpus  # type: ignore[attr-defined]
        return 0


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, version: str, driver: Driver | None) -> None:
    """A Linux machine with a torch whose version file says `version`, and a driver or none."""

    def load(name: str) -> Driver:
        if driver is None:
            raise OSError(f"{name}: cannot open shared object file")
        return driver

    spec = ModuleSpec("torch", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    (folder / "version.py").write_text(version)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


CUDA = "__version__ = '3.0'\ncuda: Optional[str] = '13.2'\nhip: Optional[str] = None\n"
CPU = "__version__ = '3.0'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"


@pytest.mark.parametrize(
    ("version", "driver", "guess"),
    [
        (CUDA, Driver(1), "cuda"),
        (CUDA, Driver(0), "cpu"),
        (CUDA, Driver(1, error=100), "cpu"),
        (CUDA, None, "cpu"),
        (CPU, Driver(1), "cpu"),
    ],
)
def test_that_auto_is_cuda_where_torch_and_a_driver_know_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, driver: Driver | None, guess: str
) -> None:
    install(monkeypatch, tmp_path, version, driver)
    assert device.guess() == guess


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_that_hidden_gpus_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hidden: str) -> None:
    install(monkeypatch, tmp_path, CUDA, Driver(1))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert device.guess() == "cpu"


@pytest.mark.parametrize(("machine", "guess"), [("arm64", "mps"), ("x86_64", "cpu")])
def test_that_auto_is_mps_on_apple_silicon(monkeypatch: pytest.MonkeyPatch, machine: str, guess: str) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(device.platform, "machine", lambda: machine)
    assert device.guess() == guess


@pytest.mark.parametrize(("name", "guess"), [("cpu", "cpu"), ("cuda:1", "cuda"), ("mps", "mps")])
def test_that_a_named_device_is_taken_at_its_word(name: str, guess: str) -> None:
    assert device.guess(name) == guess


def test_that_the_guess_agrees_with_torch_here_and_imports_none() -> None:
    code = "import sys; from trainer import device; print(device.guess(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == [device.resolve().type, "False"]


def test_that_the_version_file_is_where_the_guess_looks() -> None:
    built = "cuda" if torch.version.cuda else "hip" if torch.version.hip else "cpu"
    assert device._torch_build() == built
