"""What a study answers a command, from its history alone: the sender asks first, the driver again.

A command that cannot be obeyed raises UserError with the reason and the cure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from autotune.errors import InvalidInput, Problem, UserError, echo
from autotune.schedule.pbt import fits_checkpoint
from autotune.search.fixed import complete, mistake
from autotune.spec import Budget, StudySpec
from autotune.study.history import ENDED, History
from autotune.study.journal.run import Run
from autotune.study.steering.commands import AnyCommand, Clone, GoOn, Pause, SetBudget, Stop, Try
from autotune.train.config import apply, is_own
from autotune.train.duration import in_seconds
from autotune.trial import Scalar, State

__all__ = ["Answer", "Start", "answer"]


@dataclass(frozen=True, slots=True)
class Start:
    """A trial that is to begin."""

    params: Mapping[str, Scalar]
    origin: Mapping[str, Any]
    """What it was made of: {"like": 17}, {"again": 3}, or {} for neither."""
    parent: int | None = None
    """The trial whose checkpoint it goes on from."""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    """One line."""
    starts: tuple[Start, ...] = ()
    budget: Budget | None = None


def answer(command: AnyCommand, history: History) -> Answer:
    """Raises UserError for what cannot be obeyed."""
    match command:
        case Try():
            return _try(command, history)
        case Clone():
            return _clone(command, history)
        case Stop(trial=trial):
            return _stop(trial, history)
        case SetBudget():
            return _budget(command, history)
        case Pause():
            word = (
                "it is paused already" if history.paused else "each trial waits at its next report"
            )
            return Answer(f"accepted: {word}; go on with: autotune resume {history.spec.name}")
        case GoOn(retry_failed=retry):
            return _go_on(history, retry)
        case unreachable:
            assert_never(unreachable)


def _try(command: Try, history: History) -> Answer:
    _refuse_spent(history)
    number = len(history.trials)
    like = _like(command, history)
    given = {**(like.params if like else {}), **command.values}
    _refuse(command.values, given, history.spec)
    params = _completed(given, command.values, history.spec, number)
    made = _listed(command.values) or "nothing changed"
    text = f"trial {like.trial}'s values with {made}" if like else made
    if drawn := [name for name in params if name not in given]:
        text += f"; drawn: {_listed({name: params[name] for name in drawn})}"
    if same := [str(run.trial) for run in history.trials if run.params == params]:
        text += f"; trial {same[0]} has the same values, and another seed"
    start = Start(params, {"like": like.trial} if like else {})
    return Answer(f"accepted as trial {number}: {text}", (start,))


def _like(command: Try, history: History) -> Run | None:
    if command.like is not None:
        return _trial(history, command.like)
    return next(iter(history.top(1)), None) or history.leaderboard.least_violating()


def _clone(command: Clone, history: History) -> Answer:
    _refuse_spent(history)
    parent, number = _trial(history, command.trial), len(history.trials)
    spec, name = history.spec, history.spec.name
    cure = f"try its values instead: autotune try {name} --like {parent.trial} --set PATH=VALUE"
    last = spec.context.max_step
    if last is not None and parent.step >= last:
        raise UserError(f"trial {parent.trial} is at its end: nothing is left to train; {cure}")
    if not parent.reports or not _has_files(history, parent):
        kept = [str(run.trial) for run in history.trials if _goes_on(history, run, last)]
        held = f"; such are trials {', '.join(kept[:8])}" if kept else ""
        raise UserError(f"trial {parent.trial} has no checkpoint to go on from{held}; or {cure}")
    given = {**parent.params, **command.values}
    _refuse(command.values, given, spec)
    params = _completed(given, command.values, spec, number)
    if not is_own(spec.trial):
        fixed = [key for key in command.values if not fits_checkpoint(key)]
        if fixed or set(params) != set(parent.params):
            which = fixed[0] if fixed else next(iter(set(params) ^ set(parent.params)))
            raise UserError(f"{which} cannot change half-way, in a checkpoint; {cure}")
    changed = f" with {_listed(command.values)}" if command.values else ""
    text = f"accepted as trial {number}: trial {parent.trial} from step {parent.step}{changed}"
    return Answer(text, (Start(params, {}, parent.trial),))


def _goes_on(history: History, run: Run, last: int | None) -> bool:
    unfinished = last is None or run.step < last
    return bool(run.reports) and unfinished and _has_files(history, run)


def _has_files(history: History, run: Run) -> bool:
    folder = history.trial_folder(run.trial)
    return folder.is_dir() and any(folder.iterdir())


def _stop(trial: int | None, history: History) -> Answer:
    if trial is None:
        again = f"go on with: autotune resume {history.spec.name}"
        return Answer(f"accepted: the study stops when each trial has reported; {again}")
    run = _trial(history, trial)
    if run.state.finished:
        raise UserError(f"trial {trial} has ended: it is {run.state.value}")
    when = "at its next report" if run.state == State.RUNNING else "now"
    return Answer(f"accepted: trial {trial} ends {when}")


def _go_on(history: History, retry: bool) -> Answer:
    on = "the study goes on" if history.paused else "the study is not paused"
    if not retry:
        return Answer(f"accepted: {on}")
    _refuse_spent(history)
    tried = {run.origin.get("again") for run in history.trials}
    failed = [r for r in history.trials if r.state == State.FAILED and r.trial not in tried]
    if not failed:
        raise UserError("no trial has failed that was not run again already")
    first = len(history.trials)
    starts = tuple(Start(run.params, {"again": run.trial}) for run in failed)
    numbers = ", ".join(str(first + place) for place in range(len(failed)))
    those = ", ".join(str(run.trial) for run in failed)
    many = "s" * (len(failed) > 1)
    return Answer(f"accepted as trial{many} {numbers}: again trial{many} {those}", starts)


def _budget(command: SetBudget, history: History) -> Answer:
    old = history.spec.budget
    asked = {key: getattr(command, key) for key in ("trials", "time", "gpu_hours")}
    asked = {key: text for key, text in asked.items() if text is not None}
    if not asked:
        raise UserError("give one of --trials, --time and --gpu-hours, such as --trials +40")
    limits = {key: _limit(key, text, getattr(old, key)) for key, text in asked.items()}
    try:
        budget = Budget.model_validate({**old.model_dump(), **limits})
    except ValidationError as error:
        wrong = error.errors()[0]
        key = str(wrong["loc"][0])
        raise UserError(f"--{key.replace('_', '-')}: {wrong['msg']}, got {asked[key]}") from None
    if history.exhausted and limits.get("trials"):
        raise UserError("the sampler has proposed all there is: more trials are not to be had")
    shown, before = budget.model_dump(mode="json"), old.model_dump(mode="json")
    changes = [f"budget.{key} is now {shown[key]}{_was(before.get(key))}" for key in limits]
    begun = len(history.trials)
    if budget.trials is not None and begun >= budget.trials:
        changes.append(f"{begun} trials have begun, so the search ends")
    return Answer(f"accepted: {'; '.join(changes)}", budget=budget)


def _was(before: object) -> str:
    return f" (was {before})" if before is not None else ""


def _limit(key: str, text: str, old: float | None) -> float:
    more, given = text.startswith("+"), text.removeprefix("+").strip()
    flag = f"--{key.replace('_', '-')}"
    if more and old is None:
        raise UserError(f"the study has no budget.{key} to add to: give {flag} without the +")
    try:
        if key == "time":
            seconds = in_seconds(int(given) if given.isdecimal() else given)
            assert isinstance(seconds, int | float)
            value = float(seconds)
        else:
            value = int(given) if key == "trials" else float(given)
    except (ValueError, PydanticCustomError):
        example = {"trials": "+40 or 100", "time": "+1h or 2h30m", "gpu_hours": "+4 or 12.5"}[key]
        raise UserError(f"{flag} must be such as {example}, but got {echo(text)}") from None
    return value + (old or 0) if more else value


def _refuse_spent(history: History) -> None:
    if history.noted(ENDED):
        raise UserError(
            f"the budget's time is spent: first give more, such as: autotune budget "
            f"{history.spec.name} --time +1h"
        )


def _refuse(values: Mapping[str, Scalar], given: Mapping[str, Scalar], spec: StudySpec) -> None:
    """Raises InvalidInput with all that is wrong with `values` among `given`."""
    problems = [
        Problem(message, where=f"--set {name}")
        for name, value in values.items()
        if (message := mistake(name, value, given, spec.space))
    ]
    if problems:
        raise InvalidInput(problems)


def _completed(
    given: Mapping[str, Scalar], values: Mapping[str, Scalar], spec: StudySpec, number: int
) -> dict[str, Scalar]:
    """`given` with a value for every other active parameter; what is not of `values` stays to the
    last digit. Raises InvalidInput for what the training config refuses together."""
    made = complete(given, spec.space, spec.seed, number)
    kept = {name: given[name] for name in made if name in given and name not in values}
    params = {**made, **kept}
    apply(spec.base_config(), params)
    return params


def _trial(history: History, number: int) -> Run:
    if 0 <= number < len(history.trials):
        return history.trials[number]
    last = len(history.trials) - 1
    held = f"it has trials 0 to {last}" if history.trials else "it has none yet"
    raise UserError(f"study {history.spec.name!r} has no trial {number}: {held}")


def _listed(values: Mapping[str, Scalar]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _short(value: Scalar) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
