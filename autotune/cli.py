"""The command line: every command is parsing, one call into the library, and printing.

Heavy modules are imported inside the commands, so that `autotune --help` answers at once.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from autotune.engine.base import EngineName
from autotune.engine.interrupt import Interrupts, exit_code
from autotune.errors import (
    AutotuneError,
    Hanging,
    InvalidInput,
    MachineFault,
    StudyBusy,
    UserError,
)

if TYPE_CHECKING:
    from autotune.spec import StudySpec
    from autotune.study.history import History

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise typer.Exit(exit_code(stop)) from None


app = typer.Typer(
    cls=_Commands,
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
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Overrides a value of the study file; may be repeated."
    ),
]
Engine = Annotated[
    EngineName,
    typer.Option("--engine", help="inline: in this process, one trial at a time; pdb works."),
]
Standby = Annotated[
    bool,
    typer.Option("--standby", help="Wait while another process runs it, and take over then."),
]
Address = Annotated[
    str | None, typer.Option("--address", help="A running Ray cluster to join, host:port.")
]
Elsewhere = Annotated[
    str | None,
    typer.Option("--address", help="A cluster to run on: what this machine lacks is then a note."),
]
StudyFile = Annotated[
    str, typer.Argument(metavar="STUDY.yaml", help="A study file, or a shipped study: quickstart.")
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
    typer.echo(f"made {study}: edit it, then: autotune run {study}")


@app.command()
def check(
    study: StudyFile, set_: Sets = None, runs: Runs = RUNS, address: Elsewhere = None
) -> None:
    """Find every mistake in a study file before anything runs.

    Also in what it names: the data is read, your functions are imported, a network of your own is
    run on two samples. Nothing is trained.

    Example: autotune check studies/quickstart.yaml
    """
    from autotune import spec as specs
    from autotune.app.preflight import preflight
    from autotune.report.tables import headline
    from autotune.study import budget
    from autotune.study.warm_start import collect

    spec = specs.load(specs.find(study), set_ or ())
    notes = specs.check(spec, runs)
    notes += preflight(spec, address=address, offline=True, waiting=_waiting)
    notes += filter(None, [budget.share_of(spec)])
    notes += map(str, collect.gather(spec, collect.under(runs)))
    count = spec.space.count()
    size = f"; {count:,} combinations" if count is not None else ""
    typer.echo(f"OK: {headline(spec)}{size}")
    for note in notes:
        typer.echo(f"note: {note}")


@app.command()
def run(
    study: StudyFile,
    set_: Sets = None,
    runs: Runs = RUNS,
    engine: Engine = "ray",
    address: Address = None,
    standby: Standby = False,
) -> None:
    """Run a study to its end, or go on where it stopped.

    \b
    Example:
      autotune run studies/quickstart.yaml
      autotune run quickstart --set budget.trials=20 --set name=short
    """
    from autotune import spec as specs

    spec = specs.load(specs.find(study), set_ or ())
    specs.check(spec, runs)
    _drive(spec, runs, engine, address, standby)


@app.command()
def resume(
    name: Name,
    runs: Runs = RUNS,
    engine: Engine = "ray",
    address: Address = None,
    standby: Standby = False,
) -> None:
    """Go on with a study that was interrupted.

    Example: autotune resume quickstart
    """
    from autotune import spec as specs
    from autotune.study import history

    folder = history.find(name, runs)
    _drive(specs.load(folder / "study.yaml"), runs, engine, address, standby)


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
        once = "once mended, " if isinstance(fault, MachineFault) else ""
        raise type(fault)(f"stopped: {fault}; {once}{again}") from None
    if view.nothing_new:
        console.print(f"finished: all {view.finished} trials were run before", highlight=False)
    console.print(tables.best(history), highlight=False, soft_wrap=not console.is_terminal)
    if spec.tracking.name != "none":
        typer.echo(f"browse it: autotune ui {spec.name}{option}")
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _preflight(spec: "StudySpec", runs: Path, engine: Engine, address: str | None) -> list[str]:
    """What a study needs before it starts; a finished one needs nothing."""
    from autotune.app.preflight import preflight
    from autotune.app.runner import is_finished

    try:
        return preflight(spec, engine, address, waiting=_waiting)
    except InvalidInput:
        if is_finished(spec, runs):
            return []
        raise


def _waiting(doing: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"{doing} ...", err=True)


@app.command(name="list")
def list_(runs: Runs = RUNS, json: Json = False) -> None:
    """List the studies, how far each is and its best.

    Example: autotune list --json
    """
    from autotune.report import tables, views

    lines = views.studies(runs)
    _answer(lambda: lines, lambda: tables.studies(lines, runs), json)


@app.command()
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

    history = _load(name, runs)
    if trial is None:
        most = 20 if sys.stdout.isatty() else None
        _answer(lambda: views.study(history), lambda: tables.study(history, most), json)
    else:
        _answer(lambda: views.trial(history, trial), lambda: tables.trial(history, trial), json)


@app.command()
def best(name: Name, runs: Runs = RUNS, json: Json = False) -> None:
    """Print the winner, its score on fresh seeds and its test score.

    Example: autotune best quickstart --json
    """
    from autotune.report import tables, views

    history = _load(name, runs)
    _answer(lambda: views.best(history), lambda: tables.best(history), json)


@app.command()
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

    history = _load(name, runs)
    done = write(history, out, force)
    for path in done.files:
        typer.echo(str(path))
    notes = [*done.notes, *tell_figures(history, runs, done.figures)]
    if (word := state(history)) != "finished":
        notes.append(f"the study is {word}; this is the best so far")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"rerun it: autotune train {out / 'best.yaml'}")


@app.command()
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


@app.command()
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


@app.command()
def sync(
    name: Annotated[str | None, typer.Argument(metavar="STUDY", help="The study's name.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every study under the runs folder.")] = False,
    runs: Runs = RUNS,
) -> None:
    """Write a study's whole journal to MLflow again; nothing doubles.

    \b
    Example:
      autotune sync quickstart
      autotune sync --all
    """
    from autotune.app.runner import Untracked
    from autotune.app.runner import sync as tell_again
    from autotune.study import history

    if (name is None) == (not all_):
        raise UserError("name one study, or give --all")
    code = 0
    for study in [name] if name is not None else history.names(runs):
        try:
            notes = tell_again(study, runs)
        except AutotuneError as error:
            if name is not None:
                raise
            notes = [str(error)]
            code = code if isinstance(error, StudyBusy | Untracked) else 1
        else:
            page = f"autotune ui {study}{history.option(runs)}"
            typer.echo(f"study {study} is in MLflow: {page}")
        for note in notes:
            typer.echo(f"note: {note}", err=True)
    raise typer.Exit(code)


@app.command()
def repair(name: Name, runs: Runs = RUNS) -> None:
    """Mend a study whose journal is damaged.

    The damaged file is set aside; what is whole of it stays in the journal. A trial that lost
    records goes on or is run again, with the configuration it had.

    Example: autotune repair quickstart
    """
    from autotune.study.journal.repair import repair as mend

    for line in mend(name, runs):
        typer.echo(line)


@app.command()
def delete(
    name: Name,
    runs: Runs = RUNS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove a study with its weights; its MLflow runs stay.

    Example: autotune delete quickstart --yes
    """
    from autotune.study import history, machine

    folder = history.find(name, runs)
    if not yes:
        typer.confirm(f"remove {folder} with all its trials and weights?", abort=True)
    typer.echo(f"removed {machine.delete(name, runs)}; its MLflow runs stay")


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for editors.

    Example: autotune schema > study.schema.json
    """
    from autotune import spec as specs
    from autotune.report.views import to_json

    typer.echo(to_json(specs.schema()))


def _load(name: str, runs: Path) -> "History":
    from autotune.study import history

    return history.load(name, runs)


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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: exits with 0, 1 (it could not be done), 2 (yours to mend) or, stopped by
    signal n, 128 + n: 130 by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.

    What a user can act on is a message, never a traceback: also a full disk or a folder that may
    not be written to.
    """
    try:
        with Interrupts():
            app(arguments, prog_name="autotune")
    except AutotuneError as error:
        _leave(str(error), error.exit_code)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _leave(f"{error.strerror or error}{place}", 1)
    sys.exit(0)


def _leave(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    sys.exit(code)
