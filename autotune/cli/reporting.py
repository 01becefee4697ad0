"""Commands that draw a study: report."""

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli.options import RUNS, Json, Name, Runs, print_json

__all__ = ["report"]

Force = Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")]


def report(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="report.html here if not given."),
    ] = None,
    runs: Runs = RUNS,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write an HTML file: what won, how surely, and why.

    The file needs no network and nothing beside it. Each run writes it too, as
    runs/STUDY/report.html.

    \b
    Example:
      autotune report quickstart
      autotune report quickstart -o quickstart.html --force
    """
    from autotune.report import html_report
    from autotune.report.views import state
    from autotune.study import history as histories

    history = histories.load(name, runs)
    target = html_report.write(history, out or Path(html_report.REPORT), force)
    word = state(history)
    notes = [] if word == "finished" else [f"the study is {word}; this is the report so far"]
    if json:
        print_json({"file": str(target), "state": word, "notes": notes})
        return
    typer.echo(str(target))
    for note in notes:
        typer.echo(f"note: {note}", err=True)
