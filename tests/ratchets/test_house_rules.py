"""Policies that are tests: sizes, names, docstrings, and what no tracked file may hold."""

import ast
import importlib
import pkgutil
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import autotune
from autotune.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "autotune").rglob("*.py"))
MODULES = [m.name for m in pkgutil.walk_packages(autotune.__path__, "autotune.")]
FORBIDDEN_NAMES = {"utils", "util", "core", "common", "helpers", "misc"}

MACHINE_PATHS = re.compile(
    r"(?<![\w./])/(?:work|scratch|opt|srv|root|home/\w+|Users/\w+)/|/tmp/(?!x\b)\w+/\w"
)
REGISTRY_HOSTS = re.compile(
    r"(?:pypi|pythonhosted|artifactory|nexus|jfrog|download\.pytorch)\.\w+|--(?:extra-)?index-url|"
    r"\b(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2,3}\b(?!\.)"
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    doc = first.end_lineno - first.lineno + 1 if documented and first.end_lineno else 0
    return node.end_lineno - node.lineno + 1 - doc


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 500
    if path.name != "__init__.py":
        assert ast.get_docstring(ast.parse(text)), f"{named(path)} has no docstring"
    long = [f"{node.name}: {body_lines(node)}" for node in functions(path) if body_lines(node) > 60]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_no_name_of_a_module_is_given_twice(path: Path) -> None:
    """The second silently replaces the first, for all that stands above it, too."""
    bound = [name for node in ast.parse(path.read_text()).body for name in names_bound(node)]
    assert [name for name, count in Counter(bound).items() if count > 1] == []


def names_bound(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def test_most_functions_are_small() -> None:
    sizes = sorted(body_lines(node) for path in SOURCES for node in functions(path))
    assert sizes[len(sizes) // 2] <= 10


def test_no_function_takes_more_than_six_arguments() -> None:
    """But for commands, whose arguments are their options."""
    many, commands = [], {command.__name__ for command in COMMANDS.values()}
    for path in SOURCES:
        for node in functions(path):
            if path.parent.name == "cli" and node.name in commands:
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = [a for a in arguments if a.arg not in ("self", "cls")]
            # A command has an argument for each of its options: Typer reads them there.
            command = path.parent.name == "cli" and not node.name.startswith("_")
            if len(own) > 6 and not command:
                many.append(f"{named(path)}: {node.name}")
    assert many == []


def test_no_room_is_a_drawer() -> None:
    names = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert names & FORBIDDEN_NAMES == set()


def by_kind(word: str) -> tuple[int, list[str | int]]:
    """CONSTANTS, then Classes, then functions, numbers by size: the order in which ruff sorts
    `__all__`."""
    parts = [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", word)]
    return (0 if word.isupper() else 1 if word[0].isupper() else 2), parts


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_sorted_and_there(name: str) -> None:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None)
    if public is None:
        assert module.__file__ and module.__file__.endswith("__init__.py"), f"{name} has no __all__"
        return
    assert list(public) == sorted(public, key=by_kind)
    assert [word for word in public if not hasattr(module, word)] == []


def tracked() -> list[Path]:
    if not shutil.which("git"):
        pytest.skip("needs git")
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("needs a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_this_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATHS.search(line) or REGISTRY_HOSTS.search(line):
                found.append(f"{named(path)}:{number}: {line.strip()[:80]}")
    assert found == []
