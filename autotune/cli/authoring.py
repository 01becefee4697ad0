"""Commands about study files: init, check, schema."""

from pathlib import Path
from typing import Annotated

import typer

from autotune.cli.options import RUNS, Elsewhere, Runs, Sets, StudyFile, waiting

__all__ = ["check", "init", "schema"]


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
) -> None:
    """Copy the quickstart study and its search spaces to edit.

    Example: autotune init my-study
    """
    from autotune.export.starter import copy_starter

    study = copy_starter(folder)
    typer.echo(f"made {study}: edit it, then: autotune run {study}")


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
    notes += preflight(spec, address=address, offline=True, waiting=waiting, details=True)
    notes += filter(None, [budget.share_of(spec)])
    notes += map(str, collect.gather(spec, collect.under(runs)))
    count = spec.space.count()
    size = f"; {count:,} combinations" if count is not None else ""
    typer.echo(f"OK: {headline(spec)}{size}")
    for note in notes:
        typer.echo(f"note: {note}")


def schema() -> None:
    """Print the JSON schema of study files, for editors.

    Example: autotune schema > study.schema.json
    """
    from autotune import spec as specs
    from autotune.report.views import to_json

    typer.echo(to_json(specs.schema()))
