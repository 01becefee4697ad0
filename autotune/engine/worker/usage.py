"""What a trial's processes use of the machine: CPU, memory and NVIDIA GPUs, by step."""

import ctypes
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from autotune.trial import Failure, Report

__all__ = ["Usage", "with_usage"]

_PROC = Path("/proc")
_MEGABYTE = 1e6


def with_usage(
    replies: Generator[Report | Failure, None, None],
) -> Generator[Report | Failure, None, None]:
    """Adds to each report what was used since the one before."""
    usage = Usage()
    with closing(replies):
        for reply in replies:
            if isinstance(reply, Report):
                reply = replace(reply, metrics={**reply.metrics, **usage.since_last()})
            yield reply


class Usage:
    """Of this process and all that it has started, from now on."""

    def __init__(self) -> None:
        self._at, self._cpu = time.monotonic(), _used()[0]

    def since_last(self) -> Mapping[str, float]:
        """As metrics. Nothing where the system does not tell (it is not Linux)."""
        at, (cpu, memory) = time.monotonic(), _used()
        # A process that has ended takes its seconds with it.
        percent = 100 * max(cpu - self._cpu, 0.0) / max(at - self._at, 1e-3)
        self._at, self._cpu = at, cpu
        if not memory:
            return {}
        found = {"system/cpu_percent": percent, "system/memory_megabytes": memory / _MEGABYTE}
        return found | dict(_gpus())


def _used() -> tuple[float, float]:
    """Seconds of CPU, and bytes of memory, of this process and its descendants."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    seconds, memory = 0.0, 0.0
    for process in _family(os.getpid()):
        with suppress(OSError, ValueError, IndexError):  # it has just ended
            fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / ticks
            memory += int(fields[21]) * page
    return seconds, memory


def _family(process: int) -> Iterator[int]:
    yield process
    for task in (_PROC / str(process) / "task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                yield from _family(int(child))


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def _gpus() -> Iterator[tuple[str, float]]:
    """Of each that this process sees, what all its users use together."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return
    if nvml.nvmlInit_v2() != 0:
        return
    try:
        for place, device in enumerate(_devices(nvml)):
            rates, memory = _Rates(), _Memory()
            if nvml.nvmlDeviceGetUtilizationRates(device, ctypes.byref(rates)) == 0:
                yield f"system/gpu_{place}_percent", float(rates.gpu)
            if nvml.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) == 0:
                yield f"system/gpu_{place}_memory_megabytes", memory.used / _MEGABYTE
    finally:
        nvml.nvmlShutdown()


def _devices(nvml: ctypes.CDLL) -> Iterator[ctypes.c_void_p]:
    """As CUDA numbers them for this process."""
    count = ctypes.c_uint(0)
    nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = map(str, range(count.value)) if named is None else filter(None, named.split(","))
    for name in names:
        device, word = ctypes.c_void_p(), name.strip()
        if word.isdecimal():
            failed = nvml.nvmlDeviceGetHandleByIndex_v2(int(word), ctypes.byref(device))
        else:
            failed = nvml.nvmlDeviceGetHandleByUUID(word.encode(), ctypes.byref(device))
        if failed:
            return
        yield device
