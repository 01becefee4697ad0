"""A study as one tree of values: its file, the fragments it names and the overrides, merged."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from autotune.errors import Problem, echo, nearest
from autotune.spec.reader import Node, read_text
from autotune.spec.shipped import fragment, shipped

__all__ = ["read_file", "read_study"]

_MOST_BYTES = 4_000_000
_MOST_FILES = 100
_DEEPEST = 20


def read_study(path: Path, overrides: Iterable[str], problems: list[Problem]) -> Node | None:
    """The study in `path`, with `space` as one mapping and `overrides` ("path=value") set."""
    root = read_file(path, problems)
    if root is None:
        return None
    if not isinstance(root.value, dict):
        problems.append(Problem(f"a study is a mapping, but got {_kind(root)}", where=root.where))
        return None
    if "space" in root.value:
        merged = _Merge(problems)
        merged.take(root.value["space"], path, (path.resolve(),))
        space = Node(merged.parameters, root.value["space"].where)
        root = replace(root, value={**root.value, "space": space})
    for override in overrides:
        root = _overridden(root, override, problems)
    return root


def read_file(path: Path, problems: list[Problem], named_at: str = "") -> Node | None:
    """The tree in `path`; `named_at` is where another file names it."""
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
        return read_text(text, shown, problems)
    return None


@dataclass(slots=True)
class _Merge:
    """Takes fragments in order. A parameter given again replaces the earlier one; without `type`
    it amends it, key by key."""

    problems: list[Problem]
    parameters: dict[str, Node] = field(default_factory=dict)
    files: int = 0

    def take(self, space: Node, file: Path, chain: tuple[Path, ...]) -> None:
        """`chain`: the files that led here, `file` last."""
        if isinstance(space.value, dict):
            for name, parameter in space.value.items():
                self._parameter(name, parameter)
        elif isinstance(space.value, list):
            for entry in space.value:
                self._entry(entry, file, chain)
        else:
            message = "a space is a mapping of parameters, or a list of fragments and such mappings"
            self._complain(f"{message}, but got {_kind(space)}", space)

    def _entry(self, entry: Node, file: Path, chain: tuple[Path, ...]) -> None:
        if isinstance(entry.value, dict):
            self.take(entry, file, chain)
        elif isinstance(entry.value, str):
            self._fragment(entry.value, entry, file, chain)
        else:
            message = "each entry is the path of a fragment or a mapping of parameters"
            self._complain(f"{message}, but got {_kind(entry)}", entry)

    def _fragment(self, name: str, entry: Node, file: Path, chain: tuple[Path, ...]) -> None:
        path = fragment(name, file)
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
            self._complain(f"no fragment {echo(name)}{_like(name, file)}", entry)
        elif real in chain:
            circle = " -> ".join(step.name for step in (*chain[chain.index(real) :], real))
            self._complain(f"fragments include one another in a circle: {circle}", entry)
        elif (tree := read_file(path, self.problems, entry.where)) is not None:
            self.take(tree, path, (*chain, real))

    def _parameter(self, name: str, parameter: Node) -> None:
        earlier = self.parameters.get(name)
        if earlier and isinstance(earlier.value, dict) and isinstance(parameter.value, dict):
            if "type" not in parameter.value:
                parameter = replace(parameter, value={**earlier.value, **parameter.value})
        self.parameters[name] = parameter

    def _complain(self, message: str, node: Node) -> None:
        self.problems.append(Problem(message, where=node.where))


def _overridden(root: Node, override: str, problems: list[Problem]) -> Node:
    path, equals, text = override.partition("=")
    where = f"--set {path.strip()}"
    if not equals or not path.strip() or path.count(".") > _DEEPEST:
        message = f"--set takes path=value, such as budget.trials=10, but got {echo(override)}"
        problems.append(Problem(message))
        return root
    own: list[Problem] = []
    value = read_text(text, where, own) if text.strip() else Node(None, where)
    problems += [replace(problem, where=where) for problem in own]
    if value is None:
        return root
    try:
        return _set(root, tuple(path.strip().split(".")), _relabelled(value, where), ())
    except _NoSuchPath as error:
        problems.append(Problem(str(error), where=where))
        return root


class _NoSuchPath(Exception):
    pass


def _set(node: Node, rest: tuple[str, ...], value: Node, above: tuple[str, ...]) -> Node:
    """`node` with `value` at `rest`. Names with dots are matched greedily, the longest first."""
    if not rest:
        return value
    if isinstance(node.value, list):
        index = int(rest[0]) if rest[0].isdecimal() and len(rest[0]) < 6 else len(node.value)
        if index >= len(node.value):
            at = ".".join(above)
            raise _NoSuchPath(f"{at} is a list of {len(node.value)}; give a number from 0")
        items = list(node.value)
        items[index] = _set(items[index], rest[1:], value, (*above, rest[0]))
        return replace(node, value=items)
    known = node.value if isinstance(node.value, dict) else {}
    ends = range(len(rest), 0, -1)
    end = next((end for end in ends if ".".join(rest[:end]) in known), 0)
    if end == 0 and above == ("space",):
        if not isinstance(value.value, dict):
            name = ".".join(rest)
            raise _NoSuchPath(f"no parameter begins {echo(name)}{nearest(name, known)}")
        end = len(rest)
    key = ".".join(rest[: end or 1])
    # What is new, or no mapping yet, stands where the override puts it.
    below = known.get(key, Node({}, value.where))
    changed = _set(below, rest[end or 1 :], value, (*above, key))
    return Node({**known, key: changed}, node.where)


def _relabelled(node: Node, where: str) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _relabelled(below, where) for key, below in node.value.items()}, where)
    if isinstance(node.value, list):
        return Node([_relabelled(below, where) for below in node.value], where)
    return Node(node.value, where)


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
    """Short where it can be: relative to the working directory when inside it."""
    absolute = os.path.abspath(path)
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith("..") else relative
