"""autotune itself on a virtual clock: the study that a user would run, with recorded curves."""

from collections.abc import Iterator, Mapping
from typing import Any

from autotune.engine import simulate
from autotune.spec import StudySpec
from autotune.study import state_machine
from autotune.tracking.base import Event, RunReported
from autotune.trial import Assignment, Report
from benchmarks.search.task import Anytime, Curve, Task

__all__ = ["never", "search"]


def search(
    task: Task,
    sections: Mapping[str, Any],
    seed: int,
    workers: int,
    seconds: float,
) -> Anytime:
    """A study of `seconds` of each worker; `sections` are its `search:` and `schedule:`."""
    found = Anytime()

    def heard(event: Event) -> None:
        if isinstance(event, RunReported):
            found.see(driven.elapsed(), event.report.metrics["loss"])

    def work(assignment: Assignment) -> Iterator[Report]:
        return _steps(task.curve(driven.history.trials[assignment.trial].params), assignment)

    driven = state_machine.in_memory(_spec(task, sections, seed, seconds), [heard])
    simulate.run(driven, workers, work)
    found.trials = len(driven.history.trials)
    return found


def _spec(
    task: Task,
    sections: Mapping[str, Any],
    seed: int,
    seconds: float,
) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": task.name,
            "seed": seed,
            "objective": {"metric": "loss", "goal": "minimize"},
            "trial": {"function": "benchmarks.search.product:never", "epochs": task.epochs},
            "space": task.space,
            **sections,
            "budget": {"time": seconds},
            "confirm": {"top": 0},
            "tracking": {"uri": "none"},
        }
    )


def never(config: Mapping[str, Any], seed: int) -> Iterator[Any]:
    """What the spec names: the simulation looks the curves up instead."""
    raise NotImplementedError


def _steps(curve: Curve, assignment: Assignment) -> Iterator[Report]:
    """Going on from a checkpoint costs nothing for the epochs before it."""
    assert assignment.to_step is not None
    for step in range(assignment.from_step + 1, assignment.to_step + 1):
        before = curve.seconds[step - 2] if step > 1 else 0.0
        yield Report(step, {"loss": curve.losses[step - 1]}, curve.seconds[step - 1] - before)
