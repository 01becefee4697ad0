"""The values that pass between the rooms. Frozen; nothing here acts.

A *trial* is one configuration for ever. An *assignment* is the one unit of work: a stretch of
training of one trial. A worker answers an assignment with *reports*, the study answers each report
with a *decision*, and what the worker could not finish ends in a *failure*, or in a *fault* where
the machine is to blame.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "Assignment",
    "Decision",
    "Failure",
    "Fault",
    "Goal",
    "Purpose",
    "Reason",
    "Reply",
    "Report",
    "Scalar",
    "Share",
    "State",
    "Trial",
    "Trials",
    "ValueAtStep",
]

Scalar = str | int | float | bool | None


class Goal(StrEnum):
    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    def loss(self, value: float) -> float:
        """`value`, so that lower is better. The one place that knows which goal turns the sign."""
        return -value if self is Goal.MAXIMIZE else value

    def best(self, values: Iterable[float]) -> float:
        return min(values, key=self.loss)

    def best_step(self, curve: Mapping[int, float]) -> int | None:
        """The first step with the best value; None where nothing was reported."""
        return min(curve, key=lambda step: (self.loss(curve[step]), step), default=None)


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"

    @property
    def finished(self) -> bool:
        return self in (State.COMPLETE, State.PRUNED, State.FAILED)


class Reason(StrEnum):
    """Why a trial failed."""

    NAN = "nan"
    OOM = "oom"
    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    LOST = "lost"


class Purpose(StrEnum):
    """Why an assignment is run. The engine never looks at it."""

    SEARCH = "search"
    CONFIRM = "confirm"
    """A retraining on a fresh seed, by which the winner is chosen."""
    VERIFY = "verify"
    """A retraining of the winner on a seed that did not choose it."""
    TEST = "test"


class Decision(StrEnum):
    """What becomes of a trial after a report."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Share:
    """What one trial gets of the machines: so many processes, each with these cores and GPUs."""

    cpus: float = 1
    gpus: float = 0
    processes: int = 1

    @property
    def threads(self) -> int:
        """Of torch, in each process."""
        return max(1, int(self.cpus))

    @property
    def all_gpus(self) -> float:
        return self.gpus * self.processes

    def fit(self, cpus: float, gpus: float) -> tuple[float, float]:
        """How many such processes the cores, and the GPUs, of one machine are enough for."""
        if self.gpus and self.gpus < 1:  # a process has a part of one GPU
            by_gpus = int(gpus) * _times(1, self.gpus) + _times(gpus % 1, self.gpus)
        else:
            by_gpus = _times(gpus, self.gpus)
        return _times(cpus, self.cpus), by_gpus


def _times(whole: float, part: float) -> float:
    # Ray counts in ten-thousandths; 3 * 0.1 must fit in 0.3.
    return int(whole / part + 1e-6) if part and math.isfinite(whole) else math.inf


@dataclass(frozen=True, slots=True)
class Assignment:
    """Train `config` with `seed` from `from_step` (exclusive) to `to_step` (inclusive).

    `folder` is where the work keeps its checkpoints; `resume` is the newest step whose checkpoint
    may be used (0: start afresh). For Purpose.TEST nothing is trained: the best weights
    in `folder` are evaluated on the test split and reported once, at `to_step`.
    """

    number: int
    """Counts the study's assignments from 0; no two share one."""
    trial: int
    purpose: Purpose
    config: Mapping[str, Any]
    """The resolved training config as plain JSON values."""
    seed: int
    from_step: int
    to_step: int | None
    """None: the user's own function ends by itself."""
    folder: str
    label: str
    """`trial-0007`, `confirm-0007-s1` or `verify-0007-s1`: the name of the run it belongs to."""
    parent: int | None = None
    """The trial whose checkpoint it started from, where it is a clone."""
    timeout: float | None = None
    """Seconds the trial may work, `spent` included. None: no limit."""
    spent: float = 0.0
    """Seconds that earlier assignments of the trial worked."""
    silence: float | None = None
    """Seconds there may be between two reports, and before the first one. None: no limit."""
    share: Share = Share()
    """What the trial gets: the number of its processes, and what each of them has."""
    collective_timeout: float = 600.0
    """Seconds that a process of the trial waits for the others."""
    log: str = ""
    """The file that gets what the user's code prints, and its tracebacks. "": none."""
    system_metrics: bool = False
    """Whether each report also tells what the trial's processes used of the machine."""


@dataclass(frozen=True, slots=True)
class Report:
    """Metrics of one run at one step: an epoch, or a share of one; counted from 1."""

    step: int
    metrics: Mapping[str, float]
    seconds: float = 0.0
    """Working time spent on this step, in seconds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a worker could not go on: a result, not an exception."""

    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Of the machine, such as a full disk: no outcome. The study stops, and the trial goes on with
    it."""

    message: str


Reply = Report | Failure | Fault
"""What a worker answers; nothing comes after a Failure or a Fault."""


@dataclass(frozen=True, slots=True)
class ValueAtStep:
    """What a trial would be worth had it ended at some step."""

    values: tuple[float, ...]
    """One an objective; empty where not all were reported."""
    violations: tuple[float, ...]
    """One a constraint, as a share of its bound; empty where not all were reported."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the study knows of one trial at this moment."""

    number: int
    params: Mapping[str, Scalar]
    """Active parameters only, by dotted path."""
    state: State
    reason: Reason | None = None
    message: str = ""
    value: float | None = None
    """By `objective.at`; None while unfinished and for failed trials."""
    values: tuple[float, ...] = ()
    """One an objective, `value` first, of what it reported so far; empty for failed trials."""
    violations: tuple[float, ...] = ()
    """One a constraint, as a share of its bound; <= 0: it is met."""
    reports: Mapping[int, Report] = field(default_factory=dict)
    """By step."""
    curve: Mapping[int, float] = field(default_factory=dict)
    """The objective (the first one) by step, as reported."""
    values_by_step: Mapping[int, ValueAtStep] = field(default_factory=dict)
    """By step; empty where there is one objective and no constraint: the curve says it all."""
    seconds: float = 0.0
    seed: int = 0
    parent: int | None = None
    """The trial that it is a clone of: its curve begins where it left the parent's."""
    asked: bool = False
    """A person asked for it: no sampler proposed it."""

    @property
    def violation(self) -> float:
        """By how much it breaks constraints, all together; 0: it is feasible."""
        return sum(violation for violation in self.violations if violation > 0)


class Trials(list[Trial]):
    """A study's trials in order of number."""

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        super().__init__(trials)
        self._tried: set[tuple[tuple[str, Scalar], ...]] = set()
        self._seen = 0

    def tried(self, params: Mapping[str, Scalar]) -> bool:
        """Whether any trial has these parameters. A number keeps its parameters for ever, so each
        is looked at once."""
        for trial in self[self._seen :]:
            self._tried.add(_key(trial.params))
        self._seen = len(self)
        return _key(params) in self._tried


def _key(params: Mapping[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    return tuple(sorted(params.items()))
