"""Which device computes, and in which precision."""

from __future__ import annotations

import torch

from trainer.errors import ConfigError
from trainer.steps import Precision


def resolve(name: str = "auto") -> torch.device:
    """`auto` is CUDA where there is one, then MPS, then the CPU.

    Raises:
        ConfigError: the named device is not there.
    """
    cuda = torch.cuda.is_available()
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
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
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        has: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16") or has.get("bf16"))
    return False


def precision(device: torch.device, wanted: str = "auto") -> Precision:
    """bfloat16 autocast when asked for, or on `auto` where the device is fast at it."""
    half = wanted == "bf16" or (wanted == "auto" and _fast_bfloat16(device))
    return Precision(device.type, torch.bfloat16 if half else torch.float32)


def describe(device: torch.device) -> str:
    """A short name for a status bar."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} threads"
    return str(device)
