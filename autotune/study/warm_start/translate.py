"""Translates an earlier trial into this study's space and objective, or says why that is
impossible."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autotune.errors import InvalidInput, echo
from autotune.search.encode import snap
from autotune.space import is_active
from autotune.spec.model import StudySpec
from autotune.spec.objectives import Objective
from autotune.train.config import apply, pace
from autotune.trial import Reason, Scalar, State, Trial

__all__ = ["Skipped", "carry", "standing"]

_TELLING = (Reason.NAN, Reason.OOM)
"""Failures that say something about the parameters."""
_NOWHERE = object()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a trial cannot be used."""

    rule: str
    """The rule, by which skipped trials are counted."""
    example: str = ""
    """What this trial has."""


def carry(
    trial: Trial, config: Mapping[str, Any], rename: Mapping[str, str], spec: StudySpec
) -> Trial | Skipped:
    """`trial`, whose complete training config was `config`, as one that `spec` might have run.

    - Each active parameter of the new space takes the value of the old one of that name, or that
      `rename` (old -> new) gives it; one that was not searched takes what `config` holds at its
      path. A value outside the new range leaves the trial out.
    - The curve is that of the new objective's metric, which the trial must have reported. Where an
      epoch has another number of reports here, those that stand at a step of ours are kept.
    - What was searched and no longer is: a choice must be what the new study fixes it to, else it
      was another kind of training and the trial is left out; a number that differs is taken for
      noise, for hardly any trial would have just the number that is now fixed.
    - Trials that have not ended, failures other than nan and oom, and clones, whose curves are not
      of their parameters alone, say too little and are left out.
    """
    metric = spec.objective.metric
    curve = {step: r.metrics[metric] for step, r in trial.reports.items() if metric in r.metrics}
    found = _silent(trial, curve, metric) or _params(trial, config, rename, spec)
    if isinstance(found, Skipped):
        return found
    told, curve = curve, _in_step(curve, pace(config).per_epoch, pace(spec.trial).per_epoch)
    if told and not curve and trial.state != State.FAILED:
        return Skipped("ended before the first step of this study", f"at its step {max(told)}")
    if other := _another_kind(trial, rename, found, spec):
        return other
    bare = replace(trial, params=found, curve=curve, reports={}, message="", seed=0)
    # The rest belongs to the old study's objectives and constraints.
    bare = replace(bare, values=(), violations=(), values_by_step={})
    return replace(bare, value=standing(bare, spec.objective))


def standing(trial: Trial, objective: Objective) -> float | None:
    """The value of a trial by its curve, as `objective.at` says; None for failed ones."""
    if trial.state == State.FAILED or not trial.curve:
        return None
    if objective.at == "last":
        return trial.curve[max(trial.curve)]
    return objective.goal.best(trial.curve.values())


def _in_step(curve: Mapping[int, float], theirs: int, ours: int) -> dict[int, float]:
    """Converts a curve between numbers of reports an epoch, at the steps that both have."""
    return {at * ours // theirs: loss for at, loss in curve.items() if at * ours % theirs == 0}


def _silent(trial: Trial, curve: Mapping[int, float], metric: str) -> Skipped | None:
    if not trial.state.finished:
        return Skipped("had not ended")
    if trial.parent is not None:
        return Skipped("were clones, which began with the weights of others")
    if trial.state == State.FAILED:
        return None if trial.reason in _TELLING else Skipped(f"failed by accident ({trial.reason})")
    if not curve:
        told = sorted({name for report in trial.reports.values() for name in report.metrics})
        return Skipped(f"did not report {metric}", f"but {', '.join(told) or 'nothing'}")
    return None


def _params(
    trial: Trial, config: Mapping[str, Any], rename: Mapping[str, str], spec: StudySpec
) -> dict[str, Scalar] | Skipped:
    called = {new: old for old, new in rename.items()}
    values: dict[str, Scalar] = {}
    for name, parameter in spec.space.parameters.items():
        if not is_active(parameter, values):
            continue
        there = called.get(name, name)
        value = trial.params[there] if there in trial.params else _at(config, there)
        if name in rename and name not in called:
            value = _NOWHERE  # another parameter has that name here
        if value is _NOWHERE:
            return Skipped(f"had no {there}")
        if not parameter.contains(value):
            return Skipped(f"had a {there} that is not {parameter.describe()}", echo(value))
        values[name] = snap(parameter, value)
    return values


def _at(config: Mapping[str, Any], path: str) -> Any:
    """The value in `config` at a dotted path, whether keys are nested or contain the dots."""
    below: Any = config
    for key in path.split("."):
        if not isinstance(below, Mapping) or key not in below:
            return _NOWHERE
        below = below[key]
    return below


def _another_kind(
    trial: Trial, rename: Mapping[str, str], params: Mapping[str, Scalar], spec: StudySpec
) -> Skipped | None:
    """A choice of the old study that the new one does not search and fixes differently."""
    known = {*rename, *spec.space.parameters}
    gone = {n: v for n, v in trial.params.items() if n not in known and not _is_number(v)}
    if not gone:
        return None
    try:
        config = apply(spec.base_config(), params).model_dump(mode="json")
    except InvalidInput as error:
        return Skipped("are refused by the training config now", error.problems[0].message)
    for name, value in gone.items():
        fixed = _at(config, name)
        if fixed is _NOWHERE or (type(fixed), fixed) != (type(value), value):
            now = "is not there" if fixed is _NOWHERE else f"is {echo(fixed)}"
            return Skipped(f"had another {name}, which {now} in this study", echo(value))
    return None


def _is_number(value: Scalar) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
