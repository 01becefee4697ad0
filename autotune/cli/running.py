"""Commands that run studies: run, resume."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import (
    RUNS,
    Address,
    Engine,
    JsonLines,
    Name,
    Runs,
    Sets,
    Standby,
    StudyFile,
    waiting,
)
from autotune.engine.interrupt import exit_code
from autotune.errors import AutotuneError, Hanging, InvalidInput, MachineFault

if TYPE_CHECKING:
    from autotune.spec import StudySpec

__all__ = ["resume", "run"]


def run(
    study: StudyFile,
    set_: Sets = None,
    runs: Runs = RUNS,
    engine: Engine = "ray",
    address: Address = None,
    standby: Standby = False,
    json: JsonLines = False,
) -> None:
    """Run a study to its end, or continue where it stopped.

    \b
    Example:
      autotune run studies/quickstart.yaml
      autotune run quickstart --set budget.trials=20 --set name=short
    """
    from autotune import spec as specs

    with _said_as_json(json):
        spec = specs.load(specs.find(study), set_ or ())
        specs.check(spec, runs)
        (_stream if json else _drive)(spec, runs, engine, address, standby)


def resume(
    name: Name,
    runs: Runs = RUNS,
    engine: Engine = "ray",
    address: Address = None,
    standby: Standby = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run failed trials again, as new ones.")
    ] = False,
    json: JsonLines = False,
) -> None:
    """Continue an interrupted or paused study.

    \b
    Example:
      autotune resume quickstart
      autotune resume quickstart --retry-failed
    """
    from autotune import spec as specs
    from autotune.app.steer import lift
    from autotune.study import history

    with _said_as_json(json):
        folder = history.find(name, runs)
        if reply := lift(name, runs, retry_failed):
            said = {"event": "command", "answer": reply.text, "accepted": reply.accepted}
            typer.echo(dumps(said) if json else reply.text)
            return
        spec = specs.load(folder / "study.yaml")
        (_stream if json else _drive)(spec, runs, engine, address, standby)


@contextmanager
def _said_as_json(json: bool) -> Iterator[None]:
    """Reports errors as the last line of a JSON stream, too."""
    try:
        yield
    except AutotuneError as error:
        if json:
            from autotune.report.stream import Stream
            from autotune.report.views import problems

            said = {"event": "error", "message": str(error), "exit_code": error.exit_code}
            Stream().write({**said, "problems": problems(error)})
        raise


def _stream(
    spec: "StudySpec", runs: Path, engine: Engine, address: str | None, standby: bool
) -> None:
    from autotune.app.runner import drive
    from autotune.report import views
    from autotune.report.stream import Stream

    stream = Stream()
    for note in _preflight(spec, runs, engine, address):
        stream.write({"event": "note", "text": note})
    try:
        history, notes = drive(spec, runs, [stream.record], engine, address, standby)
    except KeyboardInterrupt as stop:
        stream.write({"event": "interrupted", "exit_code": exit_code(stop)})
        raise typer.Exit(exit_code(stop)) from None
    for note in notes:
        stream.write({"event": "note", "text": note})
    stream.write({"event": "finished", "best": views.best(history)})


def _drive(
    spec: "StudySpec", runs: Path, engine: Engine, address: str | None, standby: bool
) -> None:
    from rich.console import Console

    from autotune.report import live, tables
    from autotune.study import history as histories

    option = histories.option(runs)
    for note in _preflight(spec, runs, engine, address):
        typer.echo(f"note: {note}", err=True)
    console = Console()
    console.print(tables.headline(spec), highlight=False, soft_wrap=not console.is_terminal)
    try:
        with live.view(spec, console) as view:
            from autotune.app.runner import drive

            history, notes = drive(spec, runs, [view.record], engine, address, standby)
    except KeyboardInterrupt as stop:
        typer.echo(f"interrupted; go on with: autotune resume {spec.name}{option}", err=True)
        raise typer.Exit(exit_code(stop)) from None
    except (MachineFault, Hanging) as fault:
        begun = (runs / spec.name / "study.yaml").exists()
        again = f"go on with: autotune resume {spec.name}{option}" if begun else "run it again"
        once = "once fixed, " if isinstance(fault, MachineFault) else ""
        raise type(fault)(f"stopped: {fault}; {once}{again}") from None
    if view.nothing_new:
        console.print(f"finished: all {view.finished} trials were run before", highlight=False)
    console.print(tables.best(history), highlight=False, soft_wrap=not console.is_terminal)
    if spec.tracking.name != "none":
        typer.echo(f"browse it: autotune ui {spec.name}{option}")
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _preflight(spec: "StudySpec", runs: Path, engine: Engine, address: str | None) -> list[str]:
    """Checks what a study needs before it starts; a finished one needs nothing."""
    from autotune.app.preflight import preflight
    from autotune.app.runner import is_finished

    try:
        return preflight(spec, engine, address, waiting=waiting)
    except InvalidInput:
        if is_finished(spec, runs):
            return []
        raise
