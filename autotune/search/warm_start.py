"""The `warm_start:` of a study file: earlier studies, and renamed parameters."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, model_serializer
from pydantic_core import PydanticCustomError

from autotune.errors import Problem, echo, nearest

if TYPE_CHECKING:
    from autotune.space import Space

__all__ = ["WarmStart", "studies", "warm_problems"]


class WarmStart(BaseModel):
    """An earlier study whose trials the sampler learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    study: str
    """Its name, or the path of its folder."""
    rename: dict[str, str] = {}
    """Renamed parameters: the name there -> the name here."""

    @model_serializer
    def _short(self) -> Any:
        return {"study": self.study, "rename": self.rename} if self.rename else self.study


def studies(value: object) -> object:
    """A plain name stands for that study without renaming."""
    if isinstance(value, (list, tuple)):
        return tuple({"study": one} if isinstance(one, str) else one for one in value)
    rule = "must be a list of study names, or of {study: name, rename: {old: new}}"
    raise PydanticCustomError("warm_start", "{rule}", {"rule": rule})


def warm_problems(starts: Sequence[WarmStart], space: "Space", own: str) -> list[Problem]:
    """Problems that can be found without looking up the studies; `own` is the new study's name."""
    found = []
    for index, start in enumerate(starts):
        at = ("search", "warm_start", index)
        if start.study == own:
            found.append(Problem(f"warm_start: {own!r} is this study's own name", at))
        if start.study in (earlier.study for earlier in starts[:index]):
            found.append(Problem(f"warm_start: study {start.study!r} is named twice", at))
        for old, new in start.rename.items():
            if new not in space.parameters:
                message = f"rename: {echo(new)} is not searched{nearest(new, space.parameters)}"
                found.append(Problem(message, (*at, "rename", old)))
            elif Counter(start.rename.values())[new] > 1:
                message = f"rename: {new} can be one parameter of study {start.study!r} only"
                found.append(Problem(message, (*at, "rename", old)))
    return found
