"""Commands about study files: init, check, explain, schema."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import (
    RUNS,
    Elsewhere,
    Json,
    Runs,
    Sets,
    StudyFile,
    print_json,
    waiting,
)
from autotune.errors import AutotuneError

if TYPE_CHECKING:
    from autotune.spec import StudySpec

__all__ = ["check", "explain", "init", "schema"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    json: Json = False,
) -> None:
    """Copy the quickstart study and its search spaces to edit.

    Example: autotune init my-study
    """
    from autotune.export.starter import copy_starter

    study = copy_starter(folder)
    if json:
        print_json({"study": str(study)})
        return
    typer.echo(f"made {study}: edit it, then: autotune run {study}")


def check(
    study: StudyFile,
    set_: Sets = None,
    runs: Runs = RUNS,
    address: Elsewhere = None,
    json: Json = False,
) -> None:
    """Report every mistake in a study file before anything runs.

    Also reads the data, imports your functions and runs your own network on two samples. Nothing
    is trained.

    Example: autotune check studies/quickstart.yaml
    """
    from autotune.report.tables import headline
    from autotune.report.views import problems

    try:
        spec, notes = _checked(study, set_, runs, address)
    except AutotuneError as error:
        if not json:
            raise
        print_json({"ok": False, "message": str(error), "problems": problems(error)})
        raise typer.Exit(error.exit_code) from None
    count = spec.space.count()
    size = f"; {count:,} combinations" if count is not None else ""
    if json:
        said = {"ok": True, "study": spec.name, "headline": headline(spec)}
        print_json({**said, "combinations": count, "notes": notes})
        return
    typer.echo(f"OK: {headline(spec)}{size}")
    for note in notes:
        typer.echo(f"note: {note}")


def _checked(
    study: str, set_: list[str] | None, runs: Path, address: str | None
) -> tuple["StudySpec", list[str]]:
    """The study, and notes."""
    from autotune import spec as specs
    from autotune.app.preflight import preflight
    from autotune.study import budget
    from autotune.study.warm_start import collect

    spec = specs.load(specs.find(study), set_ or ())
    notes = specs.check(spec, runs)
    notes += preflight(spec, address=address, offline=True, waiting=waiting, details=True)
    notes += filter(None, [budget.share_of(spec)])
    notes += map(str, collect.gather(spec, collect.under(runs)))
    return spec, notes


def explain(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Such as optimizer.lr or budget.time.")],
    json: Json = False,
) -> None:
    """Say what a key of a study file means.

    Its type, default and meaning, and the shipped search spaces that search it.

    \b
    Example:
      autotune explain optimizer.lr
      autotune explain schedule.eta
    """
    from dataclasses import asdict

    from autotune.report.explain import meanings

    found, searched = meanings(key)
    if json:
        print_json({"meanings": [asdict(meaning) for meaning in found], "searched": searched})
        return
    for meaning in found:
        of = f"  (of {', '.join(meaning.variants)})" if meaning.variants else ""
        typer.echo(f"{meaning.path}{of}")
        typer.echo(f"  type: {meaning.type}")
        typer.echo(f"  default: {meaning.default or 'none'}")
        if meaning.text:
            typer.echo(f"  {meaning.text}")
    for line in searched:
        typer.echo(f"searched in {line}")


def schema() -> None:
    """Print the JSON schema of study files, for editors.

    Example: autotune schema > study.schema.json
    """
    from autotune import spec as specs
    from autotune.report.views import to_json

    typer.echo(to_json(specs.schema()))
