"""The answer: the winner, how sure its score is, what it cost, and what it beat."""

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from autotune.report.findings.baseline import priors_centre
from autotune.study import budget
from autotune.study.history import History
from autotune.study.winner import Best, Confirmed
from autotune.trial import Goal, Scalar

__all__ = ["Answer", "Cost", "Rival", "of_study"]


@dataclass(frozen=True, slots=True)
class Rival:
    """What the winner is compared with, by scores that came about alike."""

    what: str
    trial: int | None
    """None: no single trial."""
    value: float
    winner: float
    """The winner's score of the same kind."""
    gain: float
    """How much better the winner is, in the metric's own units; below 0: worse."""
    seeds: int
    """Both scores are means over so many seeds, which chose the winner; 0: both are the
    search's."""
    spread: float | None = None
    """The larger standard deviation over the seeds of the two; None: not known."""


@dataclass(frozen=True, slots=True)
class Cost:
    wall: float
    """Seconds that the study has run, all its sessions together."""
    search: float
    """Seconds of training of all trials."""
    confirmation: float
    """Seconds of training of the retrainings."""
    gpu_hours: float
    trials: Mapping[str, int]
    """How many of each state."""
    steps: int
    """Trained in the search."""

    @property
    def trials_begun(self) -> int:
        return sum(self.trials.values())


@dataclass(frozen=True, slots=True)
class Answer:
    study: str
    state: str
    metric: str
    goal: Goal
    best: Best | None
    """None: no trial has a value."""
    others: Mapping[str, float]
    """The winner's values by the other objectives, in the search."""
    params: Mapping[str, Scalar]
    retrained: tuple[Confirmed, ...]
    """By the retrainings that chose, the winner first."""
    rivals: tuple[Rival, ...]
    picked: bool
    """Of several objectives: it is one of many on the Pareto front."""
    default: bool
    """The winner is what a user would have begun with."""
    cost: Cost
    cut: tuple[str, ...]
    """What the budget has cut, a line each."""


def of_study(history: History, state: str) -> Answer:
    best, objective = history.best(), history.spec.objective
    others = dict(list(history.values(history.trials[best.trial]).items())[1:]) if best else {}
    return Answer(
        study=history.spec.name,
        state=state,
        metric=objective.metric,
        goal=objective.goal,
        best=best,
        others=others,
        params=best.params if best else {},
        retrained=tuple(history.confirmed()),
        rivals=tuple(_rivals(history, best)) if best else (),
        picked=len(history.spec.objectives) > 1,
        default=best is not None and best.trial == 0 and all(_centre(history)),
        cost=_cost(history),
        cut=tuple(budget.cut(history)),
    )


def _rivals(history: History, best: Best) -> list[Rival]:
    """By retrainings where both were retrained, else by the search's scores."""
    if len(history.spec.objectives) > 1:
        return []  # by the first objective alone the picked one need not beat anything
    groups = history.confirmed()
    retrained = {group.trial: group for group in groups}
    second = next((group.trial for group in groups if group.trial != best.trial), None)
    found = []
    first = history.trials[0]
    centre, believed = _centre(history)
    what = "the default configuration" if believed else "the middle of every range"
    if centre and first.trial != best.trial and history.value(first) is not None:
        if first.trial == second:
            what, second = f"{what}, which came second of the retrained", None
        found.append(_rival(history, best, what, first.trial, retrained))
    values = [value for run in history.trials if (value := history.value(run)) is not None]
    median, goal = statistics.median(values), history.spec.objective.goal
    gain = goal.loss(median) - goal.loss(best.value)
    found.append(Rival("the median trial", None, median, best.value, gain, 0))
    if second is not None:
        found.append(_rival(history, best, "the second of the retrained", second, retrained))
    return found


def _centre(history: History) -> tuple[bool, bool]:
    """Whether trial 0 is the priors' centre, and whether any prior says so."""
    return priors_centre(history.spec.space, history.trials[0].params)


def _rival(
    history: History, best: Best, what: str, trial: int, retrained: Mapping[int, Confirmed]
) -> Rival:
    goal, other = history.spec.objective.goal, retrained.get(trial)
    if other and best.chosen:
        gain = goal.loss(other.mean) - goal.loss(best.chosen.mean)
        known = [std for std in (other.std, best.chosen.std) if std is not None]
        seeds, spread = len(other.values), max(known, default=None)
        return Rival(what, trial, other.mean, best.chosen.mean, gain, seeds, spread)
    value = history.value(history.trials[trial])
    assert value is not None, "it was asked for"
    return Rival(what, trial, value, best.value, goal.loss(value) - goal.loss(best.value), 0)


def _cost(history: History) -> Cost:
    again = [*history.confirms, *history.verifies]
    gpu_seconds = history.gpu_seconds + sum(run.seconds * history.gpus(run) for run in again)
    return Cost(
        wall=history.elapsed(),
        search=history.leaderboard.seconds,
        confirmation=sum(run.seconds for run in again),
        gpu_hours=gpu_seconds / 3600,
        trials=dict(Counter(run.state.value for run in history.trials)),
        steps=sum(len(run.reports) for run in history.trials),
    )
