"""Runs a study that was given in Python, with its output for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from autotune import spec as specs
from autotune.app import runner
from autotune.app.preflight import preflight
from autotune.engine.base import EngineName
from autotune.errors import InvalidInput
from autotune.report import live, notebook, tables
from autotune.spec import StudySpec
from autotune.train.function import Passed, offer

__all__ = ["drive", "say"]


def drive(spec: StudySpec, runs: Path, given: Passed | None, options: Mapping[str, Any]) -> None:
    """Runs the study to its end, or continues it. Raises KeyboardInterrupt, with everything
    written, if it is interrupted."""
    if given:
        offer(spec.trial["function"], given)
    engine, address = options.get("engine", "ray"), options.get("address")
    specs.check(spec, runs)
    console = Console(quiet=not options.get("view", True))
    for note in _preflight(spec, runs, engine, address):
        say(console, f"note: {note}")
    say(console, tables.headline(spec))
    try:
        with notebook.view(spec, console) or live.view(spec, console) as view:
            history, notes = runner.drive(spec, runs, [view.record], engine, address)
    except KeyboardInterrupt:
        say(console, f"interrupted; go on with: autotune.load({spec.name!r}).resume()")
        raise
    say(console, tables.best(history))
    for note in notes:
        say(console, f"note: {note}")


def say(console: Console, text: Any) -> None:
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def _preflight(spec: StudySpec, runs: Path, engine: EngineName, address: str | None) -> list[str]:
    """What a study needs before it starts; a finished one needs nothing."""
    try:
        return preflight(spec, engine, address)
    except InvalidInput:
        if runner.is_finished(spec, runs):
            return []
        raise
