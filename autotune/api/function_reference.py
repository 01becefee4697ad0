"""How a study refers to a function: by its path if any process can import it, or by a name for
passing it on."""

import hashlib
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

__all__ = ["reference_of", "sha256_of"]


def reference_of(function: Callable[..., Any]) -> str:
    """`my.train:run` for a function that a module of the working directory, or an installed one,
    holds under that name; `__main__:run` for all others, such as those of a notebook."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module and name.isidentifier() and _is_importable(module):
        if getattr(sys.modules.get(module), name, None) is function:
            return f"{module}:{name}"
    word = name.rpartition(".")[2] or type(function).__name__
    return f"__main__:{word if word.isidentifier() else 'function'}"


def _is_importable(module: str) -> bool:
    """By a process that has been started in the working directory."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if module == "__main__" or not file:
        return False
    path, parts = Path(file).resolve(), module.split(".")
    if path.name == "__init__.py":
        path = path.parent
    homes = [Path.cwd(), *(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))]
    places = {home.resolve().joinpath(*parts) for home in homes}
    ours = module.startswith("autotune.")  # an editable install lies elsewhere
    return ours or path.with_suffix("") in places or path in places


def sha256_of(function: Callable[..., Any]) -> str:
    """Of its code, and of the functions and classes beside it that it uses: the same for the same
    text, in another process and another cell too. What its global variables hold does not count."""
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(repr(part).encode())
    return digest.hexdigest()


def _parts(value: Any, seen: set[int]) -> Iterator[object]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, type):
        yield "class", value.__qualname__, [base.__qualname__ for base in value.__bases__]
        for name, member in sorted(vars(value).items()):
            inner = getattr(member, "__func__", member)
            if isinstance(inner, FunctionType):
                yield name
                yield from _parts(inner, seen)
        return
    function = getattr(value, "__func__", value)
    if not isinstance(function, FunctionType):  # an object that can be called
        function = vars(type(value)).get("__call__")
    if not isinstance(function, FunctionType):
        yield "object", type(value).__qualname__
        return
    yield "function", function.__qualname__, function.__defaults__, function.__kwdefaults__
    yield from _code(function.__code__)
    for name, used in _used(function).items():
        yield name
        yield from _parts(used, seen)


def _code(code: CodeType) -> Iterator[object]:
    """Without the lines that it stands at."""
    yield code.co_code, code.co_names, code.co_varnames, code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code(constant)
        else:
            yield constant


def _used(function: FunctionType) -> Mapping[str, Any]:
    """The functions and classes of its own module that it names."""
    found = {}
    for name in sorted(_names(function.__code__)):
        value = function.__globals__.get(name)
        own = getattr(value, "__module__", None) == function.__module__
        if own and isinstance(value, FunctionType | type):
            found[name] = value
    return found


def _names(code: CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(constant) for constant in inner))
