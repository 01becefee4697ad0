"""The answer of a study as its tracker shows it: a note in Markdown, and a view of its trials."""

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from autotune.report.tables import headline, params, score
from autotune.study import budget
from autotune.study.history import History
from autotune.study.winner import Best
from autotune.tracking.base import AnswerUpdated
from autotune.tracking.view import View
from autotune.train.duration import spoken
from autotune.trial import Goal

if TYPE_CHECKING:
    from autotune.report.findings.importance import Importance

__all__ = ["Answers"]

_FEWEST = 15
"""Trials that have ended; below it luck is all there is to see."""
_NAMED = 3
"""Parameters that are said to have mattered."""
_TOP = 3
_SHOWN = 6
"""Columns of parameters in the table of the best."""


class Answers:
    """What a study answers, while it runs and afterwards."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._mattered: list[Importance] = []
        self._told = self._weighed = 0

    @property
    def due(self) -> bool:
        """Whether so many trials have ended since `now` that it should be told again."""
        finished = self._history.leaderboard.finished
        return not self._history.searching(0.0) or finished > 1.01 * self._told

    def now(self) -> AnswerUpdated:
        self._told = self._history.leaderboard.finished
        self._weigh()
        mattered = _mattered(self._mattered)
        return AnswerUpdated(_note(self._history, mattered, self._order), asdict(self._view()))

    def _weigh(self) -> None:
        """What mattered: while the search runs, whenever it has doubled, for it takes a second."""
        finished = self._history.leaderboard.finished
        ended = not self._history.searching(0.0) and finished != self._weighed
        if finished >= _FEWEST and (ended or finished >= 2 * self._weighed):
            self._weighed = finished
            self._mattered = [one for one in _importances(self._history) if one.matters]

    @property
    def _order(self) -> list[str]:
        """The parameters: those that mattered, then those that each trial has."""
        parameters = self._history.spec.space.parameters
        first = [one.parameter for one in self._mattered]
        rest = [name for name in parameters if name not in first]
        return first + sorted(rest, key=lambda name: bool(parameters[name].when))

    def _view(self) -> View:
        spec = self._history.spec
        first, *others = spec.objectives
        parameters = spec.space.parameters
        common = [name for name in self._order if not parameters[name].when]
        return View(
            metric=first.metric,
            objective=f"{first.at}/{first.metric}",
            ascending=first.goal == Goal.MINIMIZE,
            params=self._order,
            common=common,
            others=[f"{first.at}/{one.metric}" for one in others],
        )


def _importances(history: History) -> Sequence["Importance"]:
    from autotune.report.findings import importance  # which imports scipy

    return importance.of_study(history).parameters


def _mattered(found: Sequence["Importance"]) -> str:
    """ "" where nothing stands out from luck."""
    names = [f"{one.parameter} ({one.value:.0%})" for one in found[:_NAMED]]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _note(history: History, mattered: str, order: Sequence[str]) -> str:
    """The answer in one line, four lines on it, the best trials as a table, and the command that
    trains the winner again."""
    best = history.best()
    if best is None:
        return "\n".join(
            [f"**No trial has a value yet.** {_counted(history)}", "", _searched(history)]
        )
    lines = [_headline(history, best, mattered), ""]
    most = f"What mattered, by PED-ANOVA: {mattered or 'nothing stands out from luck yet'}"
    told = (_won(best), _sure(history, best), most, _searched(history))
    lines += [f"- {line}" for line in told]
    lines += ["", *_table(history, order), "", _again(history, best)]
    return "\n".join(lines)


def _headline(history: History, best: Best, mattered: str) -> str:
    over = budget.is_over(history, history.elapsed())
    metric = history.spec.objective.metric
    said = best.scored.told(".4f", ".4f") if best.scored else score(best.value)
    verb = "won" if over else "leads"
    found = [f"**Trial {best.trial} {verb}: {metric} {said}**{_basis(best)}"]
    if best.test is not None:
        found.append(f"test {_plain(metric)} {best.test:.4f}")
    if mattered:
        found.append(f"{mattered} mattered most")
    elif over and history.leaderboard.finished >= _FEWEST:
        found.append("no parameter stands out from luck")
    if not over:
        found.append(_counted(history))
    return "; ".join(found)


def _basis(best: Best) -> str:
    if best.scored is None:
        return f" ({best.progress or 'not confirmed'})"
    count = len(best.scored.values)
    return f" over {count} fresh seed{'s' * (count != 1)}{best.scored.failures}"


def _plain(metric: str) -> str:
    return metric.removeprefix("val_")


def _counted(history: History) -> str:
    most, ended = history.spec.budget.trials, history.leaderboard.finished
    return f"{ended} of {most} trials have ended" if most else f"{ended} trials have ended"


def _won(best: Best) -> str:
    return f"Configuration: {params(best.params)}"


def _sure(history: History, best: Best) -> str:
    found = [f"the search saw {score(best.value)}"]
    if best.scored:
        shrinkage = round(best.scored.mean - best.value, 4) + 0.0
        found[0] += f", {shrinkage:+.4f} on retraining"
    if best.interval:
        found.insert(0, "95 % t-interval {:.4f} to {:.4f}".format(*best.interval))
    if best.selected:
        found.append(f"these seeds also chose it from {best.among} trials, so it is too good")
    elif best.verified and best.chosen:
        found.append(f"chosen from {best.among} trials by other seeds")
    if best.broken:
        found.append(f"no trial keeps to the constraints; this one breaks {', '.join(best.broken)}")
    if len(history.spec.objectives) > 1:
        values = ", ".join(
            f"{k} {v:.6g}" for k, v in history.values(history.trials[best.trial]).items()
        )
        found.append(f"picked from a Pareto set of {len(history.pareto())}: {values}")
    return f"Certainty: {'; '.join(found)}"


def _searched(history: History) -> str:
    states = Counter(run.state.value for run in history.trials)
    counts = ", ".join(f"{count} {state}" for state, count in states.items()) or "no trials"
    return f"Search: {headline(history.spec)}; {counts}, in {spoken(round(history.elapsed()))}"


def _table(history: History, order: Sequence[str]) -> Iterator[str]:
    """The best trials, as the search saw them, and what retraining gave."""
    metric, runs = history.spec.objective.metric, history.top(_TOP)
    shown = [name for name in order if any(name in run.params for run in runs)][:_SHOWN]
    retrained = {group.trial: group.told(".4f", ".4f") for group in history.confirmed()}
    yield _row(["trial", "state", metric, "retrained", *shown])
    yield _row(["---"] * (4 + len(shown)))
    for run in runs:
        values = [_cell(run.params, name) for name in shown]
        value = score(history.value(run))
        yield _row([str(run.trial), run.state.value, value, retrained.get(run.trial, "-"), *values])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cell(values: Mapping[str, object], name: str) -> str:
    value = values.get(name, "-")
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _again(history: History, best: Best) -> str:
    file = os.path.relpath(history.config_file(best.source))
    shown = str(history.config_file(best.source)) if file.startswith("..") else file
    return f"Train the winner again: `autotune train {shlex.quote(shown)}`"
