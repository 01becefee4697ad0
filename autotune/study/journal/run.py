"""One training as it is journaled, built from its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autotune.spec.objectives import Scoring
from autotune.trial import Purpose, Reason, Report, Scalar, State, Trial

__all__ = ["ASKED", "BUDGET", "HAND", "Run", "replayed"]

BUDGET = "budget"
"""`why` in the outcome of a run that the budget ended early."""
HAND = "hand"
"""The same for a run that a person stopped."""
ASKED = "asked"
"""`why` of the first assignment of a trial that a person asked for: it waits for a worker."""


@dataclass(slots=True)
class Run:
    """One training from its first assignment to its outcome, as journaled: a trial, a retraining on
    a fresh seed (confirm), or the reading of the test split (test)."""

    id: int
    """Optuna's trial id in the storage."""
    label: str
    purpose: Purpose
    trial: int
    seed: int
    params: Mapping[str, Scalar]
    started: float
    """Seconds since the epoch."""
    assignments: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """By the assignment's number: why it was handed out, and from which step."""
    reports: dict[int, Report] = field(default_factory=dict)
    stamps: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Step -> its reporter and time: assignment, worker, at, elapsed."""
    parent: int | None = None
    """The trial that it is a clone of."""
    start: int = 0
    """The step of the parent's checkpoint that it began with."""
    command: str = ""
    """The id of the command by which a person asked for it."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """What that made it of: {"like": 17}: the values of trial 17; {"again": 3}: 3 had failed."""
    state: State = State.RUNNING
    value: float | None = None
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """Empty while unfinished; else state, value, reason, message, worker, at, elapsed."""

    @property
    def cut(self) -> bool:
        """Whether the budget ended it early."""
        return bool(self.outcome.get("why") == BUDGET)

    @property
    def seconds(self) -> float:
        """Working time of all its steps: its cost in worker-seconds."""
        return sum(report.seconds for report in self.reports.values())

    @property
    def costs(self) -> dict[int, float]:
        """Worker-seconds of each assignment, by its number."""
        costs = dict.fromkeys(self.assignments, 0.0)
        for step, report in self.reports.items():
            costs[self.stamps[step]["assignment"]] += report.seconds
        return costs

    @property
    def step(self) -> int:
        """The last step journaled; before the first, the step it started from."""
        return max(self.reports, default=self.start)

    @property
    def just_assigned(self) -> bool:
        """Nothing was reported since its last assignment."""
        return bool(self.assignments[max(self.assignments)]["from"] == self.step)

    @property
    def accumulate(self) -> int:
        """The factor by which out-of-memory retries have multiplied gradient accumulation."""
        return max((int(a.get("accumulate", 1)) for a in self.assignments.values()), default=1)

    def snapshot(self, scoring: Scoring) -> Trial:
        reason = self.outcome.get("reason")
        told = {} if self.state == State.FAILED else self.reports
        return Trial(
            number=self.trial,
            params=self.params,
            state=self.state,
            reason=Reason(reason) if reason else None,
            message=self.outcome.get("message", ""),
            value=self.value,
            values=scoring.values(told),
            violations=scoring.violations(told),
            reports=dict(self.reports),
            curve=scoring.curve(self.reports),
            values_by_step=scoring.values_by_step(self.reports),
            seconds=self.seconds,
            seed=self.seed,
            parent=self.parent,
            asked=bool(self.command),
        )


def replayed(id: int, params: Mapping[str, Scalar], attrs: Mapping[str, Any]) -> Run:
    about, outcome = attrs["run"], attrs.get("outcome", {})
    reports, stamps = {}, {}
    for key in sorted((k for k in attrs if k.startswith("report/")), key=_tail):
        record = attrs[key]
        reports[_tail(key)] = Report(_tail(key), record["metrics"], record["seconds"])
        stamps[_tail(key)] = record
    assignments = {_tail(k): v for k, v in attrs.items() if k.startswith("assignment/")}
    pauses = [record["assignment"] for key, record in attrs.items() if key.startswith("pause/")]
    unfinished = State.PAUSED if max(assignments) in pauses else State.RUNNING
    if assignments[max(assignments)]["why"] == ASKED:
        unfinished = State.WAITING
    return Run(
        id=id,
        label=about["label"],
        purpose=Purpose(about["purpose"]),
        trial=about["trial"],
        seed=about["seed"],
        params=params,
        started=about["at"],
        assignments=assignments,
        reports=reports,
        stamps=stamps,
        parent=about.get("parent"),
        start=about.get("from", 0),
        command=about.get("command", ""),
        origin=about.get("origin", {}),
        state=State(outcome["state"]) if outcome else unfinished,
        value=outcome.get("value"),
        outcome=outcome,
    )


def _tail(key: str) -> int:
    return int(key.rpartition("/")[2])
