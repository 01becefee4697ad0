"""Commands that draw a study: report, plot."""

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli.options import RUNS, Json, Name, Runs, print_json

__all__ = ["plot", "report"]

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
    """Write an HTML report: what won, how surely, and why.

    The file is self-contained. Each run writes it too, as
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


def plot(
    name: Name,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="history, curves, importance, slices, parallel, contour, ablation, pareto, "
            "timeline or failures.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help=".html, .svg or .png; KIND.html if not given."
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Of history and curves: not the objective.")
    ] = None,
    runs: Runs = RUNS,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write one plot of a study as HTML, SVG or PNG.

    \b
    Example:
      autotune plot quickstart importance
      autotune plot quickstart curves -o curves.svg --metric train_loss
    """
    from autotune.report import plots
    from autotune.study import history as histories

    history = histories.load(name, runs)
    path = plots.target(kind, out)
    found = plots.write(history, kind, path, metric, force)
    if json:
        print_json({"file": str(path), "says": list(found.says)})
        return
    typer.echo(str(path))
    for sentence in found.says:
        typer.echo(sentence, err=True)
