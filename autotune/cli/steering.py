"""Commands that steer a running study, from anywhere: try, clone, stop, pause, budget."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autotune.cli.options import RUNS, Json, Name, Runs, print_json

if TYPE_CHECKING:
    from autotune.study.steering.commands import AnyCommand

__all__ = ["budget", "clone", "pause", "say", "stop", "try_"]

Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="A searched value; may be repeated."),
]


def try_(
    name: Name,
    set_: Values = None,
    like: Annotated[
        int | None, typer.Option("--like", metavar="N", help="The other values are trial N's.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Have a running study try your values next.

    Other values are those of the best trial so far, or of trial N.

    \b
    Example:
      autotune try quickstart --set optimizer.lr=3e-3
      autotune try quickstart --like 17 --set model.depth=3
    """
    from autotune.spec import assigned
    from autotune.study.steering.commands import Try

    say(name, runs, Try(values=assigned(set_ or ()), like=like), json)


def clone(
    name: Name,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number.")],
    set_: Values = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Start a new trial from the checkpoint of another one.

    Example: autotune clone quickstart 17 --set optimizer.lr=1e-4
    """
    from autotune.spec import assigned
    from autotune.study.steering.commands import Clone

    say(name, runs, Clone(trial=trial, values=assigned(set_ or ())), json)


def stop(
    name: Name,
    trial: Annotated[
        int | None, typer.Option("--trial", metavar="N", help="This trial, not the study.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Stop a study, or one trial, at the next report.

    A stopped study continues with `autotune resume`, as after Ctrl-C.

    \b
    Example:
      autotune stop quickstart
      autotune stop quickstart --trial 17
    """
    from autotune.study.steering.commands import Stop

    say(name, runs, Stop(trial=trial), json)


def pause(name: Name, runs: Runs = RUNS, json: Json = False) -> None:
    """Pause a study until `autotune resume`.

    Running trials leave their workers at the next report and continue from their checkpoints.

    The time of the pause does not count.

    Example: autotune pause quickstart
    """
    from autotune.study.steering.commands import Pause

    say(name, runs, Pause(), json)


def budget(
    name: Name,
    trials: Annotated[
        str | None, typer.Option("--trials", metavar="N", help="+40: so many more; 100: in all.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="T", help="+1h: so much more; 3h: in all.")
    ] = None,
    gpu_hours: Annotated[
        str | None, typer.Option("--gpu-hours", metavar="H", help="+4: so much more; 12: in all.")
    ] = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Give a running or a finished study another budget.

    Example: autotune budget quickstart --trials +40 --time +1h
    """
    from autotune.study.steering.commands import SetBudget

    say(name, runs, SetBudget(trials=trials, time=time, gpu_hours=gpu_hours), json)


def say(name: str, runs: Path, command: "AnyCommand", json: bool = False) -> None:
    """Sends the command and prints the answer."""
    from autotune.app.steer import send

    reply = send(name, runs, command)
    if json:
        said = {"study": name, "command": command.command, "accepted": reply.accepted}
        print_json({**said, "answer": reply.text, "trials": list(reply.trials)})
        return
    typer.echo(reply.text)
