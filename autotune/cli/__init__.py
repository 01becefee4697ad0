"""The command line: each command parses, makes one call into the library, and prints.

Heavy modules are imported inside the commands, so that `autotune --help` answers at once.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from autotune.cli import (
    authoring,
    models,
    reading,
    reporting,
    results,
    running,
    steering,
    upkeep,
)
from autotune.engine.interrupt import Interrupts, exit_code
from autotune.errors import AutotuneError

__all__ = ["app", "main"]

COMMANDS: dict[str, Callable[..., None]] = {
    "init": authoring.init,
    "check": authoring.check,
    "explain": authoring.explain,
    "run": running.run,
    "resume": running.resume,
    "try": steering.try_,
    "clone": steering.clone,
    "stop": steering.stop,
    "pause": steering.pause,
    "budget": steering.budget,
    "list": reading.list_,
    "show": reading.show,
    "compare": reading.compare,
    "logs": reading.logs,
    "best": reading.best,
    "report": reporting.report,
    "plot": reporting.plot,
    "export": results.export,
    "predict": models.predict,
    "explain-model": models.explain_model,
    "config": results.config,
    "train": results.train,
    "ui": reading.ui,
    "sync": upkeep.sync,
    "repair": upkeep.repair,
    "delete": upkeep.delete,
    "doctor": upkeep.doctor,
    "schema": authoring.schema,
}
"""By name, in the order of `autotune --help` and of docs/commands.md."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise typer.Exit(exit_code(stop)) from None


app = typer.Typer(
    cls=_Commands,
    name="autotune",
    help="Hyperparameter tuning for PyTorch: one study file, one command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(asked: bool) -> None:
    if asked:
        from autotune import __version__

        typer.echo(f"autotune {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


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
