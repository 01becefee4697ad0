"""The user's own functions, named as package.module:function in a config."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from autotune.errors import InvalidInput, Problem, nearest

__all__ = ["resolve"]


def resolve(reference: str, at: tuple[str, ...] = ("function",)) -> Callable[..., Any]:
    """The function that `reference` names; the working directory is searched first.

    Raises InvalidInput, with the path `at`, when there is none. An error inside the user's module
    passes through as it is, except that one of its own imports may be missing.
    """
    module_name, _, name = reference.partition(":")
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InvalidInput([Problem(absent(at, module_name, folder, error), at)]) from error
    found = getattr(module, name, None)
    if not callable(found):
        public = [word for word in vars(module) if callable(vars(module)[word]) and word[0] != "_"]
        what = "has no function" if found is None else "has no function, but a value, named"
        message = f"`{'.'.join(at)}`: module {module_name!r} {what} {name!r}{nearest(name, public)}"
        raise InvalidInput([Problem(message, at)])
    return found  # type: ignore[no-any-return]


def absent(at: tuple[str, ...], module: str, folder: str, error: ModuleNotFoundError) -> str:
    """Whether the user's module itself is missing, or one that it imports."""
    where = f"`{'.'.join(at)}`"
    if error.name and (module == error.name or module.startswith(error.name + ".")):
        return f"{where}: there is no module {error.name!r} in {folder} or among the packages"
    return f"{where}: {module!r} imports {error.name!r}, which is not installed"
