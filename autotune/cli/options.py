"""Arguments and options that several commands share, and how they say that they wait."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from autotune.engine.base import EngineName
from autotune.errors import UserError

__all__ = [
    "RUNS",
    "Address",
    "Elsewhere",
    "Engine",
    "Json",
    "JsonLines",
    "Name",
    "Only",
    "Runs",
    "Sets",
    "Standby",
    "StudyFile",
    "named",
    "print_json",
    "waiting",
]

Runs = Annotated[
    Path, typer.Option("--runs", envvar="AUTOTUNE_RUNS", help="The folder that holds all studies.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON document a line, as it comes.")]
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
Only = Annotated[
    str | None, typer.Argument(metavar="STUDY", help="The study's name; the only one if not given.")
]
RUNS = Path("runs")


def named(name: str | None, runs: Path) -> str:
    """The study of that name, or the only one. Raises UserError where there are none or several."""
    if name is not None:
        return name
    from autotune.study.history import names

    known = names(runs)
    if len(known) == 1:
        return known[0]
    if not known:
        raise UserError(f"there is no study under {runs}/ yet: autotune run STUDY.yaml")
    more = ", ..." if len(known) > 12 else ""
    raise UserError(f"name one of the studies under {runs}/: {', '.join(known[:12])}{more}")


def waiting(doing: str) -> None:
    """Says to a person at a terminal what takes a while."""
    if sys.stderr.isatty():
        typer.echo(f"{doing} ...", err=True)


def print_json(value: Any) -> None:
    from autotune.report.views import to_json

    typer.echo(to_json(value))
