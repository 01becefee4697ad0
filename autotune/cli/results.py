"""Commands about a study's result: export, config, train."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from autotune.cli.options import RUNS, Json, Name, Runs, print_json
from autotune.errors import UserError

__all__ = ["config", "export", "train"]


class Format(StrEnum):
    """Typer reads no list of literals."""

    ONNX = "onnx"
    MLFLOW = "mlflow"


Spelling = Literal["yaml", "json", "env", "args", "optuna"]
Trial = Annotated[
    int | None, typer.Option("--trial", metavar="N", help="This trial, not the winner.")
]


def export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write.")],
    runs: Runs = RUNS,
    trial: Trial = None,
    format_: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Also model.onnx, or an MLflow model; may be repeated."),
    ] = None,
    register: Annotated[
        str | None,
        typer.Option("--register", metavar="NAME", help="In MLflow's model registry."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever DIR holds.")] = False,
    json: Json = False,
) -> None:
    """Export the winner as a folder that works anywhere.

    DIR contains best.yaml, a complete training config with its scores; model.safetensors, the
    weights of its best retraining; model.pt2, input.json and load.py, which predict with torch
    alone; code/, the source of your own modules; metrics.json; SHA256SUMS; and README.md with
    figures of its confusions and of important image regions, which MLflow gets too.

    --format onnx adds model.onnx, checked by onnxruntime. --format mlflow adds an MLflow model,
    which is logged to the study's run. --register NAME adds it to the model registry, with the
    alias `champion` if it is the best on the same test split.

    \b
    Example:
      autotune export quickstart -o best/
      autotune export quickstart -o best/ --force --format onnx --register digits
      autotune export quickstart -o seventeen/ --trial 17
    """
    from autotune.app.deliver import check_registration, deliver
    from autotune.export.bundle import export as write
    from autotune.report.views import state
    from autotune.study import history as histories

    history = histories.load(name, runs)
    check_registration(history, runs, register)
    asked = {*(format_ or ()), *[Format.MLFLOW] * (register is not None)}
    formats: list[Literal["onnx", "mlflow"]] = ["onnx"] if Format.ONNX in asked else []
    formats += ["mlflow"] if Format.MLFLOW in asked else []
    done = write(history, out, force, trial, formats)
    notes = [*done.notes, *deliver(history, runs, done, out, formats, register)]
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


def config(
    name: Name,
    as_: Annotated[
        Spelling,
        typer.Option("--as", help="env: variables; args: a command line; optuna: enqueue_trial."),
    ] = "yaml",
    trial: Trial = None,
    runs: Runs = RUNS,
) -> None:
    """Print the winner's values only.

    \b
    Example:
      autotune config quickstart
      autotune config quickstart --as env > best.env
      python train.py $(autotune config quickstart --as args)
    """
    from autotune.export.values import spelled
    from autotune.study import history as histories

    history = histories.load(name, runs)
    best = history.best() if trial is None else history.best_of(trial)
    if best is None:
        raise UserError(f"no trial of study {name!r} has a value yet")
    typer.echo(spelled(best.params, as_))


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
    everything: Annotated[
        bool, typer.Option("--all", help="Hold nothing out: no score is claimed then.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", help="A folder to predict with, as export's."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what that DIR holds.")] = False,
) -> None:
    """Train one configuration alone, as a trial would.

    CONFIG.yaml is an exported best.yaml, the file that `autotune show STUDY TRIAL` names, or your
    own. On CPU the score is the same as the trial's.

    \b
    Example:
      autotune train best/best.yaml
      autotune train best/best.yaml --data new.csv --epochs 100 -o again/
      autotune train best/best.yaml --all --export final/
    """
    from autotune.app.train_config import Changes, train_alone
    from autotune.export.target import refuse

    if export is not None:
        refuse(export, force, config)
    for line in train_alone(config, out, Changes(data, epochs, everything), export):
        typer.echo(line)
