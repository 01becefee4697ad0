"""A study given in Python, converted to the spec that a study file would give."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from autotune import spec as specs
from autotune.api.function_reference import reference_of, sha256_of
from autotune.api.parameters import goal_of
from autotune.engine.base import EngineName
from autotune.errors import UserError, echo
from autotune.spec import StudySpec
from autotune.train.function import Passed

__all__ = ["OPTIONS", "Objective", "Options", "Sections", "Target", "runs_folder", "spelled"]

Target = Callable[..., Any] | str | os.PathLike[str] | Mapping[str, Any]
Objective = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]


class Options(TypedDict, total=False):
    """How a study is run: nothing of it is stored."""

    runs: str | os.PathLike[str]
    """The folder of all studies. Default: `runs`, or the value of AUTOTUNE_RUNS."""
    engine: EngineName
    """Default: `ray`. `inline`: in this process, one trial at a time, and pdb works."""
    address: str | None
    """host:port of a running Ray cluster to join."""
    view: bool
    """False: nothing is printed."""
    changed: bool
    """True: the function may differ from the one that the study began with."""


class Sections(Options, total=False):
    """The sections of a study file, with the same keys; see docs/study-file.md."""

    trial: Mapping[str, Any]
    """The fixed settings: all of them reach the function in `config`."""
    seed: int
    search: Mapping[str, Any]
    schedule: Mapping[str, Any]
    budget: Mapping[str, Any]
    worker: Mapping[str, Any]
    confirm: Mapping[str, Any]
    tracking: Mapping[str, Any]
    storage: str
    constraints: Sequence[str]
    pick: str | Mapping[str, Any]


OPTIONS = frozenset(Options.__annotations__)


def spelled(target: Target, given: Mapping[str, Any]) -> tuple[StudySpec, Passed | None]:
    """The spec of `target` with the sections `given`, and the function where it is passed on.

    `given` may hold `trials` and `time`, which stand for the budget's, and None for what was not
    given. Raises InvalidInput with all that is wrong.
    """
    sections = dict(_sections(given))
    if isinstance(target, str | os.PathLike):
        return _of_file(os.fspath(target), sections), None
    if isinstance(target, Mapping):
        whole = target if "trial" in target else {"trial": target}
        values = {**whole, **sections}
        if "trial" in target and "trial" in sections:
            values["trial"] = {**target["trial"], **sections["trial"]}
        return specs.from_values(values), None
    if not callable(target):
        kind = type(target).__name__
        raise UserError(f"autotune.run takes a function, a path or a dict, but got {kind}")
    reference = reference_of(target)
    passed = None
    if reference.startswith("__main__:"):
        passed = Passed(target, sha256_of(target), bool(given.get("changed")))
    sections.setdefault("name", reference.partition(":")[2])
    sections["trial"] = {"function": reference, **sections.get("trial", {})}
    return specs.from_values(sections), passed


def _sections(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    budget = {key: given[key] for key in ("trials", "time") if given.get(key) is not None}
    for key, value in given.items():
        if key in OPTIONS or key in ("trials", "time", "budget") or value is None:
            continue
        yield key, _objective(value) if key == "objective" else value
    if budget or given.get("budget"):
        yield "budget", {**(given.get("budget") or {}), **budget}


def _objective(said: Any) -> Any:
    if isinstance(said, str):
        return goal_of(said)
    if isinstance(said, Sequence):
        return [_objective(one) for one in said]
    return said


def _of_file(path: str, sections: Mapping[str, Any]) -> StudySpec:
    if not path:
        raise UserError(f"autotune.run needs the path of a study file, but got {echo(path)}")
    return specs.from_values(sections, specs.find(path))


def runs_folder(given: Mapping[str, Any]) -> Path:
    """The folder of all studies."""
    return Path(given.get("runs") or os.environ.get("AUTOTUNE_RUNS") or "runs")
