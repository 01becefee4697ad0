"""Population based training: poor members continue from checkpoints of good ones."""

import random
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from autotune.errors import Problem, echo, nearest
from autotune.schedule.base import SchedulerSettings, StudyContext, beyond
from autotune.schedule.curves import Curves
from autotune.schedule.state import Action, Clone, NewTrial, Resume, SchedulerState, WaitForRunning
from autotune.space import Categorical, Parameter, Space
from autotune.trial import Decision, Scalar

__all__ = ["Pbt", "PbtScheduler", "fits_checkpoint", "perturbable"]

_FIXED = ("model", "data", "initializer", "activation", "transfer", "distill", "prune")
"""Sections that cannot change during a training, or have no effect after its first step."""
_FACTORS = (0.8, 1.2)


def _tuple(value: object) -> object:
    """A study file has lists; a frozen value holds a tuple."""
    return tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_tuple), Field(min_length=1)]


class Pbt(SchedulerSettings):
    """A population trains together. Every `every` steps the worst are replaced by clones of the
    best, whose numbers are perturbed. The result is a schedule of values, not one setting.

    M. Jaderberg et al., "Population based training of neural networks", 2017, with truncation
    selection. A clone is a new trial with a parent. All members wait for one another at a
    selection, so the study does not depend on the number of workers.
    """

    name: Literal["pbt"] = "pbt"
    every: int = Field(default=1, ge=1)
    """Steps between two selections."""
    population: int = Field(default=10, ge=2)
    """Trials that train at a time."""
    quantile: float = Field(default=0.2, gt=0, le=0.5)
    """Share of the population that is replaced, and share that is cloned."""
    perturb: Names | None = None
    """The parameters that a clone perturbs: numbers that fit the parent's weights whatever their
    value, such as model.dropout. Default: all numbers that fit whatever the model. Of the optimizer
    only lr: the rest belongs to the parent's state."""

    def build(self, context: StudyContext) -> "PbtScheduler":
        return PbtScheduler(self, context)

    def check(self, context: StudyContext) -> list[Problem]:
        problems = beyond("every", self.every, context)
        if context.max_step is None:
            rule = "pbt needs `trial.epochs`: its population ends together"
            problems.append(Problem(rule, ("schedule", "name")))
        numbers = _numbers(context.space)
        for name in self.perturb or ():
            if name not in numbers:
                rule = f"`schedule.perturb` must name numbers a clone can change, got {echo(name)}"
                problems.append(Problem(rule + nearest(name, numbers), ("schedule", "perturb")))
        if self.perturb is None and not perturbable(context.space):
            rule = (
                "pbt needs a number in `space` that may change half-way, such as optimizer.lr, or "
                "`schedule.perturb` to name one; or choose asha"
            )
            problems.append(Problem(rule, ("schedule", "name")))
        return problems


def perturbable(space: Space) -> list[str]:
    """Numbers of the space that may change during a training, whatever its model."""
    return [name for name in _numbers(space) if fits_checkpoint(name)]


def fits_checkpoint(name: str) -> bool:
    """Whether the parameter may change during a training, whatever the model."""
    return name.partition(".")[0] not in _FIXED and not _in_checkpoint(name)


def _numbers(space: Space) -> list[str]:
    numbers = [name for name, p in space.parameters.items() if not isinstance(p, Categorical)]
    return [name for name in numbers if not _in_checkpoint(name)]


def _in_checkpoint(name: str) -> bool:
    """An optimizer's settings are part of the state that a clone inherits; only the learning rate
    is set at every step."""
    return name == "layer_decay" or (name.startswith("optimizer.") and name != "optimizer.lr")


class PbtScheduler:
    """Selection at step s waits until no trial is running below s. The worst of all that reached s
    are replaced first, the n-th worst by a clone of the n-th best, then each failed one by one more
    clone. Then the others continue."""

    def __init__(self, config: Pbt, context: StudyContext) -> None:
        self.config, self.space, self.max_step = config, context.space, context.max_step
        self.names = config.perturb or perturbable(context.space)

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        if self.max_step is not None and step >= self.max_step:
            return Decision.CONTINUE
        before = max((at for at in curves[trial] if at < step), default=step - 1)
        due = step // self.config.every > before // self.config.every
        return Decision.PAUSE if due else Decision.CONTINUE

    def until(self, trial: int, step: int) -> int | None:
        due = (step // self.config.every + 1) * self.config.every
        return due if self.max_step is None else min(due, self.max_step)

    def next_action(self, state: SchedulerState) -> Action:
        if state.begun < self.config.population and not state.closing:
            return NewTrial()
        if not state.paused:
            return WaitForRunning()
        step = state.paused.steps[0]
        if any(at < step for at in state.running.values()):
            return WaitForRunning()
        return self._replace(state, step) or Resume(min(t for _, t in state.paused.at(step)))

    def _replace(self, state: SchedulerState, step: int) -> Clone | None:
        """The next clone at `step`; None when all are made."""
        came = [trial for _, trial in state.curves.rung(step).ranked if step in state.curves[trial]]
        share = max(1, int(len(came) * self.config.quantile))
        best = [trial for trial in came[:share] if trial in state.paused]
        if state.closing or not best or len(came) < 2:
            return None
        for place, trial in enumerate(reversed(came[-share:])):
            if state.paused.get(trial) == step:
                return Clone(best[place % len(best)], trial)
        complete = 0 if self.max_step is None else len(state.curves.rung(self.max_step).ranked)
        if complete + len(state.paused) + len(state.running) < self.config.population:
            return Clone(best[state.begun % len(best)], None)
        return None

    def perturb(self, params: dict[str, Scalar], seed: int) -> dict[str, Scalar]:
        rng = random.Random(seed)
        changed = dict(params)
        for name in self.names:
            if isinstance(value := params.get(name), int | float):
                changed[name] = _moved(self.space.parameters[name], value, rng)
        # Only values that keep the same parameters active: a clone stays in its parent's branch.
        return changed if set(self.space.active(changed)) == set(params) else dict(params)


def _moved(parameter: Parameter, value: float, rng: random.Random) -> float | int:
    """Up or down by a fifth, within the range, and on its grid."""
    assert not isinstance(parameter, Categorical)
    moved = value * rng.choice(_FACTORS)
    step = parameter.step
    if step is None and isinstance(parameter.low, int):
        step = 1
    if step is not None:
        away = round((moved - parameter.low) / step)
        here = round((value - parameter.low) / step)
        # Otherwise a coarse grid would never change the value.
        away += (away == here) * (1 if moved > value else -1)
        moved = parameter.low + away * step
    inside = min(max(moved, parameter.low), parameter.high)
    return int(inside) if isinstance(parameter.low, int) else inside
