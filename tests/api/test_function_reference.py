"""How a function is named, and what its hash is of."""

import types
from collections.abc import Callable
from typing import Any

from autotune.api.function_reference import reference_of, sha256_of
from autotune.examples.objective import boost


def made(text: str, file: str = "cell", name: str = "run") -> Callable[..., Any]:
    module = types.ModuleType("__main__")
    exec(compile(text, file, "exec"), module.__dict__)
    return module.__dict__[name]  # type: ignore[no-any-return]


def test_a_function_is_named_by_its_path_where_any_process_finds_it() -> None:
    assert reference_of(boost) == "autotune.examples.objective:boost"
    assert reference_of(made("def run(config): return 1")) == "__main__:run"
    assert reference_of(lambda config: 1) == "__main__:function"


CELL = """
def scale(x):
    return 2 * x
class Net:
    def size(self): return 3
def run(config):
    return {"acc": scale(config["x"]) + Net().size()}
"""


def test_the_hash_is_of_the_code() -> None:
    known = sha256_of(made(CELL))
    assert sha256_of(made("\n\n# moved\n" + CELL, file="another cell")) == known
    assert sha256_of(made(CELL.replace("2 * x", "3 * x"))) != known
    assert sha256_of(made(CELL.replace("return 3", "return 4"))) != known
    assert sha256_of(made(CELL.replace('"acc"', '"loss"'))) != known
