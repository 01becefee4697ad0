"""Commands that read studies and change nothing: list, show, compare, logs, best, ui."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from autotune.cli.options import RUNS, Json, Name, Only, Runs, named

__all__ = ["best", "compare", "list_", "logs", "show", "ui"]


def list_(runs: Runs = RUNS, json: Json = False) -> None:
    """List studies with their progress and best value.

    Example: autotune list --json
    """
    from autotune.report import tables, views

    lines = views.studies(runs)
    _answer(lambda: lines, lambda: tables.studies(lines, runs), json)


def show(
    name: Only = None,
    trial: Annotated[
        int | None, typer.Argument(metavar="TRIAL", help="One trial's number.")
    ] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="A column for each parameter, whole values.")
    ] = False,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="COLUMN", help="-COLUMN: the largest first.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="A,B", help="These columns alone.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show a study's trials, or one trial with its curve.

    The parameters that go with the scores come first, constant ones last.

    \b
    Example:
      autotune show quickstart
      autotune show quickstart 17
      autotune show quickstart --columns value,optimizer.lr --sort optimizer.lr
    """
    from autotune.report import tables, views
    from autotune.study import history as histories

    alone = trial is None and name is not None and name.isdecimal()
    if alone and name not in histories.names(runs):
        name, trial = None, int(name or 0)
    history = histories.load(named(name, runs), runs)
    if trial is not None:
        number = trial
        _answer(lambda: views.trial(history, number), lambda: tables.trial(history, number), json)
        return
    most = 20 if sys.stdout.isatty() else None
    if wide or sort or columns:
        from autotune.report.columns import chosen

        names = [word.strip() for word in (columns or "").split(",") if word.strip()]
        found = chosen(history, views.study(history)["trials"], names, sort)
        shown = ("trial", *found.names)
        rows = [{key: row.get(key) for key in shown} for row in found.rows]
        _answer(lambda: rows, lambda: tables.chosen(found, most), json, endless=wide)
        return
    _answer(lambda: views.study(history), lambda: tables.study(history, most), json)


def compare(
    one: Annotated[str, typer.Argument(metavar="STUDY", help="A study's name.")],
    other: Annotated[str, typer.Argument(metavar="STUDY", help="Another study's name.")],
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Compare two studies: specs, winners, curves and costs.

    Example: autotune compare quickstart quickstart-tpe
    """
    from autotune.report import comparison
    from autotune.study import history as histories

    told = [histories.load(name, runs) for name in (one, other)]
    _answer(
        lambda: [comparison.as_values(history) for history in told],
        lambda: comparison.table(*told),
        json,
    )


def logs(
    name: Name,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as it prints, until the trial has ended.")
    ] = False,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Print the output of your own code in a trial.

    If it failed, its traceback is at the end.

    Example: autotune logs quickstart 17
    """
    from autotune.report import views
    from autotune.study import history as histories

    if follow:
        for text in views.followed(name, runs, trial):
            typer.echo(text, nl=False)
        return
    said = views.logs(histories.load(name, runs), trial)
    if json:
        typer.echo(views.to_json(said))
        return
    typer.echo(said[0]["text"], nl=False)
    for again in said[1:]:
        typer.echo(f"note: {again['label']} has a log of its own: {again['file']}", err=True)


def best(name: Only = None, runs: Runs = RUNS, json: Json = False) -> None:
    """Print the winner with its confirmed and test scores.

    Example: autotune best quickstart --json
    """
    from autotune.report import tables, views
    from autotune.study import history as histories

    history = histories.load(named(name, runs), runs)
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
    from autotune.study.history import names
    from autotune.tracking.ui import page, serve_ui

    name = name or (names(runs)[0] if len(names(runs)) == 1 else None)
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


def _answer(
    value: Callable[[], Any], text: Callable[[], Any], json: bool, endless: bool = False
) -> None:
    """`endless`: nothing is cut to the terminal's width."""
    if json:
        from autotune.report.views import to_json

        typer.echo(to_json(value()))
        return
    if sys.stdout.isatty() and not endless:
        from rich.console import Console

        Console().print(text(), highlight=False)
        return
    from autotune.report.plain import plain

    typer.echo(plain(text()))
