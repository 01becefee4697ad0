"""Who is compared. Each method searches a task with a seed, on a virtual clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.search import clock, product
from benchmarks.search.optuna_peers import OptunaPeer
from benchmarks.search.peers import PeerProcess, venvs
from benchmarks.search.task import Anytime, Believed, Task

__all__ = ["BELIEFS", "METHODS", "OURS", "Method"]

Search = Callable[[Task, int, int, float], Anytime]
"""(task, seed, workers, seconds of each worker)"""


@dataclass(frozen=True, slots=True)
class Method:
    about: str
    search: Search
    venv: str | None = None
    """The environment that it needs, one of venvs.NAMES."""
    stops: bool = False
    """It stops trainings early or promotes them: it has no part where there are no curves."""
    slow: bool = False
    """More than a minute for some tasks of LCBench here: not run with --quick."""

    @property
    def short(self) -> str:
        """`about` up to its first comma."""
        return self.about.partition(",")[0]

    @property
    def installed(self) -> bool:
        return self.venv is None or venvs.python(self.venv) is not None


def _ours(sampler: str, schedule: str) -> Search:
    def search(task: Task, seed: int, workers: int, seconds: float) -> Anytime:
        named = {"search": {"name": sampler}, "schedule": {"name": schedule}}
        return product.search(task, named, seed, workers, seconds)

    return search


def _believing(place: int, draws: int) -> Search:
    def search(task: Task, seed: int, workers: int, seconds: float) -> Anytime:
        return product.search(Believed(task, place, draws), {}, seed, workers, seconds)

    return search


def _optuna(sampler: str, pruner: str = "none", completes: bool = False) -> Search:
    def search(task: Task, seed: int, workers: int, seconds: float) -> Anytime:
        peer = OptunaPeer(task, sampler, pruner, seed, completes)
        return clock.search(task, peer, workers, seconds)

    return search


def _peer(venv: str, method: str, about: str, stops: bool = False, slow: bool = False) -> Method:
    def search(task: Task, seed: int, workers: int, seconds: float) -> Anytime:
        python = venvs.python(venv)
        assert python, f"{method} needs the environment {venv}"
        trainings = round(seconds * workers / task.reference.seconds)
        start = {"method": method, "seed": seed, "workers": workers, "trainings": trainings}
        with PeerProcess(python, venvs.server(venv), start, task) as peer:
            found = clock.search(task, peer, workers, seconds)
            found.elsewhere = peer.spent()
        return found

    return Method(about, search, venv, stops, slow)


METHODS: Mapping[str, Method] = {
    "auto": Method("autotune, as it comes", _ours("auto", "auto")),
    "auto-good-prior": Method("autotune, told the best of 1,000", _believing(0, 1000)),
    "auto-fair-prior": Method("autotune, told the third of 100", _believing(2, 100)),
    "auto-wrong-prior": Method("autotune, told the third last of 100", _believing(-3, 100)),
    "mfgp-asha": Method("autotune mfgp + asha", _ours("mfgp", "asha"), stops=True),
    "mfgp-hyperband": Method("autotune mfgp + hyperband", _ours("mfgp", "hyperband")),
    "mfgp": Method("autotune mfgp, whole trainings", _ours("mfgp", "none")),
    "evolution-asha": Method("autotune evolution + asha", _ours("evolution", "asha"), stops=True),
    "random-asha": Method("autotune random + asha", _ours("random", "asha"), stops=True),
    "random": Method("random, whole trainings", _optuna("random")),
    "tpe": Method("Optuna TPE, whole trainings", _optuna("tpe")),
    "tpe-sha": Method("Optuna TPE + SuccessiveHalving", _optuna("tpe", "sha"), stops=True),
    "tpe-hyperband": Method("Optuna TPE + Hyperband", _optuna("tpe", "hyperband"), stops=True),
    "cmaes": Method("Optuna CMA-ES, whole trainings", _optuna("cmaes")),
    "gp": Method("Optuna GP, whole trainings", _optuna("gp"), slow=True),
    "ray-tpe-asha": Method(
        "Optuna TPE + ASHA as by Ray Tune, stopped trials told COMPLETE",
        _optuna("tpe", "sha", completes=True),
        stops=True,
    ),
    "smac-mf": _peer("smac", "smac-mf", "SMAC3 multi-fidelity", stops=True, slow=True),
    "smac-bb": _peer("smac", "smac-bb", "SMAC3 black-box, whole trainings", slow=True),
    "syne-asha": _peer("syne-tune", "syne-asha", "Syne Tune ASHA", stops=True),
    "syne-bohb": _peer("syne-tune", "syne-bohb", "Syne Tune BOHB", stops=True, slow=True),
    "syne-cqr": _peer("syne-tune", "syne-cqr", "Syne Tune CQR, whole trainings", slow=True),
    "syne-asha-cqr": _peer(
        "syne-tune", "syne-asha-cqr", "Syne Tune CQR + ASHA", stops=True, slow=True
    ),
    "dehb": _peer("dehb", "dehb", "DEHB", stops=True),
    "neps-auto": _peer("neps", "neps-auto", "NePS, as it chooses", stops=True, slow=True),
    "neps-priorband": _peer("neps", "neps-priorband", "NePS PriorBand", stops=True),
    "hebo": _peer("hebo", "hebo", "HEBO, whole trainings", slow=True),
}
OURS = "auto"
BELIEFS = ("auto-good-prior", "auto-fair-prior", "auto-wrong-prior")
"""Run by benchmarks.search.beliefs, no competitors."""
