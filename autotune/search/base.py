"""What a sampler is: it proposes the parameters of the next trial."""

from collections.abc import Sequence
from typing import Protocol

from autotune.trial import Scalar, Trial

__all__ = ["Sampler"]


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
