"""The command line: every command is parsing, one call into the library, and printing.

Heavy modules are imported inside the commands, so that `autotune --help` answers at once.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autotune.errors import AutotuneError

if TYPE_CHECKING:
    from autotune.history import History

__all__ = ["app", "main"]

app = typer.Typer(
    name="autotune",
    help="Hyperparameter auto-tuning for deep learning: one study file, one command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Runs = Annotated[
    Path, typer.Option("--runs", envvar="AUTOTUNE_RUNS", help="The folder that holds all studies.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Overrides a value of the study file."),
]
Engine = Annotated[
    str, typer.Option("--engine", metavar="[ray|inline]", help="inline: here, one at a time; pdb.")
]
Address = Annotated[
    str | None, typer.Option("--address", help="A running Ray cluster to join, host:port.")
]
StudyFile = Annotated[
    str, typer.Argument(metavar="STUDY.yaml", help="A study file, or the name of a shipped study.")
]
Name = Annotated[str, typer.Argument(metavar="STUDY", help="The study's name.")]
RUNS = Path("runs")


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
) -> None:
    """Copy the quickstart study and its search spaces to edit.

    Example: autotune init my-study
    """
    from autotune.export.starter import copy_starter

    study = copy_starter(folder)
    typer.echo(f"edit {study}, then: autotune run {study}")


@app.command()
def check(study: StudyFile, set_: Sets = None) -> None:
    """Find every mistake in a study file before anything runs.

    Example: autotune check studies/quickstart.yaml
    """
    from autotune import spec as specs

    spec = specs.load(specs.find(study), set_ or ())
    notes = specs.check(spec)
    count = spec.space.count()
    size = f", {count:,} combinations" if count is not None else ""
    typer.echo(f"{spec.name}: OK, {len(spec.space.parameters)} parameters{size}")
    for note in notes:
        typer.echo(f"note: {note}")


@app.command()
def run(
    study: StudyFile,
    set_: Sets = None,
    runs: Runs = RUNS,
    engine: Engine = "ray",
    address: Address = None,
) -> None:
    """Run a study to its end, or go on where it stopped.

    Example: autotune run studies/quickstart.yaml --set budget.trials=20
    """
    from autotune import spec as specs

    spec = specs.load(specs.find(study), set_ or ())
    specs.check(spec)
    _drive(spec, runs, engine, address)


@app.command()
def resume(
    name: Name,
    runs: Runs = RUNS,
    engine: Engine = "ray",
    address: Address = None,
) -> None:
    """Go on with a study that was interrupted.

    Example: autotune resume quickstart
    """
    from autotune import history
    from autotune import spec as specs

    folder = history.find(name, runs)
    _drive(specs.load(folder / "study.yaml"), runs, engine, address)


def _drive(spec: Any, runs: Path, engine: str, address: str | None) -> None:
    from rich.console import Console

    from autotune.engine.drive import drive, engine_named
    from autotune.report import live, tables

    console = Console()
    with live.view(spec, console) as view:
        try:
            history, unwritten = drive(spec, runs, [view.record], engine_named(engine), address)
        except KeyboardInterrupt:
            option = "" if runs == RUNS else f" --runs {runs}"
            typer.echo(f"\ninterrupted; go on with: autotune resume {spec.name}{option}", err=True)
            raise typer.Exit(130) from None
    if view.nothing_new:
        console.print(f"study {spec.name} is finished: {view.finished} trials")
    console.print(tables.best(history), highlight=False, soft_wrap=True)
    if spec.tracking.uri != "none":
        console.print(f"browse it: autotune ui {spec.name}", highlight=False)
    if unwritten:
        typer.echo(f"note: {unwritten}", err=True)


@app.command(name="list")
def list_(runs: Runs = RUNS, json: Json = False) -> None:
    """List the studies, how far each is and its best.

    Example: autotune list --json
    """
    from autotune.report import tables, views

    lines = views.studies(runs)
    _answer(lines, lambda: tables.studies(lines), json)


@app.command()
def show(
    name: Name,
    trial: Annotated[int | None, typer.Argument(metavar="[TRIAL]", help="Its number.")] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Show a study's trials, or one trial with its curve and its config.

    Example: autotune show quickstart 17
    """
    from autotune.report import tables, views

    history = _load(name, runs)
    if trial is None:
        _answer(views.study(history), lambda: tables.study(history), json)
    else:
        _answer(views.trial(history, trial), lambda: tables.trial(history, trial), json)


@app.command()
def best(name: Name, runs: Runs = RUNS, json: Json = False) -> None:
    """Print the best configuration: confirmed on fresh seeds, and its test score.

    Example: autotune best quickstart --json
    """
    from autotune.report import tables, views

    history = _load(name, runs)
    _answer(views.best(history), lambda: tables.best(history), json)


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder to write.")],
    runs: Runs = RUNS,
    force: Annotated[bool, typer.Option("--force", help="Replace whatever DIR holds.")] = False,
) -> None:
    """Write the winner as files: best.yaml, model.safetensors, metrics.json.

    Example: autotune export quickstart -o best/
    """
    from autotune.export.bundle import export as write

    for path in write(_load(name, runs), out, force):
        typer.echo(str(path))
    typer.echo(f"rerun it: autotune train {out / 'best.yaml'}")


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="As best.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where the weights are kept.")
    ] = None,
) -> None:
    """Train one configuration alone, such as an exported best.yaml or a trial's.

    Example: autotune train best/best.yaml
    """
    from autotune.engine.alone import train_alone

    for line in train_alone(config, out):
        typer.echo(line)


@app.command()
def ui(
    name: Annotated[str | None, typer.Argument(metavar="[STUDY]", help="Whose page.")] = None,
    runs: Runs = RUNS,
    port: Annotated[int | None, typer.Option(help="A free one if not given.")] = None,
) -> None:
    """Start the MLflow UI on 127.0.0.1 and print the address of the study's page.

    Example: autotune ui quickstart
    """
    from autotune.engine.drive import artifacts, store_of
    from autotune.tracking.ui import page, serve_ui

    uri, uid = store_of(name, runs)
    if uri.startswith("http"):
        typer.echo(page(uri, uid))
        return
    typer.echo("starting the MLflow UI ...", err=True)
    with serve_ui(uri, artifacts(runs), port=port) as server:
        typer.echo(page(server.address, uid) if uid else server.address)
        typer.echo("Ctrl-C stops it", err=True)
        server.wait()


@app.command()
def sync(name: Name, runs: Runs = RUNS) -> None:
    """Write a study's whole journal to MLflow again; nothing doubles.

    Example: autotune sync quickstart
    """
    from autotune.engine.drive import sync as tell_again

    if unwritten := tell_again(name, runs):
        raise AutotuneError(unwritten)
    typer.echo(f"study {name} is in MLflow: autotune ui {name}")


@app.command()
def delete(
    name: Name,
    runs: Runs = RUNS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a study: its journal, checkpoints and weights. Its MLflow runs stay.

    Example: autotune delete quickstart --yes
    """
    from autotune import history, study

    folder = history.find(name, runs)
    if not yes:
        typer.confirm(f"remove {folder} with all its trials and weights?", abort=True)
    typer.echo(f"removed {study.delete(name, runs)}; its MLflow runs stay")


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, by which editors complete and check them.

    Example: autotune schema > study.schema.json
    """
    from autotune import spec as specs
    from autotune.report.views import to_json

    typer.echo(to_json(specs.schema()))


def _load(name: str, runs: Path) -> "History":
    from autotune import history

    return history.load(name, runs)


def _answer(value: Any, text: Any, json: bool) -> None:
    if json:
        from autotune.report.views import to_json

        typer.echo(to_json(value))
    else:
        from rich.console import Console

        Console().print(text(), highlight=False, soft_wrap=True)


def main() -> None:
    """The entry point: an AutotuneError becomes its message and its exit code."""
    try:
        app()
    except AutotuneError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
