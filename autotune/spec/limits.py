"""Upper bounds against absurd numbers, which would run forever or use up all memory."""

from collections.abc import Iterator, Mapping
from typing import Any

from autotune.errors import Problem, echo
from autotune.space import Int
from autotune.spec.model import StudySpec
from autotune.train.config import is_own

__all__ = ["limits"]

_MOST = 10_000_000
"""The bound of keys without a bound of their own."""
_LIMITS = {
    "budget.trials": 1_000_000,
    "confirm.seeds": 1_000,
    "confirm.top": 1_000,
    "search.population": 10_000,
    "schedule.population": 10_000,
    "trial.epochs": 1_000_000,
    "worker.cpus": 1_000,
    "worker.gpus": 10_000,
    "worker.processes": 10_000,
}
_CURES = {"budget.trials": ": for as many as there is time for, leave it out and set `time`"}
_SECTIONS = ("budget", "worker", "confirm", "search", "schedule", "trial")
_OWN = {"args", "seed"}
"""Keys with values of any size."""

Keys = tuple[str | int, ...]


def limits(spec: StudySpec) -> list[Problem]:
    """Numbers in `spec` beyond all bounds. Only new studies are checked, so older ones go on."""
    problems = list(_endless(spec))
    for keys, value in _numbers(spec):
        name = ".".join(map(str, keys))
        most = _LIMITS.get(name, _MOST)
        if value > most:
            cure = _CURES.get(name, "")
            message = f"`{name}` must be at most {most:,}, got {_shown(value)}{cure}"
            problems.append(Problem(message, keys))
    own = is_own(spec.trial)
    for name, parameter in spec.space.parameters.items():
        if isinstance(parameter, Int) and parameter.high > _MOST:
            if not own and not _OWN & set(name.split(".")):
                message = f"{name}: `high` must be at most {_MOST:,}, got {echo(parameter.high)}"
                problems.append(Problem(message, ("space", name)))
    return problems


def _endless(spec: StudySpec) -> Iterator[Problem]:
    if spec.budget.gpu_hours is not None and not any(s.gpus for s in spec.worker.shares({})):
        rule = "`budget.gpu_hours` needs `worker.gpus` above 0: trials without GPUs never spend it"
        yield Problem(f"{rule}; limit the study by `trials` or `time`", ("budget", "gpu_hours"))


def _numbers(spec: StudySpec) -> Iterator[tuple[Keys, int | float]]:
    for section in _SECTIONS:
        part = getattr(spec, section)
        values = part if isinstance(part, dict) else part.model_dump()
        if section == "trial" and is_own(values):
            values = {"epochs": values.get("epochs")}
        yield from _leaves(values, (section,))


def _leaves(value: Any, path: Keys) -> Iterator[tuple[Keys, int | float]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            if key not in _OWN:
                yield from _leaves(below, (*path, key))
    elif type(value) is int or (path[0] == "worker" and isinstance(value, float)):
        yield path, value


def _shown(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else echo(value)
