"""Failures are outcomes: which are retried, which end a trial, which end the study."""

import math
from collections.abc import Mapping
from typing import Any

from autotune.errors import AutotuneError, StudyFailed, UserError, nearest
from autotune.spec import Scoring
from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.trial import Failure, Purpose, Reason, Report, State

__all__ = ["hopeless", "may_retry", "unreported", "unusable"]

_ATTEMPTS = 3
"""Attempts of a run before it is failed(lost)."""
_ALIKE = 5
"""Abort after this many identical initial failures."""


def unusable(run: Run, report: Report, scoring: Scoring) -> Failure | None:
    """Why the search cannot use `report`: a required metric is missing or not finite."""
    if run.purpose == Purpose.TEST:
        return None
    for metric, what in scoring.metrics.items():
        if metric not in report.metrics:
            return Failure(Reason.EXCEPTION, f"did not report {metric!r}, {what}")
        if not math.isfinite(report.metrics[metric]):
            return Failure(Reason.NAN, f"{metric} is not finite at step {report.step}")
    return None


def unreported(history: History, report: Report) -> AutotuneError | None:
    """The error that ends the study if a trial reports, but without a required metric."""
    for metric, what in history.spec.scoring.metrics.items():
        if metric not in report.metrics:
            key = "objective.metric" if what == "the objective" else f"the metric of {what}"
            return UserError(
                f"{key} must be a metric that the trial reports, but got {metric!r}"
                + nearest(metric, report.metrics)
                + _cure(history)
            )
    return None


def may_retry(run: Run, failure: Failure, config: Mapping[str, Any]) -> bool:
    """A lost worker is replaced a few times. After out of memory, the micro-batch is halved down to
    one sample (a user's own function has none to halve)."""
    if failure.reason == Reason.LOST:
        losses = sum(record["why"] == Reason.LOST for record in run.assignments.values())
        return bool(losses + 1 < _ATTEMPTS)
    if failure.reason == Reason.OOM and "batch_size" in config and "accumulate" in config:
        return int(config["accumulate"]) * 2 <= int(config["batch_size"])
    return False


def hopeless(history: History) -> AutotuneError | None:
    """The error that ends the study if its first trials all fail for the same reason and no other
    has a value."""
    if history.has_value:
        return None
    count = min(_ALIKE, history.spec.budget.trials or _ALIKE)
    first = [run.outcome for run in history.trials[:count] if run.state == State.FAILED]
    if len(first) < count or count == 1 or len({outcome["reason"] for outcome in first}) > 1:
        return None
    reason, message = first[-1]["reason"], first[-1]["message"]
    return StudyFailed(
        f"the first {count} trials all failed ({reason}), the last one with: {message}"
        + _cure(history)
    )


def _cure(history: History) -> str:
    name = history.spec.name
    if history.has_value:
        return f"\nFix that and start again: autotune delete {name}"
    return "\nFix that and run the study again: it starts anew, and these trials are set aside"
