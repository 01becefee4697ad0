"""How many GPUs this machine has for trials, told without torch, which takes seconds to import."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["gpus"]

_AMD = Path("/sys/class/kfd/kfd/topology/nodes")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


def gpus() -> int:
    """NVIDIA's or AMD's, as far as the environment lets this process see them: as Ray counts."""
    found = _nvidia() or _amd()
    return min([found, *(_named(os.environ[name]) for name in _VISIBLE if name in os.environ)])


def _named(visible: str) -> int:
    """How many devices a variable such as CUDA_VISIBLE_DEVICES names: those before the first that
    is none, as CUDA reads it."""
    count = 0
    for name in visible.split(","):
        if name.strip() in ("", "-1", "NoDevFiles"):
            break
        count += 1
    return count


def _nvidia() -> int:
    """Asked of the driver's own library."""
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
    """The nodes of the driver's topology that hold a GPU; a CPU is a node as well."""
    count = 0
    for node in _AMD.glob("*/gpu_id"):
        with suppress(OSError):  # a node that a container may not see
            count += node.read_text().strip() != "0"
    return count
