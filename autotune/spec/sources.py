"""A study as one tree: its file, its fragments and the overrides, merged."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from autotune.errors import Problem, echo, nearest
from autotune.space.read import KINDS
from autotune.spec.overrides import overridden
from autotune.spec.prune_conditions import removed, without
from autotune.spec.reader import Node, read_text
from autotune.spec.shipped import fragment, shipped
from autotune.spec.values import over, tree

__all__ = ["given_study", "read_file", "read_study"]

_KEYS = {field.name for kind in KINDS.values() for field in fields(kind)}
_MOST_BYTES = 4_000_000
_MOST_FILES = 100


def read_study(path: Path, overrides: Iterable[str], problems: list[Problem]) -> Node | None:
    """The study in `path`, with `space` as one mapping and `overrides` ("path=value") applied."""
    root = read_file(path, problems)
    if root is None:
        return None
    if not isinstance(root.value, dict):
        problems.append(Problem(f"a study is a mapping, but got {_kind(root)}", where=root.where))
        return None
    root = _merged(root, path, (path.resolve(),), problems)
    for override in overrides:
        root = overridden(root, override, problems)
        if (
            override.partition("=")[0].strip() == "space"
        ):  # its fragments are relative to the user's file
            root = _merged(root, Path(), (), problems)
    return root


def given_study(
    values: Mapping[str, Any], problems: list[Problem], path: Path | None = None
) -> Node | None:
    """The study that `values` describe, or the file `path` with `values` set. Fragments named in
    `values` are relative to the working directory."""
    given = _merged(tree(values, problems), Path(), (), problems)
    if path is None:
        return given
    root = read_study(path, (), problems)
    return over(root, given) if root else None


def _merged(root: Node, file: Path, chain: tuple[Path, ...], problems: list[Problem]) -> Node:
    """With `space` of `file` merged into one mapping; for `chain` see _Part."""
    if not isinstance(root.value, dict) or "space" not in root.value:
        return root
    merged = _Merge(problems)
    merged.take(root.value["space"], _Part(file, chain, own=True))
    space = Node(merged.parameters, root.value["space"].where)
    return replace(root, value={**root.value, "space": space})


def read_file(path: Path, problems: list[Problem], named_at: str = "") -> Node | None:
    """The tree in `path`. `named_at`: where another file names it; then problems quote nothing of
    its text."""
    shown = _shown(path)
    try:
        if path.is_dir():
            raise OSError("it is a folder")
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise OSError(f"it is larger than {_MOST_BYTES:,} bytes")
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        problems.append(Problem("not a text file in UTF-8", where=f"{shown}:{line}"))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        problems.append(Problem(f"cannot read {shown}: {why}", where=named_at))
    else:
        return read_text(text, shown, problems, quoting=not named_at)
    return None


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the space and its origin."""

    file: Path
    chain: tuple[Path, ...]
    """The files that led here, `file` last."""
    own: bool
    """Whether it is in the study file itself. A fragment may be any file of the machine, so text
    that is no parameter is not quoted."""

    def got(self, node: Node) -> str:
        if isinstance(node.value, dict):
            return ", but got a mapping"
        if isinstance(node.value, list):
            return ", but got a list"
        return f", but got {echo(node.value)}" if self.own else ""


@dataclass(slots=True)
class _Merge:
    """Merges fragments in order. A parameter given again replaces the earlier one; without `type`
    it amends it, key by key. Removed choices take their dependent parameters along."""

    problems: list[Problem]
    parameters: dict[str, Node] = field(default_factory=dict)
    files: int = 0

    def take(self, space: Node, part: _Part) -> None:
        if isinstance(space.value, dict):
            wrong = {} if part.own else _no_parameters(space.value)
            for name, parameter in space.value.items():
                if name not in wrong:
                    self._parameter(name, parameter)
            # A file that is no space at all is reported once.
            for name in list(wrong)[: None if len(wrong) < len(space.value) else 1]:
                self._complain(wrong[name], space.value[name])
        elif isinstance(space.value, list):
            for entry in space.value:
                self._entry(entry, part)
        else:
            message = "a space is a mapping of parameters, or a list of fragments and such mappings"
            self._complain(message + part.got(space), space)

    def _entry(self, entry: Node, part: _Part) -> None:
        if isinstance(entry.value, dict):
            self.take(entry, part)
        elif isinstance(entry.value, str):
            self._fragment(entry.value, entry, part)
        else:
            message = "each entry is the path of a fragment or a mapping of parameters"
            self._complain(message + part.got(entry), entry)

    def _fragment(self, name: str, entry: Node, part: _Part) -> None:
        path = fragment(name, part.file)
        try:
            real = path.resolve()
            missing = not path.exists()
        except (OSError, ValueError, RuntimeError):
            real, missing = path, True
        self.files += 1
        if self.files > _MOST_FILES:
            if self.files == _MOST_FILES + 1:
                self._complain(f"a space may name at most {_MOST_FILES} fragments", entry)
        elif missing:
            named = f"no fragment {echo(name)}{_like(name, part.file)}"
            self._complain(
                named if part.own else "this entry names a fragment that is not there", entry
            )
        elif real in part.chain:
            circle = [*part.chain[part.chain.index(real) :], real]
            names = " -> ".join(step.name for step in circle)
            self._complain(f"fragments include one another in a circle: {names}", entry)
        elif (tree := read_file(path, self.problems, entry.where)) is not None:
            self.take(tree, _Part(path, (*part.chain, real), own=False))

    def _parameter(self, name: str, parameter: Node) -> None:
        earlier = self.parameters.get(name)
        if earlier and isinstance(earlier.value, dict) and isinstance(parameter.value, dict):
            if "type" not in parameter.value:
                gone = removed(earlier, parameter)
                self.parameters = without(self.parameters, name, gone)
                parameter = replace(parameter, value={**earlier.value, **parameter.value})
        self.parameters[name] = parameter

    def _complain(self, message: str, node: Node) -> None:
        self.problems.append(Problem(message, where=node.where))


def _no_parameters(nodes: Mapping[str, Node]) -> dict[str, str]:
    """Rules for unreadable entries, by name."""
    return {name: rule for name, node in nodes.items() if (rule := _no_parameter(node))}


def _no_parameter(node: Node) -> str:
    """Why the node is neither a parameter nor an amendment; "" if it is one."""
    if not isinstance(node.value, dict):
        return "each parameter of a fragment is a mapping such as {type: float, low: 0, high: 1}"
    if "type" in node.value:
        known = node.value["type"].value in list(KINDS)
        return "" if known else f"`type` must be one of {', '.join(KINDS)}"
    amends = node.value and set(node.value) <= _KEYS
    return "" if amends else f"a parameter has a `type`: one of {', '.join(KINDS)}"


def _like(name: str, file: Path) -> str:
    if "/" not in name:
        return nearest(name, shipped("search_spaces"))
    above = Path(name).parent
    return nearest(name, (str(above / path.name) for path in (file.parent / above).glob("*.yaml")))


def _kind(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    return "a list" if isinstance(node.value, list) else echo(node.value)


def _shown(path: Path) -> str:
    """The shorter path: relative to the working directory if inside it."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative
