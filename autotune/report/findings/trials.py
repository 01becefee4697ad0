"""A study's trials as a report shows them, and how far each came."""

from collections.abc import Mapping
from dataclasses import dataclass

from autotune.errors import UserError, nearest
from autotune.report import views
from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.train.config import pace
from autotune.trial import Goal, Scalar, State

__all__ = ["Rung", "TrialFacts", "TrialsFacts", "of_study", "reported_metrics"]


@dataclass(frozen=True, slots=True)
class TrialFacts:
    number: int
    state: State
    reason: str
    """Why it failed, or "budget" where that stopped it; "": neither."""
    value: float | None
    """Of the metric shown, so far where the trial has not ended; None: it failed, or did not
    report."""
    values: tuple[float, ...]
    """One an objective; empty where not all are known."""
    feasible: bool
    step: int
    """The last one it reached."""
    seconds: float
    """Working time."""
    params: Mapping[str, Scalar]
    curve: Mapping[int, float]
    """The metric by step."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A step at which trials were stopped, or that they reached as the last one."""

    step: int
    reached: int
    """Trials that got as far."""
    stopped: int
    """Trials that were stopped there."""


@dataclass(frozen=True, slots=True)
class TrialsFacts:
    study: str
    state: str
    """running, finished or interrupted."""
    metric: str
    goal: Goal | None
    """None: a metric that the study does not judge by."""
    metrics: tuple[str, ...]
    """Of the objectives."""
    goals: tuple[Goal, ...]
    unit: str
    """What a step is called: epoch or step."""
    last_step: int | None
    """That of a complete trial; None: trials end by themselves."""
    trials: tuple[TrialFacts, ...]
    best: tuple[tuple[int, float], ...]
    """Each trial that was the best of those before it, with its value."""
    top: tuple[int, ...]
    """Trials with a value, the best one first."""
    rungs: tuple[Rung, ...]

    @property
    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for trial in self.trials:
            found[trial.state] = found.get(trial.state, 0) + 1
        return found

    @property
    def with_value(self) -> list[TrialFacts]:
        return [trial for trial in self.trials if trial.value is not None]

    @property
    def best_tenth(self) -> list[TrialFacts]:
        """The best tenth of the trials with a value, but five at least."""
        return [self.trials[number] for number in self.top[: max(5, -(-len(self.top) // 10))]]


def of_study(history: History, metric: str | None = None) -> TrialsFacts:
    """`metric`: any that was reported; the objective if not given. Raises UserError for one that
    was not, and where no trial has ended and none has a value."""
    spec = history.spec
    rows = tuple(_trial(history, run, metric) for run in history.trials)
    if not any(row.state.finished or row.value is not None for row in rows):
        raise UserError(
            f"no trial of study {spec.name!r} has ended yet: see `autotune show {spec.name}`"
        )
    shown = metric or spec.objective.metric
    if (known := reported_metrics(history)) and shown not in known:
        raise UserError(
            f"no trial of study {spec.name!r} reported {shown!r}{nearest(shown, known)}"
        )
    goal = next((o.goal for o in spec.objectives if o.metric == shown), None)
    steps = pace(spec.trial)
    return TrialsFacts(
        study=spec.name,
        state=views.state(history),
        metric=shown,
        goal=goal,
        metrics=tuple(objective.metric for objective in spec.objectives),
        goals=spec.scoring.goals,
        unit=steps.unit,
        last_step=steps.last,
        trials=rows,
        best=tuple(_incumbents(rows, goal)),
        top=tuple(run.trial for run in history.top(len(rows))),
        rungs=tuple(_rungs(rows)),
    )


def reported_metrics(history: History) -> list[str]:
    """Every metric that any trial has reported."""
    reports = (report for run in history.trials for report in run.reports.values())
    return list(dict.fromkeys(name for report in reports for name in report.metrics))


def _trial(history: History, run: Run, metric: str | None) -> TrialFacts:
    scoring = history.spec.scoring
    failed = run.state == State.FAILED
    value, curve = history.value(run), scoring.curve(run.reports)
    if metric not in (None, history.spec.objective.metric):
        curve = {s: r.metrics[metric] for s, r in run.reports.items() if metric in r.metrics}
        step = scoring.step(run.reports)
        value = None if failed or step is None else curve.get(step)
    return TrialFacts(
        number=run.trial,
        state=run.state,
        reason=str(run.outcome.get("reason") or run.outcome.get("why") or ""),
        value=value,
        values=() if failed else scoring.values(run.reports),
        feasible=not scoring.violation(run.reports),
        step=run.step,
        seconds=run.seconds,
        params=run.params,
        curve=dict(sorted(curve.items())),
    )


def _incumbents(rows: tuple[TrialFacts, ...], goal: Goal | None) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for row in rows if goal else ():
        if row.value is None or not row.feasible:
            continue
        if not found or goal.loss(row.value) < goal.loss(found[-1][1]):  # type: ignore[union-attr]
            found.append((row.number, row.value))
    return found


def _rungs(rows: tuple[TrialFacts, ...]) -> list[Rung]:
    stopped: dict[int, int] = {}
    for row in rows:
        if row.state in (State.PRUNED, State.PAUSED) and row.step:
            stopped[row.step] = stopped.get(row.step, 0) + 1
    last = max((row.step for row in rows), default=0)
    steps = sorted({*stopped, last} - {0})
    return [
        Rung(step, sum(row.step >= step for row in rows), stopped.get(step, 0)) for step in steps
    ]
