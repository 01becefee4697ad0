"""From files to specs and training configs, and back."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autotune.errors import InvalidInput, Problem, StudyChanged
from autotune.space import Space
from autotune.spec.addresses import address_problems, literal_variables, shown
from autotune.spec.check import rules, walk
from autotune.spec.limits import limits
from autotune.spec.model import StudySpec, tracker_named
from autotune.spec.path_conflicts import meeting_problems
from autotune.spec.reader import Node
from autotune.spec.sources import given_study, read_file, read_study
from autotune.spec.writer import write
from autotune.train.base import fields
from autotune.train.config import apply
from autotune.train.invalid import problems as explained

__all__ = [
    "check",
    "differences",
    "dump",
    "dump_config",
    "dump_shown",
    "from_values",
    "frozen",
    "load",
    "load_config",
    "plain",
    "refuse_changes",
]

Keys = tuple[str | int, ...]

_FROZEN = ("objective", "constraints", "trial", "seed", "space", "search", "schedule")
_NO_SPACE = Space({})
_INNOCENT: Mapping[str, Any] = {
    "name": "unnamed",
    "objective": {"metric": "val_loss", "goal": "minimize"},
    "trial": {},
    "space": _NO_SPACE,
    "budget": {"trials": 1},
}
"""Placeholder for missing or invalid sections, so that the other sections can be checked too."""


def load(path: str | Path, overrides: Iterable[str] = ()) -> StudySpec:
    """The study in `path` with `overrides`, such as "budget.trials=10".

    Raises InvalidInput with every mistake and its file:line. Mistakes that only a walk through the
    space finds are left to `check`, unless there are other mistakes.
    """
    problems: list[Problem] = []
    return _read(read_study(Path(path), overrides, problems), problems)


def from_values(values: Mapping[str, Any], path: str | Path | None = None) -> StudySpec:
    """The study that plain Python `values` describe, or the one in the file `path` with the
    sections of `values` set. Raises InvalidInput as `load` does."""
    problems: list[Problem] = []
    return _read(given_study(values, problems, Path(path) if path else None), problems)


def _read(root: Node | None, problems: list[Problem]) -> StudySpec:
    if root is None:
        raise InvalidInput(in_order(problems))
    spec, found = _validated(root, bool(problems))
    unread = [keys for keys in root.unreadable() if keys]
    problems += [_located(p, root) for p in found if not _is_echo(p.path, unread)]
    if problems or spec is None:
        raise InvalidInput(in_order(problems))
    return spec.read_from(root)


def check(spec: StudySpec, runs: Path | None = None) -> list[str]:
    """Tries every combination of variants, both ends of every range and every choice.

    Returns notes on what the chosen sampler ignores. Raises InvalidInput for what the training
    config rejects, for passwords in the study and for absurd numbers; given `runs`, the folder of
    all studies, also for databases inside a study's folder.
    """
    problems = _new_mistakes(spec)
    problems += meeting_problems(spec, runs) if runs else ()
    if problems:
        raise InvalidInput(in_order([replace(p, where=spec.locate(p.path)) for p in problems]))
    return [*_limits(spec), *literal_variables(spec)]


def _new_mistakes(spec: StudySpec) -> list[Problem]:
    """Problems that are refused only in new studies."""
    problems = [*walk(spec), *address_problems(spec)]
    said = {problem.path for problem in problems}
    return problems + [problem for problem in limits(spec) if problem.path not in said]


def _limits(spec: StudySpec) -> list[str]:
    sampler = spec.chosen_search()
    limits = sampler.limits(spec.space, stops_early=spec.chosen_schedule().stops_early)
    believed = any(p.prior is not None for p in spec.space.parameters.values())
    if believed and not sampler.uses_priors:
        limits.append(f"{sampler.name} makes no use of `prior`: mfgp and evolution do")
    return limits


def dump(spec: StudySpec) -> str:
    """The whole study as one file, fragments and overrides resolved; `load` reads it back."""
    return write(_plain(spec), blocks=("trial", "space"))


def dump_shown(spec: StudySpec) -> str:
    """As `dump`, but without a password that an old study may hold."""
    return write(plain(spec), blocks=("trial", "space"))


def plain(spec: StudySpec) -> dict[str, Any]:
    """The plain values that `dump_shown` writes."""
    return shown(_plain(spec))


def _plain(spec: StudySpec) -> dict[str, Any]:
    values = {k: v for k, v in spec.model_dump(mode="json").items() if v is not None and v != []}
    for section in ("search", "schedule"):
        values[section] = {k: v for k, v in values[section].items() if v is not None}
    # An option that is off is not written: a study stays readable for versions without it.
    values["tracking"] = {k: v for k, v in values["tracking"].items() if v is not False}
    return values


def load_config(path: str | Path) -> dict[str, Any]:
    """The complete training config in `path` as plain values. Raises InvalidInput, located."""
    problems: list[Problem] = []
    root = read_file(Path(path), problems)
    if root is None or problems:
        raise InvalidInput(in_order(problems))
    raw = root.plain()
    if not isinstance(raw, dict):
        raise InvalidInput([Problem("a training config is a mapping", where=root.where)])
    try:
        return apply(raw, {}).model_dump(mode="json")
    except InvalidInput as error:
        raise InvalidInput([_located(p, root) for p in error.problems]) from None


def dump_config(config: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """A training config as YAML under `comments`; `load_config` reads it back."""
    lines = [line for comment in comments for line in comment.splitlines()]
    return "".join(f"# {line}\n" for line in lines) + write(config)


def differences(old: StudySpec | Mapping[str, Any], new: StudySpec) -> list[str]:
    """The differences of `new` in what a started study may not change, one line each."""
    before, after = (dict(_leaves(frozen(spec), "")) for spec in (old, new))
    lines = []
    for path in {**before, **after}:
        if path not in after:
            lines.append(f"{path} was {before[path]}, now is not given")
        elif path not in before:
            lines.append(f"{path} was not given, now is {after[path]}")
        elif before[path] != after[path]:
            lines.append(f"{path} was {before[path]}, now is {after[path]}")
    return lines


def refuse_changes(old: StudySpec | Mapping[str, Any], new: StudySpec) -> None:
    """Raises StudyChanged with the differences and how to proceed. `old` may be the result of
    `frozen`."""
    if changes := differences(old, new):
        lines = "\n".join(f"  {line}" for line in changes)
        raise StudyChanged(
            f"study {new.name!r} exists with another spec:\n{lines}\n"
            f"Give the new one another `name:`, or remove the old: autotune delete {new.name}"
        )


def _validated(root: Node, broken: bool) -> tuple[StudySpec | None, list[Problem]]:
    """The spec in `root`, or its problems. `broken`: a part of it could not be read."""
    raw = root.plain()
    space, problems = _space(raw, broken)
    raw = {**raw, "space": space} if "space" in raw else raw
    if "tracking" in raw:  # resolved here, so that mistakes are explained by the tracker's own keys
        raw = {**raw, "tracking": tracker_named(raw["tracking"])}
    spec = None
    try:
        spec = StudySpec.model_validate(raw, strict=True)
    except ValidationError as error:
        problems += explained(error, StudySpec, raw)
    wrong = [problem.path for problem in problems if problem.path]
    left = _repaired(raw, wrong) if problems else spec
    more = rules(left) if left else []
    if left and (problems or broken or more):
        more += _new_mistakes(left)
    return spec, problems + [p for p in more if not _within(p.path, wrong)]


def _is_echo(path: Keys, unread: Sequence[Keys]) -> bool:
    """Whether the value, or one it is checked with, was unreadable and is already reported."""
    groups = [keys[:2] if keys[0] == "space" else keys for keys in unread]
    return _within(path, groups) or path in [keys[:-1] for keys in unread if len(keys) > 1]


def _within(path: Keys, others: Iterable[Keys]) -> bool:
    return any(path[: len(other)] == other for other in others)


def _repaired(raw: Mapping[str, Any], wrong: Sequence[tuple[str | int, ...]]) -> StudySpec | None:
    """The tree without its mistakes, so that the rest can be checked too; None if impossible."""
    left = deepcopy({key: value for key, value in raw.items() if key in fields(StudySpec)})
    for path in wrong:
        below: Any = left
        for step in path[:-1]:
            below = below.get(step) if isinstance(below, dict) else None
        if isinstance(below, dict):
            below.pop(path[-1], None)
        else:
            left.pop(str(path[0]), None)
    for union in ("search", "schedule"):
        if union in left and "name" not in left[union]:
            del left[union]
    for key, innocent in _INNOCENT.items():
        if isinstance(innocent, dict) and isinstance(left.get(key), dict):
            left[key] = {**innocent, **left[key]}
        left.setdefault(key, innocent)
    try:
        return StudySpec.model_validate(left, strict=True)
    except ValidationError:
        return None


def _space(raw: Mapping[str, Any], broken: bool) -> tuple[Space, list[Problem]]:
    if not isinstance(raw.get("space"), dict):
        return _NO_SPACE, []
    if not raw["space"] and not broken:
        return _NO_SPACE, [Problem("`space` must hold at least one parameter", ("space",))]
    try:
        return Space.parse(raw["space"]), []
    except InvalidInput as error:
        # A condition may refer to a file that could not be read.
        kept = [p for p in error.problems if not (broken and "when" in p.path)]
        return _NO_SPACE, [Problem(p.message, ("space", *p.path)) for p in kept]


def _located(problem: Problem, root: Node) -> Problem:
    return replace(problem, where=root.locate(problem.path))


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """In order of files and lines, without duplicates."""
    files = list(dict.fromkeys(problem.where.rpartition(":")[0] for problem in problems))

    def place(problem: Problem) -> tuple[int, int]:
        file, _, line = problem.where.rpartition(":")
        return files.index(file), int(line) if line.isdecimal() else 0

    return sorted(dict.fromkeys(problems), key=place)


def frozen(spec: StudySpec | Mapping[str, Any]) -> Mapping[str, Any]:
    """What a study with a value may not change, as plain values. `timeout` may change: a trial that
    it ended would hang again."""
    if isinstance(spec, Mapping):
        return spec
    values = spec.model_dump(mode="json")
    values["trial"].pop("timeout", None)
    return {key: values[key] for key in _FROZEN}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Dotted path -> the value as JSON, which distinguishes true from 1."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else str(key))
    elif value is not None:
        yield path, json.dumps(value)
