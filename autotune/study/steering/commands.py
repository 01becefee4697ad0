"""The commands that a study obeys: values that travel as JSON."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from autotune.errors import UserError, echo
from autotune.trial import Scalar

__all__ = [
    "AnyCommand",
    "Clone",
    "GoOn",
    "Pause",
    "SetBudget",
    "Stop",
    "Try",
    "dump",
    "parse",
    "said",
]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Try(_Command):
    """Begin a trial with these values next."""

    command: Literal["try"] = "try"
    values: dict[str, Scalar]
    like: int | None = None
    """The trial that gives the other values; None: the best one so far."""


class Clone(_Command):
    """Begin a trial that goes on from the checkpoint of another one, with these values changed."""

    command: Literal["clone"] = "clone"
    trial: int
    values: dict[str, Scalar] = {}


class Stop(_Command):
    """End a trial at its next report; or, without one, the driver, as Ctrl-C does."""

    command: Literal["stop"] = "stop"
    trial: int | None = None


class SetBudget(_Command):
    """Give the study another budget: "+40" is so much more, "100" is that much in all."""

    command: Literal["budget"] = "budget"
    trials: str | None = None
    time: str | None = None
    gpu_hours: str | None = None


class Pause(_Command):
    """What runs waits at its next report; nothing begins."""

    command: Literal["pause"] = "pause"


class GoOn(_Command):
    """The end of a pause; `retry_failed`: trials that failed are run again as new ones."""

    command: Literal["resume"] = "resume"
    retry_failed: bool = False


AnyCommand = Annotated[
    Try | Clone | Stop | SetBudget | Pause | GoOn, Field(discriminator="command")
]
_ADAPTER: TypeAdapter[AnyCommand] = TypeAdapter(AnyCommand)


def parse(text: str) -> AnyCommand:
    """The command that `dump` wrote. Raises UserError for anything else."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        raise UserError(f"this is no command: {echo(text[:200])}") from None


def dump(command: AnyCommand) -> dict[str, Any]:
    """Its plain values."""
    return _ADAPTER.dump_python(command, mode="json", exclude_none=True)  # type: ignore[no-any-return]


def said(values: Mapping[str, Any]) -> str:
    """What `dump` wrote, as a person types it: try --set optimizer.lr=0.003."""
    words = [str(values["command"])]
    match values["command"]:
        case "clone":
            words.append(str(values["trial"]))
        case "stop" if "trial" in values:
            words.append(f"--trial {values['trial']}")
        case "budget":
            words += [
                f"--{key.replace('_', '-')} {values[key]}" for key in _LIMITS if key in values
            ]
    words += [f"--set {name}={value}" for name, value in values.get("values", {}).items()]
    words += [f"--like {values[key]}" for key in ("like",) if key in values]
    words += ["--retry-failed"] * bool(values.get("retry_failed"))
    return " ".join(words)


_LIMITS = ("trials", "time", "gpu_hours")
