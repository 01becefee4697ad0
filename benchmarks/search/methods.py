"""Who is compared. Each method searches a task with a seed, on a virtual clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.search import clock, product
from benchmarks.search.optuna_peers import OptunaPeer
from benchmarks.search.task import Anytime, Task

__all__ = ["METHODS", "OURS", "Method"]

Search = Callable[[Task, int, int, float], Anytime]
"""(task, seed, workers, seconds of each worker)"""


@dataclass(frozen=True, slots=True)
class Method:
    about: str
    search: Search


def _ours(sampler: str, schedule: str) -> Search:
    def search(task: Task, seed: int, workers: int, seconds: float) -> Anytime:
        named = {"search": {"name": sampler}, "schedule": {"name": schedule}}
        return product.search(task, named, seed, workers, seconds)

    return search


def _optuna(sampler: str, pruner: str = "none", completes: bool = False) -> Search:
    def search(task: Task, seed: int, workers: int, seconds: float) -> Anytime:
        peer = OptunaPeer(task, sampler, pruner, seed, completes)
        return clock.search(task, peer, workers, seconds)

    return search


METHODS: Mapping[str, Method] = {
    "auto": Method("autotune, as it comes", _ours("auto", "auto")),
    "mfgp-asha": Method("autotune mfgp + asha", _ours("mfgp", "asha")),
    "mfgp": Method("autotune mfgp, whole trainings", _ours("mfgp", "none")),
    "random-asha": Method("autotune random + asha", _ours("random", "asha")),
    "random": Method("random, whole trainings", _optuna("random")),
    "tpe": Method("Optuna TPE, whole trainings", _optuna("tpe")),
    "tpe-sha": Method("Optuna TPE + SuccessiveHalving", _optuna("tpe", "sha")),
    "tpe-hyperband": Method("Optuna TPE + Hyperband", _optuna("tpe", "hyperband")),
    "cmaes": Method("Optuna CMA-ES, whole trainings", _optuna("cmaes")),
    "gp": Method("Optuna GP, whole trainings", _optuna("gp")),
    "ray-tpe-asha": Method(
        "Optuna TPE + ASHA, stopped trials told COMPLETE as Ray Tune does",
        _optuna("tpe", "sha", completes=True),
    ),
}
OURS = "auto"
