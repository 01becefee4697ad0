"""What a sampler is: it proposes the parameters of the next trial."""

import hashlib
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from autotune.errors import Problem
from autotune.trial import Goal, Scalar, Trial, Trials

if TYPE_CHECKING:
    from autotune.space import Space

__all__ = ["Sampler", "SamplerSettings", "derive", "distinct"]

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


class SamplerSettings(BaseModel):
    """What the `search:` of a study may hold; each sampler's own settings stand beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    uses_priors: ClassVar[bool] = False
    """Whether `prior` and `confidence` of a parameter steer it."""
    several: ClassVar[bool] = False
    """Whether it can pursue several objectives."""
    constrained: ClassVar[bool] = False
    """Whether trials that break a constraint do not mislead it."""

    def build(self, space: "Space", goal: Goal, seed: int) -> Sampler:
        """For a study with one objective."""
        raise NotImplementedError

    def build_several(self, space: "Space", goals: Sequence[Goal], seed: int) -> Sampler:
        """For several objectives, where `several` says that it can."""
        return self.build(space, goals[0], seed)

    def check(self, space: "Space") -> list[Problem]:
        """What in `space` this sampler cannot search, found before anything starts."""
        return []

    def limits(self, space: "Space", stops_early: bool) -> list[str]:
        """What this sampler makes no use of in such a study: sentences for `autotune check`."""
        return []


def derive(seed: int, *parts: int) -> int:
    """A seed of 32 bits for one purpose: the same in every process, unrelated for other parts."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


Draw = Callable[[], dict[str, Scalar]]


def distinct(
    draws: Sequence[Draw], space: "Space", rng: random.Random, trials: Sequence[Trial]
) -> dict[str, Scalar]:
    """The first of `draws`, then of random ones, that no trial has tried.

    Where a small space has run out of new combinations the last draw is taken: a repeated one is a
    second measurement, not an error.
    """
    params: dict[str, Scalar] = {}
    known = trials if isinstance(trials, Trials) else Trials(trials)
    at_random: Draw = partial(space.sample, rng)
    for draw in (*draws, *[at_random] * _RANDOM_DRAWS):
        params = draw()
        if not known.tried(params):
            break
    return params
