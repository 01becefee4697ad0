"""Commands about a study's result: export, train."""

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli.options import RUNS, Json, Name, Runs, print_json

__all__ = ["export", "train"]

Trial = Annotated[
    int | None, typer.Option("--trial", metavar="N", help="This trial, not the winner.")
]


def export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write.")],
    runs: Runs = RUNS,
    trial: Trial = None,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever DIR holds.")] = False,
    json: Json = False,
) -> None:
    """Write the winner as a folder that trains and predicts anywhere.

    DIR then holds best.yaml, a complete training config with its scores; model.safetensors, the
    weights of its best retraining; model.pt2, input.json and load.py, which predict with torch
    alone; code/, the source of your own modules; metrics.json; SHA256SUMS; and README.md with
    figures of what the winner confuses and where it looks, which MLflow gets too.

    \b
    Example:
      autotune export quickstart -o best/
      autotune export quickstart -o seventeen/ --trial 17
    """
    from autotune.app.runner import tell_figures
    from autotune.export.bundle import export as write
    from autotune.report.views import state
    from autotune.study import history as histories

    history = histories.load(name, runs)
    done = write(history, out, force, trial)
    notes = list(done.notes)
    if trial is None:
        notes += tell_figures(history, runs, done.figures)
    if (word := state(history)) != "finished":
        notes.append(f"the study is {word}; this is the best so far")
    if json:
        files, figures = map(str, done.files), map(str, done.figures)
        print_json({"files": list(files), "figures": list(figures), "notes": notes})
        return
    for path in done.files:
        typer.echo(str(path))
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"rerun it: autotune train {out / 'best.yaml'}")


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="A training config.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where the weights are kept.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="Other data of the same kind.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Another number of epochs.")
    ] = None,
) -> None:
    """Train one configuration alone, as a trial would.

    CONFIG.yaml is an exported best.yaml, the file that `autotune show STUDY TRIAL` names, or your
    own. On CPU the score is the same as the trial's.

    \b
    Example:
      autotune train best/best.yaml
      autotune train best/best.yaml --data new.csv --epochs 100 -o again/
    """
    from autotune.app.train_config import train_alone

    for line in train_alone(config, out, data, epochs):
        typer.echo(line)
