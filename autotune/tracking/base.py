"""What a tracker is, and the events the study tells it.

A tracker is a view: everything in it can be told again from the journal (`autotune sync`), so
`record` is idempotent: the same event twice leaves the same picture.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from autotune.trial import Purpose, Reason, Report, Scalar, State

__all__ = [
    "AnswerUpdated",
    "EngineStarting",
    "Event",
    "FaultPassing",
    "Kept",
    "Noted",
    "RunFinished",
    "RunReported",
    "RunStarted",
    "SamplerSwitched",
    "StandingBy",
    "Steered",
    "StudyFinished",
    "StudyOpened",
    "Tracker",
    "identity",
]


@dataclass(frozen=True, slots=True)
class StudyOpened:
    name: str
    uid: str
    spec: str
    """The resolved study.yaml, as text."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Versions, git commit, objective."""
    at: float = 0.0
    """When the study began, in seconds since the epoch; 0: unknown."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A trial or a confirmation begins. `label` (trial-0007, confirm-0007-s1) is its identity."""

    label: str
    purpose: Purpose
    trial: int
    seed: int
    params: Mapping[str, Scalar]
    config: Mapping[str, Any]
    at: float
    """Seconds since the epoch, from the journal."""


@dataclass(frozen=True, slots=True)
class RunReported:
    label: str
    report: Report
    at: float


@dataclass(frozen=True, slots=True)
class RunFinished:
    label: str
    state: State
    reason: Reason | None
    message: str
    summary: Mapping[str, float]
    """Metrics under names of their own: best/<metric>, last/<metric>, test/..., run/seconds."""
    at: float
    best: float | None = None
    """Best objective over the finished trials so far, when `label` is a trial."""
    finished: int = 0
    """How many trials are finished, this one included: the step of `best`."""
    worker: str = ""
    log: str = ""
    """The file on this machine that holds what the user's code printed; "": there is none."""
    trial: int | None = None
    """The trial's number, when `label` is a trial."""
    value: float | None = None
    """Its objective; None: it failed, or is no trial."""


@dataclass(frozen=True, slots=True)
class StudyFinished:
    """The study has nothing left to do, for now or for ever."""

    complete: bool
    """False: interrupted or out of its time; it may go on later."""
    summary: Mapping[str, float] = field(default_factory=dict)
    """best/<metric>, confirmed/mean, confirmed/std, test/<metric>_mean, ..."""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """File name -> text, such as best.yaml."""
    at: float = 0.0
    """Seconds since the epoch; 0: unknown."""
    failure: str = ""
    """Why the study stopped itself; "" where it did not."""
    figures: Mapping[str, str] = field(default_factory=dict)
    """Artifact name -> its file on this machine, such as figures/confusion.png."""
    params: Mapping[str, Scalar] = field(default_factory=dict)
    """The winner's, where the study is complete."""
    winner: str = ""
    """Label of the best trial; "" where no trial has a value."""
    data: Mapping[str, str] = field(default_factory=dict)
    """The data set: name, digest, source and profile; empty where the study does not know it."""


@dataclass(frozen=True, slots=True)
class AnswerUpdated:
    """What the study answers by now: who leads or has won, how sure that is, and what mattered."""

    note: str
    """Markdown. Its first paragraph is the answer in one line."""
    view: Mapping[str, Any] = field(default_factory=dict)
    """What a list of the trials is to show: see `View` in view.py."""


@dataclass(frozen=True, slots=True)
class SamplerSwitched:
    """`auto` lets another sampler propose: for people, trackers keep nothing of it."""

    why: str
    """One line: who proposes from which trial on, and why."""


@dataclass(frozen=True, slots=True)
class StandingBy:
    """Another process drives the study, and is waited for: for people, never for trackers."""

    why: str
    """One line: who drives it."""


@dataclass(frozen=True, slots=True)
class EngineStarting:
    """Something that takes seconds, and shows nothing by itself, begins; again after a fault that
    passes: for people, never for trackers."""

    what: str
    """Such as Ray."""


@dataclass(frozen=True, slots=True)
class FaultPassing:
    """A fault of the machine that the study gets over by itself: for people, never for trackers."""

    why: str
    """One line: what happened, and what is done next."""


@dataclass(frozen=True, slots=True)
class Noted:
    """What a person who starts the study should know: for people, trackers keep nothing of it."""

    text: str
    """One line."""


@dataclass(frozen=True, slots=True)
class Steered:
    """A command from outside the study was answered: for people, trackers keep nothing of it."""

    command: str
    """As a person types it: try --set optimizer.lr=0.003."""
    answer: str
    """One line."""
    accepted: bool
    trials: int | None = None
    """How many there may be from now on; None: no limit."""
    time: float | None = None
    """The same of the study's running time, in seconds."""


Event = (
    StudyOpened
    | SamplerSwitched
    | Noted
    | Steered
    | StandingBy
    | EngineStarting
    | FaultPassing
    | RunStarted
    | RunReported
    | RunFinished
    | StudyFinished
    | AnswerUpdated
)


Kept = StudyOpened | RunStarted | RunReported | RunFinished | StudyFinished | AnswerUpdated
"""What trackers keep; the rest is for people."""


def identity(event: Event) -> Hashable:
    """Events of one identity say the same; where they differ, the later one knows better."""
    match event:
        case RunStarted(label=label):
            return RunStarted, label
        case RunReported(label=label, report=report):
            return RunReported, label, report.step
        case RunFinished(label=label, summary=summary):
            # A training ends, and then the reading of its test split, under one label.
            return RunFinished, label, frozenset(summary)
        case StudyOpened() | StudyFinished() | AnswerUpdated():
            return (type(event),)
    return event


class Tracker(Protocol):
    def record(self, event: Event) -> None:
        """Remember `event`. Never blocks on the tracker's store and never raises for it."""
        ...

    def close(self, timeout: float = 30.0) -> str:
        """Write all that is left, in at most `timeout` seconds.

        Returns "" or one line that says what is not written, why, and how to send it later.
        """
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What its user should know beside that, a line each."""
        ...

    @property
    def url(self) -> str:
        """Where a person looks at the study; "" where there is no such place."""
        ...
