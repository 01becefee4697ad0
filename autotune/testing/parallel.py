"""Real processes that meet over gloo, for tests: started once, used by many.

with Ranks(2) as ranks:
    answers = ranks.ask("autotune.testing.parallel:curve", config, folder)   # one of each process
"""

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import torch

from autotune.errors import AutotuneError
from autotune.train import loop
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset, Split, prepare
from autotune.train.parallel.group import TIMEOUT

__all__ = ["Ranks", "Unequal", "broken", "check_equal", "curve", "serve", "stopped"]

PATIENCE = "60"
"""Seconds that a process waits for the others, on a busy machine."""


class Unequal(AssertionError):
    """Several processes have learnt something else than one."""


class Ranks:
    """`size` processes that wait for work."""

    def __init__(self, size: int) -> None:
        self.processes = [_started(rank) for rank in range(size)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            process.wait(30)
            process.stdout.close()

    def ask(self, task: str, *given: Any, size: int | None = None) -> list[Any]:
        """What `task` ("package.module:function") answers in each of the first `size` processes.
        An exception there is answered as {"error": text}."""
        chosen = self.processes[: size or len(self.processes)]
        world = {"WORLD_SIZE": len(chosen), "LOCAL_WORLD_SIZE": len(chosen)}
        met = {**world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
        line = json.dumps({"task": task, "given": given, "met": met}) + "\n"
        for process in chosen:
            assert process.stdin is not None
            process.stdin.write(line)
            process.stdin.flush()
        return [json.loads(_line(process)) for process in chosen]


def _started(rank: int) -> "subprocess.Popen[str]":
    code = "from autotune.testing.parallel import serve; serve()"
    own = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GLOO_SOCKET_IFNAME": "lo",
        TIMEOUT: PATIENCE,
    }
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **own, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR"},
    )


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the process has ended: {process.poll()}"
    return line


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def serve() -> None:
    """The life of one process."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    for line in sys.stdin:
        job = json.loads(line)
        os.environ.update({name: str(value) for name, value in job["met"].items()})
        module, _, name = job["task"].partition(":")
        task: Callable[..., Any] = getattr(importlib.import_module(module), name)
        try:
            answer = task(*job["given"])
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def curve(
    config: dict[str, Any],
    folder: str,
    resume: int = 0,
    to_step: int | None = None,
    double: bool = False,
) -> list[dict[str, float]]:
    """The metrics of each report. `double`: everything in float64."""
    made = TrainConfig.model_validate_json(json.dumps(config))
    with _doubled() if double else nullcontext():
        return [dict(r.metrics) for r in loop.train(made, Path(folder), resume, to_step)]


def stopped(config: dict[str, Any], folder: str, at: int) -> int:
    """How many reports there were, where the first process is stopped after `at` of them."""
    made = TrainConfig.model_validate_json(json.dumps(config))
    reports, count = loop.train(made, Path(folder)), 0
    for report in reports:
        count = report.step
        if os.environ["RANK"] == "0" and count == at:
            reports.close()  # type: ignore[attr-defined]
            break
    return count


def broken(config: dict[str, Any], folder: str) -> list[dict[str, float]]:
    """A training whose second process fails after its first report."""
    made = TrainConfig.model_validate_json(json.dumps(config))
    reports = loop.train(made, Path(folder))
    next(reports)
    if os.environ["RANK"] == "1":
        reports.throw(MemoryError("of the second"))  # type: ignore[attr-defined]
    return [dict(report.metrics) for report in reports]


@contextmanager
def _doubled() -> Iterator[None]:
    def prepared(*given: Any) -> Dataset:
        data = prepare(*given)
        train, val, test = map(_wide, (data.train, data.val, data.test))
        mean, std = data.mean.double(), data.std.double()
        return replace(data, train=train, val=val, test=test, mean=mean, std=std)

    torch.set_default_dtype(torch.float64)
    try:
        with patch("autotune.train.setup.prepare", prepared):
            yield
    finally:
        torch.set_default_dtype(torch.float32)


def _wide(split: Split) -> Split:
    y = split.y.double() if split.y.is_floating_point() else split.y
    return Split(split.x.double(), y)


def check_equal(
    ranks: Ranks,
    config: TrainConfig,
    folder: Path,
    double: bool = False,
    within: float | None = None,
) -> list[dict[str, float]]:
    """The curve of `config` in its processes, which must be that of one: losses within 1e-5, in
    float64 within 1e-10 and accuracies exactly."""
    within = within or (1e-10 if double else 1e-5)
    fields = config.model_dump(mode="json")
    alone = {name: value for name, value in fields.items() if name != "parallel"}
    task = "autotune.testing.parallel:curve"
    (one,) = ranks.ask(task, alone, str(folder / "one"), 0, None, double, size=1)
    several = ranks.ask(
        task, fields, str(folder / "several"), 0, None, double, size=config.parallel.processes
    )
    for curve in (one, *several):
        if isinstance(curve, dict):
            raise AutotuneError(str(curve["error"]))
    if any(curve != several[0] for curve in several):
        raise Unequal(f"the processes tell different curves: {several}")
    found: list[dict[str, float]] = several[0]
    for step, (mine, theirs) in enumerate(zip(found, one, strict=True), 1):
        _compare(step, mine, theirs, within, double)
    return found


def _compare(
    step: int, mine: dict[str, float], theirs: dict[str, float], within: float, double: bool
) -> None:
    for name, value in mine.items():
        if name in ("seconds", "memory", "latency_ms"):
            continue
        apart = abs(value - theirs[name])
        exact = double and name.endswith("accuracy")
        # In float32 a sample may tip over, and what is no loss has digits of its own.
        loose = not double and not name.endswith("loss")
        if not loose and apart > (0 if exact else within * max(1.0, abs(theirs[name]))):
            raise Unequal(f"step {step}: {name} {value} in several, {theirs[name]} in one")
