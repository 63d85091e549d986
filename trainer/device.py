"""Which device computes, and in which precision; torch is imported only by what returns its types."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from trainer.steps import Precision


def guess(name: str = "auto") -> str:
    """The type of device ("cuda", "mps", "cpu") that `resolve` would most likely choose, without torch.

    Only `resolve` knows: a driver may be too old for the torch that is installed.
    """
    if name != "auto":
        return name.partition(":")[0]
    if sys.platform == "darwin":
        return "mps" if platform.machine() == "arm64" else "cpu"
    built = _torch_build()
    there = (built == "cuda" and _nvidia_gpus()) or (built == "hip" and Path("/dev/kfd").exists())
    return "cuda" if there else "cpu"


def _torch_build() -> str:
    """What the torch that is installed was built for, as its version file says: "cuda", "hip" or "cpu"."""
    found = importlib.util.find_spec("torch")
    for folder in (found.submodule_search_locations or ()) if found else ():
        with contextlib.suppress(OSError):
            text = (Path(folder) / "version.py").read_text(encoding="utf-8")
            given = re.search(r"^(cuda|hip)\b[^=\n]*= *['\"]", text, re.MULTILINE)
            return given[1] if given else "cpu"
    return "cpu"


def _nvidia_gpus() -> int:
    """How many GPUs NVIDIA's driver offers; it heeds CUDA_VISIBLE_DEVICES itself."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return 0
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def resolve(name: str = "auto", local: int = 0) -> torch.device:
    """`auto` is CUDA where there is one, then MPS, then the CPU.

    Args:
        name: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        local: which of a host's GPUs, where the name does not say.

    Raises:
        ConfigError: the named device is not there.
    """
    import torch

    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    if name == "cuda" and local:
        name = f"cuda:{local}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device = {name!r}: choose auto, cpu, cuda, cuda:N or mps") from error
    if device.type == "cuda" and (not cuda or (device.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(
            f"device = {name!r}: {torch.cuda.device_count()} CUDA devices here; try --device auto"
        )
    if device.type == "mps" and not mps:
        raise ConfigError("device = 'mps': no Metal device here; try --device auto")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"device = {name!r}: choose auto, cpu, cuda, cuda:N or mps")
    return device


def _fast_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"))
    return False


def precision(device: torch.device, wanted: str = "auto") -> Precision:
    """bfloat16 autocast when asked for, or on `auto` where the device is fast at it."""
    import torch

    from trainer.steps import Precision

    if wanted == "fp64":
        return Precision(device.type, torch.float64)
    half = wanted == "bf16" or (wanted == "auto" and _fast_bfloat16(device))
    return Precision(device.type, torch.bfloat16 if half else torch.float32)


def describe(device: torch.device) -> str:
    """A short name for a status bar."""
    import torch

    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} threads"
    return str(device)


def keep_memory() -> None:
    """Ask the C library to keep freed memory for the next step instead of returning it to the system.

    A training step on the CPU frees and takes gigabytes; fresh pages cost it about a tenth of its time.
    Only where glibc manages memory; call it before the first large tensor.
    """
    if not sys.platform.startswith("linux"):
        return
    trim, most_mapped = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(trim, 2**31 - 1)
        libc.mallopt(most_mapped, 0)
