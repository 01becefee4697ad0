"""What the figures were measured on."""

import os
import platform
import shutil
import subprocess
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import torch

from benchmarks.gpu.part import Figure, Tell

__all__ = ["machine"]

PACKAGES = ("numpy", "pydantic", "safetensors", "torchvision", "triton")


def machine(dry: bool, tell: Tell) -> None:
    """Device, driver, versions, commit and date."""
    tell(
        {
            "device": "cpu" if dry else torch.cuda.get_device_name(),
            "gpu_gib": None if dry else torch.cuda.get_device_properties(0).total_memory / 2**30,
            "driver": None if dry else _said("nvidia-smi", "--query-gpu=driver_version"),
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)),
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "commit": _said("git", "rev-parse", "--short=12", "HEAD"),
            "versions": versions(),
        }
    )


def versions() -> Figure:
    found: Figure = {"python": platform.python_version(), "torch": torch.__version__}
    found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    for name in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _said(*command: str) -> str | None:
    """What a program answers, in one line; None where it is not there or fails."""
    if command[0] == "nvidia-smi":
        command = (*command, "--format=csv,noheader")
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout else None


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
