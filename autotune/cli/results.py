"""Commands about a study's result: export, train."""

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli.options import RUNS, Name, Runs

__all__ = ["export", "train"]


def export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write.")],
    runs: Runs = RUNS,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever DIR holds.")] = False,
) -> None:
    """Write the winner as files to train from.

    DIR then holds best.yaml, a complete training config with its scores; model.safetensors, the
    weights of its best retraining; metrics.json; and README.md with figures of what the winner
    confuses and where it looks, which MLflow gets too.

    Example: autotune export quickstart -o best/
    """
    from autotune.app.runner import tell_figures
    from autotune.export.bundle import export as write
    from autotune.report.views import state
    from autotune.study import history as histories

    history = histories.load(name, runs)
    done = write(history, out, force)
    for path in done.files:
        typer.echo(str(path))
    notes = [*done.notes, *tell_figures(history, runs, done.figures)]
    if (word := state(history)) != "finished":
        notes.append(f"the study is {word}; this is the best so far")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"rerun it: autotune train {out / 'best.yaml'}")


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="A training config.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where the weights are kept.")
    ] = None,
) -> None:
    """Train one configuration alone, as a trial would.

    CONFIG.yaml is an exported best.yaml, the file that `autotune show STUDY TRIAL` names, or your
    own. On CPU the score is the same as the trial's.

    Example: autotune train best/best.yaml
    """
    from autotune.app.train_config import train_alone

    for line in train_alone(config, out):
        typer.echo(line)
