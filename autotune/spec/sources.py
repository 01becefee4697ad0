"""A study as one tree of values: its file, the fragments it names and the overrides, merged."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from autotune.errors import Problem, echo, nearest
from autotune.spec.overrides import overridden
from autotune.spec.prune_conditions import removed, without
from autotune.spec.reader import Node, read_text
from autotune.spec.shipped import fragment, shipped

__all__ = ["read_file", "read_study"]

_MOST_BYTES = 4_000_000
_MOST_FILES = 100


def read_study(path: Path, overrides: Iterable[str], problems: list[Problem]) -> Node | None:
    """The study in `path`, with `space` as one mapping and `overrides` ("path=value") set."""
    root = read_file(path, problems)
    if root is None:
        return None
    if not isinstance(root.value, dict):
        problems.append(Problem(f"a study is a mapping, but got {_kind(root)}", where=root.where))
        return None
    root = _merged(root, path, (path.resolve(),), problems)
    for override in overrides:
        root = overridden(root, override, problems)
        if override.partition("=")[0].strip() == "space":  # its fragments lie beside the user
            root = _merged(root, Path(), (), problems)
    return root


def _merged(root: Node, file: Path, chain: tuple[Path, ...], problems: list[Problem]) -> Node:
    """With the `space` that `file` gives made one mapping; `chain`: see _Merge.take."""
    if not isinstance(root.value, dict) or "space" not in root.value:
        return root
    merged = _Merge(problems)
    merged.take(root.value["space"], file, chain)
    space = Node(merged.parameters, root.value["space"].where)
    return replace(root, value={**root.value, "space": space})


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
    it amends it, key by key, and choices that it takes away take along what depended on them."""

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
                gone = removed(earlier, parameter)
                self.parameters = without(self.parameters, name, gone)
                parameter = replace(parameter, value={**earlier.value, **parameter.value})
        self.parameters[name] = parameter

    def _complain(self, message: str, node: Node) -> None:
        self.problems.append(Problem(message, where=node.where))


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
