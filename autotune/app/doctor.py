"""What may keep studies from running on this machine: `autotune doctor`."""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from autotune.address import Address
from autotune.app.runner import store_of
from autotune.engine.gpus import gpus

__all__ = ["Finding", "examine"]

_PACKAGES = ("autotune", "optuna", "ray", "mlflow", "torch")
_LITTLE = 2e9
"""Bytes on the disk of the runs folder below which a study soon stops."""
_SHARED = 1e9
"""Bytes of shared memory below which Ray writes to the disk instead."""
_PORTS = {6379: "Ray's", 8265: "the Ray dashboard's"}


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    said: str
    cure: str = ""
    """What to do; "": all is well."""


def examine(runs: Path) -> Iterator[Finding]:
    """What was found, one after the other; no check stops the others."""
    for what, check in _CHECKS.items():
        try:
            yield Finding(what, *check(runs))
        except Exception as error:  # a check that fails is a finding too
            line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            yield Finding(what, f"could not be looked at: {line[:200]}", "see the message")


Said = tuple[str] | tuple[str, str]


def _versions(_: Path) -> Said:
    missing, found = [], [f"python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    said = ", ".join(found)
    if missing:
        return f"{said}; missing: {', '.join(missing)}", "pip install autotune"
    if sys.platform != "linux":
        return f"{said} on {sys.platform}", "only Linux is supported: use WSL or a container"
    return (said,)


def _processors(_: Path) -> Said:
    cores = len(os.sched_getaffinity(0))
    return (f"{cores} usable of {os.cpu_count()} cores",)


def _gpus(_: Path) -> Said:
    count = gpus()
    if not count:
        tool = shutil.which("nvidia-smi")
        hint = "nvidia-smi is here: is the driver loaded, and CUDA_VISIBLE_DEVICES not empty?"
        return ("none: trials run on the CPU", hint) if tool else ("none: trials run on the CPU",)
    import torch

    if torch.cuda.is_available():
        return (f"{count}, and torch {torch.__version__} sees {torch.cuda.device_count()}",)
    return f"{count}, but torch {torch.__version__} sees none", "install a torch built for CUDA"


def _ray(_: Path) -> Said:
    free = shutil.disk_usage("/dev/shm").free if Path("/dev/shm").is_dir() else 0
    said = f"{free / 1e9:.1f} GB of shared memory"
    if free < _SHARED:
        cure = "in a container: --shm-size=2g; or run with --engine inline"
        return f"{said}; Ray uses the disk instead, slowly", cure
    if address := os.environ.get("RAY_ADDRESS"):
        return (f"{said}; RAY_ADDRESS={address} is not used: give --address",)
    return (said,)


def _ports(_: Path) -> Said:
    """A cluster on this machine is joined by --address alone; others may hold ports."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # raises where no port can be had at all
    taken = [f"{port} ({whose})" for port, whose in _PORTS.items() if _answers(port)]
    return (f"in use: {', '.join(taken)}; others are taken instead" if taken else "free",)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _disk(runs: Path) -> Said:
    there = next(path for path in (runs.absolute(), *runs.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK):
        return f"{there} may not be written to", "give another folder: --runs DIR"
    free = shutil.disk_usage(there).free
    said = f"{free / 1e9:.1f} GB free for {runs}/"
    return (said, "free some, or give another folder: --runs DIR") if free < _LITTLE else (said,)


def _mlflow(runs: Path) -> Said:
    """The default store; that of a study is asked for when it starts."""
    address, _ = store_of(None, runs)
    file = Path(address.reveal().removeprefix("sqlite:///"))
    return _sqlite(file, address) if file.exists() else (f"{file}: made by the first study",)


def _sqlite(file: Path, address: Address) -> Said:
    import sqlite3

    with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=2) as connection:
        try:
            (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
        except sqlite3.DatabaseError as error:
            cure = f"move it away, then: autotune sync --all --runs {file.parent}"
            return f"{file} cannot be read: {error}", cure
    return (f"{file}: {count} runs",)


_CHECKS: dict[str, Callable[[Path], Said]] = {
    "versions": _versions,
    "CPUs": _processors,
    "GPUs": _gpus,
    "Ray": _ray,
    "ports": _ports,
    "disk": _disk,
    "MLflow store": _mlflow,
}
