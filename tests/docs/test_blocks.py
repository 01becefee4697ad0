"""Every YAML, Python and console block of README and docs/ is valid."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from autotune import spec as specs
from autotune.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOREIGN = ("Optuna", "Ray Tune", "W&B sweep")
"""Titles of blocks that show another tool."""
BASE: dict[str, Any] = {
    "name": "block",
    "objective": {"metric": "val_accuracy", "goal": "maximize"},
    "trial": {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 27},
    "space": ["mlp", "optimizer"],
    "budget": {"trials": 3},
}
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def blocks(kind: str) -> Iterator[Any]:
    for page in PAGES:
        pattern = rf"^```{kind}( title=\"([^\"]*)\")?\n(.*?)^```"
        for number, found in enumerate(re.finditer(pattern, page.read_text(), re.M | re.S)):
            if found[2] not in FOREIGN:
                yield pytest.param(found[3], id=f"{page.relative_to(ROOT)}-{number}")


def console() -> Iterator[Any]:
    """Lines that call autotune: indented ones of a page, and those of console blocks."""
    for page in PAGES:
        lines = re.findall(r"^(?:    |\$ )(.*\bautotune .*)$", page.read_text(), re.M)
        for number, line in enumerate(lines):
            yield pytest.param(line, id=f"{page.relative_to(ROOT)}-{number}")


def merged(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}


def whole(values: dict[str, Any]) -> dict[str, Any]:
    """A study of what a block shows: parts are put into a small one."""
    trial: dict[str, Any] = BASE["trial"]
    if {"function", "command"} & set(values.get("trial") or {}):
        trial = {}
    elif "processes" in (values.get("worker") or {}):
        trial = {"function": "my_trial:run"}
    return merged({**BASE, "trial": trial}, values)


@pytest.mark.parametrize("text", [*blocks("yaml")])
def test_yaml_is_a_study_or_a_part_of_one(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(text.replace("../search_spaces/mlp.yaml", "mlp"))
    yaml.dump(whole(values), tmp_path / "study.yaml")
    spec = specs.load(tmp_path / "study.yaml")
    if "space" in values:
        specs.check(spec)


@pytest.mark.parametrize("code", [*blocks("python")])
def test_python_compiles_and_imports_what_there_is(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autotune"):
            path = Path(ROOT, *str(node.module).split("."))
            assert path.is_dir() or path.with_suffix(".py").is_file(), node.module
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "autotune":
                assert node.attr in importlib.import_module("autotune").__all__, node.attr


@pytest.mark.parametrize("line", [*console()])
def test_console_lines_call_commands_with_their_options(line: str) -> None:
    for call in re.findall(r"(?:^|&& |\$\()autotune ([^)#&|>]*)", line):
        name, *words = shlex.split(call)
        command = COMMANDS[name]
        known = {option for each in command.params for option in each.opts}
        given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        assert [word for word in given if word not in known] == [], line
