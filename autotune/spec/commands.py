"""Checks the command line of a study's trials."""

from collections.abc import Iterator

from autotune.errors import InvalidInput, Problem, nearest
from autotune.schedule.pbt import Pbt
from autotune.spec.model import StudySpec
from autotune.train.command import PLACES, leaves, named, split
from autotune.train.config import CommandConfig

__all__ = ["command_problems"]

_AT = ("trial", "command")


def command_problems(spec: StudySpec) -> Iterator[Problem]:
    """Returns nothing for other kinds of studies."""
    command = spec.trial.get("command")
    if not isinstance(command, str):
        return
    if "function" in spec.trial:
        yield Problem("`trial` has a function and a command: remove one of them", _AT)
        return
    try:
        places = named(split(command))
    except InvalidInput as error:
        message = error.problems[0].message
        yield Problem(message.replace("`command`", "`trial.command`", 1), _AT)
        return
    yield from _strange(spec, places)
    if spec.space.parameters and not {"overrides", "config"} & set(places):
        unused = [name for name in spec.space.parameters if name not in places]
        for name in unused:
            cure = f"put {{{name}}}, {{overrides}} or {{config}} into it"
            yield Problem(f"{name} is searched, but `trial.command` does not name it: {cure}", _AT)
    if "checkpoint_dir" not in places and _pauses(spec):
        rule = f"`schedule` {spec.chosen_schedule().name} pauses trials and lets them go on"
        cure = "put {checkpoint_dir} into the command and resume from it, or choose one that stops"
        yield Problem(f"{rule}, which a script without checkpoints cannot: {cure}", _AT)


def _strange(spec: StudySpec, places: list[str]) -> Iterator[Problem]:
    """Placeholders that do not exist, or exist in some trials only."""
    own = {key: value for key, value in spec.trial.items() if key not in CommandConfig.model_fields}
    given, parameters = dict(leaves(own)), spec.space.parameters
    for name in places:
        if name in PLACES or name in given:
            continue
        if name not in parameters:
            words = [*parameters, *given, *PLACES]
            message = f"`trial.command`: {{{name}}} is no parameter{nearest(name, words)}"
            yield Problem(message, _AT)
        elif parameters[name].when:
            cure = f"give `trial.{name}` a value for the others, or use {{overrides}}"
            rule = f"`trial.command`: {{{name}}} exists in some trials only, by its `when`"
            yield Problem(f"{rule}: {cure}", _AT)


def _pauses(spec: StudySpec) -> bool:
    schedule = spec.chosen_schedule()
    return isinstance(schedule, Pbt) or getattr(schedule, "form", "") == "promotion"
