"""Who is compared: a sampler and a scheduler each, built anew for every run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autotune.schedule import Asha, NoStopping, Scheduler
from autotune.search import Gp, Mfgp, Random, SamplerSettings, Tpe
from autotune.trial import Goal
from benchmarks.search.clock import Proposer
from benchmarks.search.task import Task

__all__ = ["METHODS", "OURS", "Method"]


@dataclass(frozen=True, slots=True)
class Method:
    about: str
    proposer: Callable[[Task, int], Proposer]
    """task, seed -> what proposes."""
    scheduler: Callable[[Task], Scheduler]


def _with(config: SamplerSettings) -> Callable[[Task, int], Proposer]:
    return lambda task, seed: config.build(task.space, Goal.MINIMIZE, seed)


def _whole(task: Task) -> Scheduler:
    return NoStopping().build(task.epochs)


def _asha(task: Task) -> Scheduler:
    return Asha().build(task.epochs)


METHODS: Mapping[str, Method] = {
    "random": Method("random, whole trainings", _with(Random()), _whole),
    "random-asha": Method("random + ASHA", _with(Random()), _asha),
    "tpe": Method("Optuna TPE, whole trainings", _with(Tpe()), _whole),
    "tpe-asha": Method("Optuna TPE + ASHA, stopped trials told PRUNED", _with(Tpe()), _asha),
    "gp": Method("Optuna GP, whole trainings", _with(Gp()), _whole),
    "mfgp": Method("autotune mfgp, whole trainings", _with(Mfgp()), _whole),
    "mfgp-asha": Method("autotune mfgp + ASHA", _with(Mfgp()), _asha),
}
OURS = "mfgp-asha"
