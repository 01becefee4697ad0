"""The interface of a scheduler: it decides, from the curves alone, which trials continue."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from autotune.errors import Problem
from autotune.schedule.curves import Curves
from autotune.schedule.state import Action, NewTrial, SchedulerState
from autotune.space import Space
from autotune.trial import Decision, Goal, Scalar

__all__ = ["Scheduler", "SchedulerSettings", "Stopping", "StudyContext", "beyond"]


@dataclass(frozen=True, slots=True)
class StudyContext:
    """What a scheduler may know of its study."""

    max_step: int | None
    """The step at which a trial is complete; None if trials end by themselves."""
    space: Space
    goal: Goal
    per_epoch: int = 1
    """Steps in an epoch."""


class Scheduler(Protocol):
    """A pure function of its arguments: no memory, no clock, no order of arrival."""

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        """What becomes of `trial` after its report at `step`, which is in `curves` already.

        `curves` holds the trials that reported anything, finished ones included; failed trials
        keep the steps they reached.

            curves = Curves({6: {1: 0.9, 3: 0.2}, 7: {1: 0.8, 3: 0.7}})
            decide(7, 3, curves)  -> Decision.STOP
        """
        ...

    def next_action(self, state: SchedulerState) -> Action:
        """What a free worker should do: continue a paused trial, clone one, or start a new one."""
        ...

    def until(self, trial: int, step: int) -> int | None:
        """The next step after `step` at which `trial` pauses, or else its end. An assignment of a
        built-in training ends there, with a checkpoint."""
        ...

    def perturb(self, params: dict[str, Scalar], seed: int) -> dict[str, Scalar]:
        """The parameters of a clone of a trial with `params`."""
        ...


class Stopping:
    """The base class of schedulers that only stop trials."""

    def __init__(self, context: StudyContext) -> None:
        self.max_step = context.max_step

    def at_end(self, step: int) -> bool:
        """A trial at its last step is complete, whatever its loss."""
        return self.max_step is not None and step >= self.max_step

    def next_action(self, state: SchedulerState) -> Action:
        return NewTrial()

    def until(self, trial: int, step: int) -> int | None:
        return self.max_step

    def perturb(self, params: dict[str, Scalar], seed: int) -> dict[str, Scalar]:
        raise NotImplementedError("it never answers Clone")


class SchedulerSettings(BaseModel):
    """The base class of what `schedule:` may hold. Each scheduler's settings stand beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    several: ClassVar[bool] = False
    """Whether it compares trials by several objectives."""

    def build(self, context: StudyContext) -> Scheduler:
        raise NotImplementedError

    def check(self, context: StudyContext) -> list[Problem]:
        """Settings that do not fit the study."""
        return []

    @property
    def stops_early(self) -> bool:
        return True


def beyond(key: str, value: int, context: StudyContext) -> list[Problem]:
    """Step settings must leave something to stop."""
    if context.max_step is None or value < context.max_step:
        return []
    steps = f"{context.max_step} epochs"
    if context.per_epoch > 1:
        steps = f"{context.max_step} steps ({context.per_epoch} an epoch)"
    rule = f"`schedule.{key}` must be below the trial's {steps}"
    return [Problem(f"{rule}, but got {value}", ("schedule", key))]
