"""The user's own functions, named as package.module:function in a config."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from autotune.errors import InvalidInput, Problem, meant, nearest

__all__ = ["ASKED", "Passed", "offer", "passed", "resolve", "same_folder", "search_first"]

ASKED = "autotune:ask"
"""Placeholder function of a study whose trials are asked for and told in Python."""

_HOMES: dict[str, str] = {}
"""Module -> the directory that its import has changed to; its functions are called there."""


@dataclass(frozen=True, slots=True)
class Passed:
    """A function passed from Python, which has no importable path."""

    function: Callable[..., Any]
    sha256: str = ""
    """Hash of its code; "" in a worker, which does not need it."""
    may_differ: bool = False
    """Whether it may differ from the function that the study began with."""


_PASSED: dict[str, Passed] = {}
"""By reference: the functions that this process was given."""


def offer(reference: str, given: Passed) -> None:
    """Registers the given function under `reference`."""
    _PASSED[reference] = given


def passed(reference: object) -> Passed | None:
    """The function that Python registered under that name; None otherwise."""
    return _PASSED.get(reference) if isinstance(reference, str) else None


def resolve(reference: str, at: tuple[str, ...] = ("function",)) -> Callable[..., Any]:
    """The function that `reference` names; the working directory is searched first.

    Neither the import nor a call of the function changes the working directory afterwards: relative
    paths in a config mean the same before and after. Raises InvalidInput, with the path `at`, if
    there is none. An error inside the user's module passes through as it is, except that one of its
    own imports may be missing.
    """
    if given := _PASSED.get(reference):
        return _called_at(os.getcwd(), given.function)
    module_name, _, name = reference.partition(":")
    if module_name == "__main__" or reference == ASKED:
        raise InvalidInput([Problem(_only_in_python(name), at)])
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        with same_folder():
            module = importlib.import_module(module_name)
            if os.getcwd() != folder:
                _HOMES[module_name] = os.getcwd()
    except ModuleNotFoundError as error:
        raise InvalidInput([Problem(absent(at, module_name, folder, error), at)]) from error
    found = getattr(module, name, None)
    if not callable(found):
        public = [word for word in vars(module) if callable(vars(module)[word]) and word[0] != "_"]
        what = "has no function" if found is None else "has no function, but a value, named"
        message = f"`{'.'.join(at)}`: module {module_name!r} {what} {name!r}{nearest(name, public)}"
        raise InvalidInput([Problem(message, at)])
    return _called_at(_HOMES.get(module_name, folder), found)


def search_first(folder: Path) -> None:
    """From now on `resolve` searches `folder`, then the working directory."""
    for place in (os.getcwd(), str(folder.absolute())):
        if place in sys.path:
            sys.path.remove(place)
        sys.path.insert(0, place)


def _only_in_python(name: str) -> str:
    if name == "ask":
        return "its trials are asked for in Python: go on with autotune.create(..., name=...)"
    again = f"go on with autotune.run({name}, ..., name=...), or autotune.load(...).resume({name})"
    return f"`function`: {name} was passed from Python, where it lives in no module: {again}"


def _called_at(home: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with same_folder():
            os.chdir(home)
            return function(*args, **kwargs)

    return call


@contextmanager
def same_folder() -> Iterator[None]:
    """Restores the working directory on leaving."""
    before = os.getcwd()
    try:
        yield
    finally:
        with suppress(OSError):  # removed meanwhile
            os.chdir(before)


def absent(at: tuple[str, ...], module: str, folder: str, error: ModuleNotFoundError) -> str:
    """Whether the user's module itself is missing, or one that it imports."""
    where = f"`{'.'.join(at)}`"
    if error.name and (module == error.name or module.startswith(error.name + ".")):
        near = [
            path.stem for path in Path(folder).glob("*") if path.suffix == ".py" or path.is_dir()
        ]
        hint = meant(error.name, sorted(near))
        return f"{where}: there is no module {error.name!r} in {folder} or among the packages{hint}"
    return f"{where}: {module!r} imports {error.name!r}, which is not installed"
