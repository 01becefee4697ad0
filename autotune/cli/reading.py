"""Commands that read studies and change nothing: list, show, logs, best, ui."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from autotune.cli.options import RUNS, Json, Name, Runs

__all__ = ["best", "list_", "logs", "show", "ui"]


def list_(runs: Runs = RUNS, json: Json = False) -> None:
    """List studies with their progress and best value.

    Example: autotune list --json
    """
    from autotune.report import tables, views

    lines = views.studies(runs)
    _answer(lambda: lines, lambda: tables.studies(lines, runs), json)


def show(
    name: Name,
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", help="One trial's number.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show a study's trials, or one trial with its curve.

    \b
    Example:
      autotune show quickstart
      autotune show quickstart 17
    """
    from autotune.report import tables, views
    from autotune.study import history as histories

    history = histories.load(name, runs)
    if trial is None:
        most = 20 if sys.stdout.isatty() else None
        _answer(lambda: views.study(history), lambda: tables.study(history, most), json)
    else:
        _answer(lambda: views.trial(history, trial), lambda: tables.trial(history, trial), json)


def logs(
    name: Name,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.")],
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Print the output of your own code in a trial.

    If it failed, its traceback is at the end.

    Example: autotune logs quickstart 17
    """
    from autotune.report import views
    from autotune.study import history as histories

    said = views.logs(histories.load(name, runs), trial)
    if json:
        typer.echo(views.to_json(said))
        return
    typer.echo(said[0]["text"], nl=False)
    for again in said[1:]:
        typer.echo(f"note: {again['label']} has a log of its own: {again['file']}", err=True)


def best(name: Name, runs: Runs = RUNS, json: Json = False) -> None:
    """Print the winner with its confirmed and test scores.

    Example: autotune best quickstart --json
    """
    from autotune.report import tables, views
    from autotune.study import history as histories

    history = histories.load(name, runs)
    _answer(lambda: views.best(history), lambda: tables.best(history), json)


def ui(
    name: Annotated[str | None, typer.Argument(metavar="STUDY", help="Whose page.")] = None,
    runs: Runs = RUNS,
    port: Annotated[int | None, typer.Option(help="A free one if not given.")] = None,
) -> None:
    """Start the MLflow UI here and print the study's address.

    It listens on 127.0.0.1 alone, and ends with Ctrl-C.

    Example: autotune ui quickstart
    """
    from autotune.app.runner import artifacts, store_of
    from autotune.tracking.ui import page, serve_ui

    store, uid = store_of(name, runs)
    if (url := store.reveal()).startswith("http"):
        typer.echo(page(url, uid))
        return
    typer.echo("starting the MLflow UI ...", err=True)
    with serve_ui(store, artifacts(runs), port=port) as server:
        for note in server.notes():
            typer.echo(f"note: {note}", err=True)
        typer.echo(page(server.address, uid) if uid else server.address)
        typer.echo("Ctrl-C stops it", err=True)
        server.wait()


def _answer(value: Callable[[], Any], text: Callable[[], Any], json: bool) -> None:
    if json:
        from autotune.report.views import to_json

        typer.echo(to_json(value()))
        return
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(text(), highlight=False)
        return
    from autotune.report.plain import plain

    typer.echo(plain(text()))
