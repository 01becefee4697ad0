"""Counts this machine's GPUs without torch, whose import takes seconds."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["gpus"]

_AMD = Path("/sys/class/kfd/kfd/topology/nodes")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def gpus() -> int:
    """NVIDIA's or AMD's GPUs that the environment makes visible to this process, counted as Ray
    does."""
    found = _nvidia() or _amd()
    return min([found, *(_named(os.environ[name]) for name in _VISIBLE if name in os.environ)])


def _named(visible: str) -> int:
    """The number of devices in a variable such as CUDA_VISIBLE_DEVICES: those before the first
    invalid one, as CUDA reads it."""
    count = 0
    for name in visible.split(","):
        if name.strip() in ("", "-1", "NoDevFiles"):
            break
        count += 1
    return count


def _nvidia() -> int:
    """Asks the driver's own library."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return 0
    count = ctypes.c_uint(0)
    if nvml.nvmlInit_v2() != 0:
        return 0
    answered = nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    nvml.nvmlShutdown()
    return count.value if answered == 0 else 0


def _amd() -> int:
    """The nodes of the driver's topology with a GPU; a CPU is a node as well."""
    count = 0
    for node in _AMD.glob("*/gpu_id"):
        with suppress(OSError):  # a node that a container may not see
            count += node.read_text().strip() != "0"
    return count
