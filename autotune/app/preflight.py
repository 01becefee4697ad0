"""Checks that need a look at the world before a study starts: data, functions, networks, GPUs.

`preflight` takes the configs of the walk through the space, and has another process do with some of
them what a trial does first (see dry_run.py).
"""

import json
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from autotune.app.dry_run import DryRun
from autotune.engine.base import EngineName
from autotune.engine.gpus import gpus
from autotune.errors import InvalidInput, Problem
from autotune.spec import StudySpec, shares
from autotune.spec.check import configs, into_study
from autotune.spec.load import in_order
from autotune.train.config import AnyConfig, CommandConfig, FunctionConfig, TrainConfig, is_own
from autotune.train.function import passed
from autotune.trial import Scalar

__all__ = ["preflight"]

_COMMAND = (sys.executable, "-P", "-c", "from autotune.app.dry_run import main; main()")
_LIMIT = 60.0
"""Seconds for a step of the other process; the first is its start, torch included."""
_PATIENCE = 3.0
"""Seconds before a message says what is waited for."""
_NETWORKS = {"mlp", "cnn", "resnet", "wide_resnet", "convnext"}
"""Networks that take images of any size."""
_PARTS = (
    "data",
    "model",
    "activation",
    "loss",
    "augment",
    "distill",
    "transfer",
    "precision",
    "parallel",
)
_WHOLLY = ("data", "model", "parallel")
"""Sections whose numbers all matter."""

Values = Mapping[str, Scalar]
Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Candidate:
    """A config that is worth a separate dry run."""

    values: Values
    """Values of the searched parameters."""
    config: AnyConfig


def preflight(
    spec: StudySpec,
    engine: EngineName = "ray",
    address: str | None = None,
    offline: bool = False,
    waiting: Callable[[str], None] = lambda doing: None,
    details: bool = False,
) -> list[str]:
    """Notes on what could not be checked, and with `details` on the data.

    Raises InvalidInput with all problems. With the `address` of a cluster everything is a note,
    because its machines may have what this one lacks. `offline`: data that would have to be
    downloaded is noted, and not downloaded. `waiting` gets a line for steps that take long.
    """
    here = _Report(spec, details)
    if not address and not _is_initialised(engine):
        for problem in _machine(spec, engine):
            here.add(problem)
    if passed(spec.trial.get("function")):
        _signature(spec, here)
    elif candidates := list(_candidates(spec)):
        _look(candidates, here, offline or bool(address), waiting)
    problems = in_order(here.problems)
    if address:
        there = "the cluster's may differ"
        return here.notes + [f"on this machine ({there}): {problem}" for problem in problems]
    if problems:
        raise InvalidInput(problems)
    return here.notes


@dataclass
class _Report:
    """Findings, located in the study's file; each mistake once."""

    spec: StudySpec
    details: bool
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        located = replace(problem, where=self.spec.locate(problem.path))
        if located not in self.problems:
            self.problems.append(located)

    def note(self, message: str, path: Keys) -> None:
        where = self.spec.locate(path)
        text = f"{where}: {message}" if where else message
        if text not in self.notes:
            self.notes.append(text)


def _is_initialised(engine: str) -> bool:
    """Whether the caller has initialized Ray: then its resources decide, not this machine's."""
    ray = sys.modules.get("ray")
    return engine == "ray" and ray is not None and ray.is_initialized()


def _machine(spec: StudySpec, engine: str) -> Iterator[Problem]:
    """A worker must fit on this machine. Without Ray, `worker.cpus` is only a number of threads."""
    worker, cpus = spec.worker, os.cpu_count() or 1
    found = gpus() if any(share.gpus for share in shares(spec)) else 0
    if worker.gpus > found:
        has = f"{found} GPU{'s' if found > 1 else ''}" if found else "no GPU"
        cure = "ask for as many" if found else "set it to 0"
        message = (
            f"`worker.gpus` must fit on this machine, which has {has}, got {worker.gpus:g}: "
            f"{cure}, or join a cluster that has more: --address"
        )
        yield Problem(message, ("worker", "gpus"))
    if engine == "ray" and worker.cpus > cpus:
        rule = f"`worker.cpus` must fit on this machine, which has {cpus}, got {worker.cpus:g}"
        message = f"{rule}: ask for as many, or join a cluster that has more: --address"
        yield Problem(message, ("worker", "cpus"))
    elif worker.gpus <= found:
        yield from _processes(spec, cpus if engine == "ray" else math.inf, found)


def _processes(spec: StudySpec, cpus: float, gpus: int) -> Iterator[Problem]:
    """All processes of a trial must fit, each with its cores and GPUs."""
    base = spec.worker.shares(spec.trial)[0]
    for share in shares(spec):
        by_cpus, by_gpus = share.fit(cpus, gpus)
        if share.processes <= min(by_cpus, by_gpus):
            continue
        own = is_own(spec.trial)
        key = "worker.processes" if own else "trial.parallel"
        if share.processes == base.processes and share != base:
            key = "worker.sizes"
        has, each = f"{cpus:g} CPUs", f"{share.cpus:g} CPU"
        if by_gpus < by_cpus:
            has, each = f"{gpus} GPU{'s' * (gpus > 1)}", f"{share.gpus:g} GPU"
        number = f"{share.processes} process{'es' * (share.processes > 1)}"
        message = (
            f"`{key}`: {number} with {each}{' each' * (share.processes > 1)} must fit on this"
            f" machine, which has {has}: ask for at most {min(by_cpus, by_gpus):g}, or join a"
            " cluster that has more: --address"
        )
        yield Problem(message, tuple(key.split(".")))
        return


def _candidates(spec: StudySpec) -> Iterator[Candidate]:
    """Configs of the walk that differ in what is checked: in the network, or in the kind of another
    section. The first one comes first."""
    seen: set[str] = set()
    for values, config in configs(spec):
        if isinstance(config, FunctionConfig | CommandConfig):
            yield Candidate(values, config)
            return
        if _needs_a_look(config):
            fields = config.model_dump(mode="json")
            keys = {_key(part, fields.get(part)) for part in _PARTS}
            if keys - seen:
                seen |= keys
                yield Candidate(values, config)


def _needs_a_look(config: TrainConfig) -> bool:
    """The digits are inside a package, and nothing can be wrong with built-in networks for them."""
    teacher = getattr(config.distill, "teacher", None)
    return (
        config.data.name != "digits"
        or config.model.name not in _NETWORKS
        or (teacher is not None and teacher.name != "self")
        or config.transfer is not None
        or config.compile
        or config.precision == "fp16"
        or config.device == "cuda"
    )


def _key(part: str, value: Any) -> str:
    """A key that is equal for values that are checked alike."""
    return json.dumps([part, value if part in _WHOLLY else _kind(value)])


def _kind(value: Any) -> Any:
    """Without its numbers."""
    if isinstance(value, Mapping):
        return {key: _kind(below) for key, below in value.items()}
    return None if isinstance(value, int | float) else value


def _signature(spec: StudySpec, report: _Report) -> None:
    """A function that Python passed on: no other process could import it."""
    for _, config in configs(spec):
        for found in DryRun(offline=True)(config):
            if isinstance(found, Problem):
                report.add(into_study(spec.space, found))
        return


def _look(
    candidates: list[Candidate], report: _Report, offline: bool, waiting: Callable[[str], None]
) -> None:
    """Has another process go through the candidates, and yields what it finds."""
    fields = [candidate.config.model_dump(mode="json") for candidate in candidates]
    path = [os.path.abspath(entry) for entry in sys.path]
    with _process({"configs": fields, "offline": offline, "path": path}) as process:
        told, known = _Answers(process, waiting), set[str]()
        for found in told:
            if found["message"] not in known:  # a later config has the same mistake
                known.add(found["message"])
                _tell(found, candidates, report)
        at = into_study(report.spec.space, Problem("", tuple(told.step["path"]))).path
        if told.late:
            message = f"{told.step['text']} is not done after {_LIMIT:g} seconds"
            report.note(f"{message}: not looked at any further", at)
        else:
            _ended(process.wait(), told.step["text"], at, report)


def _tell(found: Mapping[str, Any], candidates: list[Candidate], report: _Report) -> None:
    problem = _in_study(found, candidates, report.spec)
    if found["kind"] == "Detail" and not report.details:
        return
    if found["kind"] in ("Note", "Detail"):
        report.note(problem.message, problem.path)
    else:
        report.add(problem)


def _in_study(found: Mapping[str, Any], candidates: list[Candidate], spec: StudySpec) -> Problem:
    """In terms of the study. If a network is wrong for one value of a parameter, but not in the
    first config, the problem belongs to that parameter."""
    problem = into_study(spec.space, Problem(found["message"], tuple(found["path"])))
    first, this = candidates[0].values, candidates[found["config"]].values
    part = f"{found['path'][0]}." if found["path"] else " "
    other = [n for n, v in this.items() if n.startswith(part) and first.get(n) != v]
    if not other or found["path"][0] != "model":
        return problem
    shown = ", ".join(f"{name} {this[name]}" for name in other)
    place: Keys = ("space", other[0]) if len(other) == 1 else problem.path
    return Problem(f"{problem.message}, with {shown}", place)


def _ended(code: int, doing: str, at: Keys, report: _Report) -> None:
    """A process that user code has ended; with SIGKILL it was probably short of memory."""
    if code == 0:
        return
    how = f"by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"with exit code {code}"
    message = f"the process ended {how} while {doing}"
    if code == -signal.SIGKILL:
        report.note(message, at)
    else:
        report.add(Problem(message, at))


@contextmanager
def _process(asked: Mapping[str, Any]) -> Iterator["subprocess.Popen[bytes]"]:
    """Ended on leaving, with everything that user code has started in it."""
    variables = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    with tempfile.TemporaryFile("w+") as given:
        json.dump(asked, given)
        given.seek(0)
        process = subprocess.Popen(
            _COMMAND,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | variables,
            start_new_session=True,  # this process handles Ctrl-C
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout
        process.stdout.close()


class _Answers:
    """The findings of the other process, until it ends or a step takes too long."""

    def __init__(self, process: "subprocess.Popen[bytes]", waiting: Callable[[str], None]) -> None:
        assert process.stdout
        self._handle = process.stdout.fileno()
        self._waiting = waiting
        self.step: Mapping[str, Any] = {"text": "starting", "path": [], "bounded": True}
        """Its current step."""
        self.late = False

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        rest = b""
        while chunk := self._chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                found = json.loads(line)
                if found["kind"] == "Step":
                    self.step = found
                else:
                    yield found

    def _chunk(self) -> bytes:
        """b"" at the end, or if the step is `late`."""
        if not self._comes(_PATIENCE):
            self._waiting(self.step["text"])
            self.late = not self._comes(_LIMIT - _PATIENCE if self.step["bounded"] else None)
        return b"" if self.late else os.read(self._handle, 65536)

    def _comes(self, seconds: float | None) -> bool:
        return bool(select.select([self._handle], [], [], seconds)[0])
