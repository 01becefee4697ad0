"""Events gathered into what each run is to be told, so that a run costs few writes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from autotune.tracking.base import (
    AnswerUpdated,
    Event,
    RunFinished,
    RunReported,
    RunStarted,
    StudyFinished,
    StudyOpened,
)

__all__ = ["MetricPoint", "RunChange", "StudyChange", "gather", "summary_key"]

_RETRAINED = {"best": "retrained", "last": "retrained_last"}


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One value of one metric."""

    key: str
    step: int
    value: float
    at: float


def summary_key(label: str, key: str) -> str:
    """The name of a run's summary: `best/loss` of a retraining is `retrained/loss`, for it must not
    outrank the trials in a list by `best/loss`."""
    kind, _, name = key.partition("/")
    if label.startswith("trial-") or kind not in _RETRAINED:
        return key
    return f"{_RETRAINED[kind]}/{name}"


@dataclass(slots=True)
class RunChange:
    """All that waits for one run. Of two reports of a step the first counts."""

    started: RunStarted | None = None
    reports: dict[int, RunReported] = field(default_factory=dict)
    finished: RunFinished | None = None
    """How the training ended; what the reading of its test split adds is in `summary`."""
    _summary: dict[str, MetricPoint] = field(default_factory=dict)

    def points(self) -> list[MetricPoint]:
        """One a reported value, and the working time of each step as `step_seconds`."""
        found = []
        for step, told in self.reports.items():
            values = {**told.report.metrics, "step_seconds": told.report.seconds}
            found += [MetricPoint(key, step, value, told.at) for key, value in values.items()]
        return found

    def summary(self) -> list[MetricPoint]:
        return list(self._summary.values())

    def end(self, event: RunFinished) -> None:
        self.finished = self.finished or event
        self._summary |= {
            key: MetricPoint(summary_key(event.label, key), 0, value, event.at)
            for key, value in event.summary.items()
        }


@dataclass(slots=True)
class StudyChange:
    opened: StudyOpened | None = None
    """The last one, when several wait."""
    runs: dict[str, RunChange] = field(default_factory=dict)
    history: list[MetricPoint] = field(default_factory=list)
    """`best_so_far` by the number of finished trials, `objective_by_trial` by the trial's."""
    answer: AnswerUpdated | None = None
    """The last one, when several wait."""
    finished: StudyFinished | None = None
    reopened: bool = False
    """The study was opened again after `finished`."""

    def summary(self) -> list[MetricPoint]:
        if self.finished is None:
            return []
        at = self.finished.at
        return [MetricPoint(key, 0, value, at) for key, value in self.finished.summary.items()]

    def _add(self, event: Event) -> None:
        match event:
            case StudyOpened():
                self.opened = event
                self.reopened = self.finished is not None
            case StudyFinished():
                self.finished = event
                self.reopened = False
            case RunStarted(label=label):
                run = self._run(label)
                run.started = run.started or event
            case RunReported(label=label, report=report):
                self._run(label).reports.setdefault(report.step, event)
            case RunFinished(label=label):
                self._run(label).end(event)
                self.history += _standing(event)
            case AnswerUpdated():
                self.answer = event

    def _run(self, label: str) -> RunChange:
        return self.runs.setdefault(label, RunChange())


def _standing(ended: RunFinished) -> Iterator[MetricPoint]:
    """What a trial's end adds to the curves of its study."""
    if ended.best is not None:
        yield MetricPoint("best_so_far", ended.finished, ended.best, ended.at)
    if ended.trial is not None and ended.value is not None:
        yield MetricPoint("objective_by_trial", ended.trial, ended.value, ended.at)


def gather(events: Iterable[Event]) -> StudyChange:
    change = StudyChange()
    for event in events:
        change._add(event)
    return change
