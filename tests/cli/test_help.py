"""The command line as a surface: every command is documented, and its options are frozen."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from autotune.cli import app

COMMANDS = typer.main.get_group(app).commands

OPTIONS = {
    "init": ["--json"],
    "check": ["--set", "--runs", "--address", "--json"],
    "explain": ["--json"],
    "run": ["--set", "--runs", "--engine", "--address", "--standby", "--json"],
    "resume": ["--runs", "--engine", "--address", "--standby", "--retry-failed", "--json"],
    "try": ["--set", "--like", "--runs", "--json"],
    "clone": ["--set", "--runs", "--json"],
    "stop": ["--trial", "--runs", "--json"],
    "pause": ["--runs", "--json"],
    "budget": ["--trials", "--time", "--gpu-hours", "--runs", "--json"],
    "list": ["--runs", "--json"],
    "show": ["--wide", "--sort", "--columns", "--runs", "--json"],
    "compare": ["--runs", "--json"],
    "logs": ["--follow", "-f", "--runs", "--json"],
    "best": ["--runs", "--json"],
    "report": ["--out", "-o", "--runs", "--force", "--json"],
    "plot": ["--out", "-o", "--metric", "--runs", "--force", "--json"],
    "export": ["--out", "-o", "--runs", "--trial", "--format", "--register", "--force", "--json"],
    "predict": ["--out"],
    "explain-model": ["--out", "-o", "--force"],
    "config": ["--as", "--trial", "--runs"],
    "train": ["--out", "-o", "--data", "--epochs", "--all", "--export", "--force"],
    "ui": ["--runs", "--port"],
    "sync": ["--all", "--runs", "--json"],
    "repair": ["--runs", "--json"],
    "delete": ["--runs", "--mlflow", "--yes", "-y", "--json"],
    "doctor": ["--runs", "--json"],
    "schema": [],
}
HEAVY = {"torch", "ray", "mlflow", "optuna", "sklearn", "pydantic"}


def test_the_options_are_frozen() -> None:
    """A new option is a promise for years: give the reason in docs/decisions/, then add it here."""
    known = {
        name: [o for p in command.params if p.param_type_name == "option" for o in p.opts]
        for name, command in COMMANDS.items()
    }
    assert {name: sorted(options) for name, options in known.items()} == {
        name: sorted(options) for name, options in OPTIONS.items()
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_ends_with_an_example(name: str, autotune: Callable) -> None:
    said = autotune(name, "--help")
    assert said.code == 0
    paragraphs = (COMMANDS[name].help or "").strip().split("\n\n")
    assert "Example:" in paragraphs[-1] and f"autotune {name}" in paragraphs[-1]
    example = paragraphs[-1].replace("\b", "").split("Example:")[1].strip().splitlines()
    assert all(line.strip() in said.out for line in example)
    assert all(p.help for p in COMMANDS[name].params if p.name != "help")


def test_no_short_help_is_cut(autotune: Callable) -> None:
    said = autotune("--help")
    lines = said.out.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in lines] == list(OPTIONS)
    assert [line for line in lines if not line.endswith(".") or line.endswith("..")] == []


def imported(*arguments: str) -> set[str]:
    code = (
        "import sys; from autotune.cli import app; app(sys.argv[1:], standalone_mode=False);"
        "print('\\nMODULES', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return HEAVY & set(done.stdout.partition("\nMODULES ")[2].split())


def test_help_imports_nothing_heavy() -> None:
    assert imported("--help") == set()


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "small"], ["show", "small", "0"], ["best", "small"]]
)
def test_reading_imports_neither_torch_nor_ray_nor_mlflow(runs: str, arguments: list[str]) -> None:
    assert imported(*arguments, "--runs", str(runs)) <= {"optuna", "pydantic"}
