"""The user's own modules of a training, copied by their source so that it runs elsewhere."""

import ast
import importlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.train.function import resolve

__all__ = ["FOLDER", "copy_sources", "references"]

FOLDER = "code"
"""In the export."""
Keys = tuple[str, ...]
_NAMING = ("function", "build", "load")
"""Keys whose values name a function."""


def references(config: Mapping[str, Any], at: Keys = ()) -> list[tuple[str, Keys]]:
    """The functions of the user's own that a training config names, each with its path there."""
    own = config.get("name") == "custom" or not at
    found: list[tuple[str, Keys]] = []
    for key, value in config.items():
        if isinstance(value, Mapping) and key != "args":
            found += references(value, (*at, key))
        elif own and key in _NAMING and isinstance(value, str):
            found.append((value, (*at, key)))
    return found


def copy_sources(config: Mapping[str, Any], target: Path) -> list[str]:
    """Copies the modules that hold the config's functions, and those of the same project that they
    import, into `target`; the names of the modules of the functions.

    Installed packages stay where they are. Raises what the import of a module raises.
    """
    named = []
    for reference, at in references(config):
        resolve(reference, at)
        module = reference.partition(":")[0]
        root = _root(module)
        if root is None:
            continue
        named.append(module)
        for name, file in sorted(_project(module, root, {}).items()):
            place = target / file.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
            _copy_packages(name, root, target)
    return named


def _copy_packages(module: str, root: Path, target: Path) -> None:
    """The __init__.py of the packages that a module lies in."""
    parts = module.split(".")
    for depth in range(1, len(parts)):
        file = root.joinpath(*parts[:depth], "__init__.py")
        if file.is_file():
            (target / file.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / file.relative_to(root))


def _root(module: str) -> Path | None:
    """The folder that a module is imported from; None where it is installed, or has no source."""
    file = _source(module)
    if file is None or {"site-packages", "dist-packages"} & set(file.parts):
        return None
    if module.partition(".")[0] == "autotune":  # it is where `autotune train` is
        return None
    depth = len(module.split(".")) - (file.name != "__init__.py")
    return file.parents[depth]


def _source(module: str) -> Path | None:
    try:
        loaded = sys.modules.get(module) or importlib.import_module(module)
    except Exception:
        return None
    file = getattr(loaded, "__file__", None)
    return Path(file).resolve() if file and file.endswith(".py") else None


def _project(module: str, root: Path, found: dict[str, Path]) -> dict[str, Path]:
    """`module` and what it imports from under `root`, by name."""
    file = _source(module)
    if file is None or module in found or not file.is_relative_to(root):
        return found
    if _root(module) is None:
        return found
    found[module] = file
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for name in _imports(file, package):
        if name in sys.modules:  # what the import of `module` has led to
            _project(name, root, found)
    return found


def _imports(file: Path, package: str) -> Iterator[str]:
    """The modules that a file may import, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, node.module or ""]).strip(".") if node.level else node.module
            yield from _with_parents(base or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: depth + 1]) for depth in range(len(parts)))
