"""The interface of a sampler, which proposes the parameters of the next trial."""

import hashlib
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_serializer
from pydantic_core import PydanticCustomError

from autotune.errors import Problem
from autotune.search.warm_start import WarmStart, studies
from autotune.trial import Goal, Scalar, Trial, Trials

if TYPE_CHECKING:
    from autotune.space import Space

__all__ = [
    "Draw",
    "Sampler",
    "SamplerSettings",
    "SourceTrials",
    "TransferSettings",
    "derive",
    "first_untried",
]

_RANDOM_DRAWS = 200


class Sampler(Protocol):
    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        """The active parameters of trial `number`, or None when the space is exhausted.

        `trials` holds every earlier trial in order of number, unfinished ones included (state
        waiting, running or paused): a sampler treats those as pending. The answer depends on the
        arguments and the seed given at build alone, never on earlier calls, so that a resumed
        study proposes what an uninterrupted one would.

            propose([], 0)            -> {"optimizer.lr": 0.03, "model.depth": 2}
            propose([t0 running], 1)  -> {"optimizer.lr": 0.2, "model.depth": 3}
        """
        ...


def _mappings(value: object) -> object:
    if isinstance(value, (list, tuple)) and all(isinstance(one, dict) for one in value):
        return tuple(value)
    rule = "must be a list of mappings such as {optimizer.lr: 0.01}"
    raise PydanticCustomError("fixed", "{rule}", {"rule": rule})


class SamplerSettings(BaseModel):
    """The base class of what `search:` may hold. Each sampler's settings stand beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    uses_priors: ClassVar[bool] = False
    """Whether it uses `prior` and `confidence` of parameters."""
    several: ClassVar[bool] = False
    """Whether it supports several objectives."""
    constrained: ClassVar[bool] = False
    """Whether it supports constraints."""

    fixed: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_mappings)] = ()
    """Configurations that are tried first, in this order. Missing parameters take their prior, or
    are drawn."""
    warm_start: Annotated[tuple[WarmStart, ...], BeforeValidator(studies)] = ()
    """Earlier studies to learn from, by name or by the path of their folder."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: Any) -> dict[str, Any]:
        """The short form: set keys only, the name first."""
        given = {key: v for key, v in serialize(self).items() if v not in (None, (), [])}
        return dict(sorted(given.items(), key=lambda item: item[0] != "name"))

    def build(self, space: "Space", goal: Goal, seed: int) -> Sampler:
        """Builds the sampler of a study with one objective."""
        raise NotImplementedError

    def build_several(self, space: "Space", goals: Sequence[Goal], seed: int) -> Sampler:
        """Builds the sampler of a study with several objectives, if `several` is true."""
        return self.build(space, goals[0], seed)

    def check(self, space: "Space") -> list[Problem]:
        """What this sampler cannot search in `space`."""
        return []

    def limits(self, space: "Space", stops_early: bool) -> list[str]:
        """What this sampler ignores in such a study, as sentences for `autotune check`."""
        return []


SourceTrials = Sequence[Sequence[Trial]]
"""Ended trials of earlier studies, translated to this study's space and objective. Each study
stands apart, because scores may not be comparable. Their numbers are negative."""


class TransferSettings(SamplerSettings):
    """Builds a sampler that also learns from trials of earlier studies."""

    def build(self, space: "Space", goal: Goal, seed: int, past: SourceTrials = ()) -> Sampler:
        raise NotImplementedError


def derive(seed: int, *parts: int) -> int:
    """A 32-bit seed derived from `parts`: the same in every process, independent for other
    parts."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


Draw = Callable[[], dict[str, Scalar]]


def first_untried(
    draws: Sequence[Draw], space: "Space", rng: random.Random, trials: Sequence[Trial]
) -> dict[str, Scalar]:
    """The first of `draws`, then of random ones, that no trial has tried.

    If a small space is exhausted, the last draw is taken: a second measurement, not an error.
    """
    params: dict[str, Scalar] = {}
    known = trials if isinstance(trials, Trials) else Trials(trials)
    at_random: Draw = partial(space.sample, rng)
    for draw in (*draws, *[at_random] * _RANDOM_DRAWS):
        params = draw()
        if not known.tried(params):
            break
    return params
