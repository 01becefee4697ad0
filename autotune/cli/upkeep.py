"""Commands that maintain studies: sync, repair, delete; and doctor."""

from json import dumps
from typing import Annotated

import typer

from autotune.cli.options import RUNS, Json, JsonLines, Name, Runs, print_json
from autotune.errors import AutotuneError, StudyBusy, UserError

__all__ = ["delete", "doctor", "repair", "sync"]


def sync(
    name: Annotated[str | None, typer.Argument(metavar="STUDY", help="The study's name.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every study under the runs folder.")] = False,
    runs: Runs = RUNS,
    json: JsonLines = False,
) -> None:
    """Send a study's journal to MLflow again, without duplicates.

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
            done = False
        else:
            done = True
            page = f"autotune ui {study}{history.option(runs)}"
        if json:
            typer.echo(dumps({"study": study, "written": done, "notes": notes}))
            continue
        if done:
            typer.echo(f"study {study} is in MLflow: {page}")
        for note in notes:
            typer.echo(f"note: {note}", err=True)
    raise typer.Exit(code)


def repair(name: Name, runs: Runs = RUNS, json: Json = False) -> None:
    """Repair a study with a damaged journal.

    The damaged file is set aside, and its whole records are kept. A trial that lost records
    continues or is run again, with the same configuration.

    Example: autotune repair quickstart
    """
    from autotune.study.journal.repair import repair as mend

    lines = mend(name, runs)
    if json:
        print_json({"study": name, "said": list(lines)})
        return
    for line in lines:
        typer.echo(line)


def delete(
    name: Name,
    runs: Runs = RUNS,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also its runs in MLflow.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove a study with its weights.

    Its MLflow runs stay, unless --mlflow deletes them; `mlflow gc` then frees their place.

    \b
    Example:
      autotune delete quickstart --yes
      autotune delete quickstart --mlflow
    """
    from autotune.app import runner
    from autotune.study import history

    folder = history.find(name, runs)
    if not yes:
        also = " and its runs in MLflow" if mlflow else ""
        typer.confirm(f"remove {folder} with all its trials and weights{also}?", abort=True)
    removed, count = runner.delete(name, runs, mlflow)
    if json:
        print_json({"removed": str(removed), "mlflow_runs": count})
        return
    said = f"{count} runs in MLflow are deleted" if mlflow else "its MLflow runs stay"
    typer.echo(f"removed {removed}; {said}")


def doctor(runs: Runs = RUNS, json: Json = False) -> None:
    """Look at what may keep studies from running here.

    Versions, CPUs, GPUs, Ray, ports, the disk and the MLflow store: what is wrong, and the cure.
    Ends with exit code 1 where something is.

    Example: autotune doctor
    """
    from dataclasses import asdict

    from autotune.app.doctor import examine

    findings = list(examine(runs))
    if json:
        print_json([asdict(finding) for finding in findings])
    for finding in findings if not json else ():
        sign = "!!" if finding.cure else "ok"
        typer.echo(f"{sign}  {finding.what}: {finding.said}")
        if finding.cure:
            typer.echo(f"    cure: {finding.cure}")
    raise typer.Exit(int(any(finding.cure for finding in findings)))
