"""A user's own script as a trial: started under a guard, read line by line, and stopped."""

import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from json import loads
from pathlib import Path
from typing import Any

from autotune.engine.worker.metrics import MetricReader, Said
from autotune.engine.worker.time_limits import Watch
from autotune.train.artifacts import Keeper
from autotune.train.command import as_json, filled, leaves, split
from autotune.train.config import CommandConfig
from autotune.train.duration import in_seconds
from autotune.trial import Assignment, Failure, Reason, Report

__all__ = ["run_command"]

_GUARD = Path(__file__).with_name("guard.py")
_LOOK = 0.2
"""Seconds between two looks at the clock."""
_MEMORY = re.compile(
    r"out of memory|MemoryError|can't allocate memory|Cannot allocate memory", re.I
)
_OOM_KILLS = Path("/sys/fs/cgroup/memory.events")
_OWN = set(CommandConfig.model_fields)
_NO_GUARD = b'{"error": "the process that guards the command died"}'
_KEEP = "keep"
"""The folder for the script's result."""
_LONGEST = 1_000_000
"""Maximum bytes of a line; longer ones are cut."""


def run_command(
    assignment: Assignment, watch: Watch | None = None
) -> Generator[Report | Failure, None, None]:
    """The reports of the command, then a Failure if it fails.

    Closing the generator stops the command: SIGTERM, and SIGKILL after `stop_grace`.
    """
    config = assignment.config
    folder = Path(assignment.folder)
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    if not assignment.from_step:
        shutil.rmtree(folder / _KEEP, ignore_errors=True)  # of an attempt that was cut off
    (folder / _KEEP).mkdir(exist_ok=True)
    keeper = Keeper(folder, assignment.trial, config.get("monitor"), assignment.from_step)
    objective = (config.get("monitor") or {}).get("metric", "loss")
    reader = MetricReader(objective, config.get("metrics") or {})
    steps = _Steps(assignment, folder)
    kills = _oom_kills()
    last: Report | None = None
    try:
        with _started(assignment, folder) as running:
            for said in running.heard(reader, watch):
                if isinstance(said, Failure):
                    yield said
                    return
                last = steps.report(said)
                if watch:
                    watch.heard(last)
                yield last
    finally:  # it has ended, stopped or by itself
        _keep(folder, keeper, last)
    if failure := _failure(running, kills):
        yield failure
    elif not steps.last and not assignment.from_step:
        wanted = f"ended with exit code 0 and no report: looked for {reader.wanted()}"
        yield Failure(Reason.EXCEPTION, wanted)


def _keep(folder: Path, keeper: Keeper, last: Report | None) -> None:
    """What the command has left in its keep_dir is the trial's result so far: the command knows
    which of its epochs that should be."""
    if last:
        for path in sorted((folder / _KEEP).iterdir()):
            keeper.add(path, path.name)
        keeper.reported(last.step, last.metrics, last=True)


@dataclass(slots=True)
class _Steps:
    """Makes a script's epochs count from 1: some count from 0."""

    assignment: Assignment
    folder: Path
    last: int = 0
    _since: float = field(default_factory=time.monotonic)

    def report(self, said: Said) -> Report:
        mark = self.folder / "counts-from-0"
        if said.step == 0 and not self.last:
            mark.touch()
        step = self.last + 1 if said.step is None else said.step + mark.exists()
        if said.step is None and not self.last and self.assignment.from_step:
            step = self._first()
        now = time.monotonic()
        seconds, self._since, self.last = now - self._since, now, step
        return Report(step, dict(said.metrics), seconds)

    def _first(self) -> int:
        """For a script that counts no epochs: it continues if it kept a checkpoint."""
        goes_on = any((self.folder / "checkpoints").iterdir())
        return self.assignment.from_step + 1 if goes_on else 1


@dataclass(slots=True)
class _Running:
    """The guard's process and the output of the command."""

    process: "subprocess.Popen[bytes]"
    reports: int
    """The pipe of autotune.report."""
    status: int
    log: Any
    ended: Mapping[str, Any] = field(default_factory=dict)
    """The exit status of the command."""
    tail: list[str] = field(default_factory=list)
    """The last lines of its stderr."""
    _closed: list[Any] = field(default_factory=list)

    def heard(self, reader: MetricReader, watch: Watch | None) -> Iterator[Said | Failure]:
        """Its reports until it has ended; a Failure at a time limit, and for an invalid report."""
        lines = {self.process.stdout: b"", self.process.stderr: b"", self.reports: b""}
        with selectors.DefaultSelector() as selector:
            for source in (*lines, self.status):
                selector.register(source, selectors.EVENT_READ)  # type: ignore[arg-type]
            while True:
                began = time.monotonic()
                ready = [key.fileobj for key, _ in selector.select(_LOOK)]
                if self.status in ready:
                    self.ended = loads(os.read(self.status, 65536) or _NO_GUARD)
                for source in lines if self.ended else [s for s in ready if s in lines]:
                    yield from self._read(source, lines, reader)
                if self.ended:
                    return
                for source in self._closed:  # by the script, which continues
                    selector.unregister(source)
                self._closed.clear()
                if watch and (failure := watch.waited(time.monotonic() - began)):
                    yield failure
                    return

    def _read(
        self, source: Any, lines: dict[Any, bytes], reader: MetricReader
    ) -> Iterator[Said | Failure]:
        """Everything available now; incomplete lines wait in `lines`."""
        handle = source if isinstance(source, int) else source.fileno()
        while chunk := _chunk(handle):
            if source != self.reports:
                self.log.write(chunk)
            *whole, lines[source] = (lines[source] + chunk).split(b"\n")
            lines[source] = lines[source][-_LONGEST:]
            yield from self._said(source, whole, reader)
        if chunk is not None and not self.ended:
            self._closed.append(source)
        if self.ended and lines[source]:
            yield from self._said(source, [lines[source]], reader)
            lines[source] = b""

    def _said(
        self, source: Any, whole: list[bytes], reader: MetricReader
    ) -> Iterator[Said | Failure]:
        for line in whole:
            text = line.decode(errors="replace")
            if source is self.process.stderr and text.strip():
                self.tail = [*self.tail[-19:], text.strip()]
            try:
                if said := reader.line(text):
                    yield said
            except ValueError as error:
                yield Failure(Reason.EXCEPTION, str(error))


def _chunk(handle: int) -> bytes | None:
    """b"" at the end; None if nothing is available now."""
    try:
        return os.read(handle, 65536)
    except BlockingIOError:
        return None


@contextmanager
def _started(assignment: Assignment, folder: Path) -> Iterator[_Running]:
    config = assignment.config
    grace = float(str(in_seconds(config.get("stop_grace")) or 10.0))
    scratch = Path(tempfile.mkdtemp(prefix="autotune-command-"))
    reports, (listen, speak) = _fifo(scratch / "reports"), os.pipe()
    log = open(assignment.log, "ab", 0) if assignment.log else sys.stderr.buffer
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _GUARD, str(grace), str(speak), *_arguments(assignment)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(assignment, folder, scratch / "reports"),
            pass_fds=(speak,),
            start_new_session=True,  # signals of the terminal are the driver's
        )
        for pipe in (process.stdout, process.stderr):
            assert pipe
            os.set_blocking(pipe.fileno(), False)
        os.close(speak)
        try:
            yield _Running(process, reports, listen, log)
        finally:
            _stop(process, grace)
    finally:
        for handle in (reports, listen):
            os.close(handle)
        if assignment.log:
            log.close()
        shutil.rmtree(scratch, ignore_errors=True)


def _stop(process: "subprocess.Popen[bytes]", grace: float) -> None:
    """The guard ends the command when its input closes."""
    assert process.stdin and process.stdout and process.stderr
    process.stdin.close()
    try:
        process.wait(grace + 10)
    except subprocess.TimeoutExpired:  # it was stopped by SIGSTOP, say
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()
    process.stderr.close()


def _fifo(path: Path) -> int:
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _arguments(assignment: Assignment) -> list[str]:
    config, folder = assignment.config, Path(assignment.folder)
    given = {key: value for key, value in config.items() if key not in _OWN}
    file = folder / "config.json"
    whole = {**given, "seed": assignment.seed}
    if config.get("epochs"):
        whole["epochs"] = config["epochs"]
    file.write_text(as_json(whole))
    places = {
        "config": str(file),
        "checkpoint_dir": str(folder / "checkpoints"),
        "keep_dir": str(folder / _KEEP),
        "folder": str(folder),
        "seed": str(assignment.seed),
        "epochs": str(config.get("epochs", "")),
    }
    return filled(split(config["command"]), dict(leaves(given)), places)


def _environment(assignment: Assignment, folder: Path, reports: Path) -> dict[str, str]:
    threads = str(assignment.config.get("threads", 1))
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",  # output is passed on as it was printed
        "OMP_NUM_THREADS": threads,
        "AUTOTUNE_REPORTS": str(reports),
        "AUTOTUNE_TRIAL": assignment.label,
        "AUTOTUNE_SEED": str(assignment.seed),
        "AUTOTUNE_FOLDER": str(folder),
        "AUTOTUNE_CHECKPOINT_DIR": str(folder / "checkpoints"),
        "AUTOTUNE_KEEP_DIR": str(folder / _KEEP),
        "AUTOTUNE_FROM_STEP": str(assignment.from_step),
    }


def _failure(running: _Running, kills: int) -> Failure | None:
    ended, last = running.ended, running.tail[-1] if running.tail else ""
    if "error" in ended:
        return Failure(Reason.EXCEPTION, str(ended["error"]))
    code = int(ended["code"])
    if code == 0:
        return None
    killed = code == -signal.SIGKILL and _oom_kills() > kills
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    said = f"{how}: {last[:400]}" if last else how
    if killed or any(_MEMORY.search(line) for line in running.tail):
        return Failure(Reason.OOM, said)
    return Failure(Reason.EXCEPTION, said)


def _oom_kills() -> int:
    """How many processes of this machine, or container, were killed for lack of memory."""
    with suppress(OSError, ValueError):
        for line in _OOM_KILLS.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
