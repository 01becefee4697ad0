"""Runs one command, watches the memory of its process tree, and reads what it left."""

import json
import os
import platform
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from benchmarks.glue.arm import Told

__all__ = ["Watched", "conditions", "points", "reports", "tracked", "watch", "watch_command"]

EVERY = 0.25  # seconds between two samples; one costs 0.3 ms a process, more for large ones
PACKAGES = ("autotune", "mlflow", "optuna", "ray", "torch")


@dataclass(frozen=True, slots=True)
class Watched:
    began: float
    """Seconds since the epoch."""
    wall: float
    peak_mb: float
    """Highest PSS of the process and all its descendants, in MB (10^6 bytes)."""


def watch(module: str, arguments: Sequence[str], log: Path) -> Watched:
    """Runs `python -m module` as `watch_command` does."""
    return watch_command([sys.executable, "-m", module, *arguments], log)


def watch_command(command: Sequence[str], log: Path, timeout: float = 1800) -> Watched:
    """Runs `command`; raises CalledProcessError, and TimeoutExpired after `timeout` s."""
    with log.open("w") as output:
        began = time.time()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        memory = _Memory(process.pid)
        memory.start()
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            wall = time.time() - began
            peak = memory.stop()
    if code:
        raise subprocess.CalledProcessError(code, command, log.read_text())
    return Watched(began, wall, peak)


class _Memory(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root, self._ended, self._peak = psutil.Process(pid), threading.Event(), 0.0

    def run(self) -> None:
        while not self._ended.wait(EVERY):
            with suppress(psutil.NoSuchProcess):
                tree = [self._root, *self._root.children(recursive=True)]
                self._peak = max(self._peak, sum(_pss(process.pid) for process in tree) / 1e6)

    def stop(self) -> float:
        self._ended.set()
        self.join()
        return self._peak


def _pss(pid: int) -> int:
    """Bytes; 0 for a process that has just ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def reports(folder: Path) -> list[Told]:
    """What all processes of an arm recorded, by time."""
    files = folder.glob("reports-*.json")
    told = [Told(*fields) for file in files for fields in json.loads(file.read_text())]
    return sorted(told, key=lambda one: one.at)


def tracked(database: Path, metric: str = "val_loss") -> Mapping[tuple[int, int], float]:
    """The metric by (index, step), read from MLflow's database.

    A run's index is its parameter `index`, or else the number that its name ends with.
    """
    query = """
        select coalesce(p.value, substr(r.name, -4)), m.step, m.value
        from metrics m join runs r using (run_uuid)
        left join params p on p.run_uuid = r.run_uuid and p.key = 'index'
        where m.key = ?"""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query, (metric,)).fetchall()
    return {(int(index), step): value for index, step, value in rows}


def unfinished(database: Path) -> list[str]:
    """Runs with a metric whose status is not FINISHED, as `name: STATUS`."""
    query = """
        select distinct r.name, r.status from runs r join metrics m using (run_uuid)
        where r.status != 'FINISHED' order by r.name"""
    with closing(sqlite3.connect(database)) as connection:
        return [f"{name}: {status}" for name, status in connection.execute(query)]


def points(database: Path, metric: str = "val_loss") -> int:
    """How many values of the metric MLflow's database holds."""
    with closing(sqlite3.connect(database)) as connection:
        query = "select count(*) from metrics where key = ?"
        return int(connection.execute(query, (metric,)).fetchone()[0])


def conditions() -> dict[str, object]:
    """What the figures hold for."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
