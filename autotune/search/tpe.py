"""Optuna's tree-structured Parzen estimator, over the groups of conditional parameters."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotune.search.base import Sampler, SourceTrials, TransferSettings
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Tpe"]


class Tpe(TransferSettings):
    """Bayesian optimization by densities of good and bad trials; cheap, conditional, parallel.

    J. Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011; multivariate as
    in S. Falkner et al., "BOHB", ICML 2018. With several objectives: Y. Ozaki et al.,
    "Multiobjective tree-structured Parzen estimator", JAIR 2022.
    """

    name: Literal["tpe"] = "tpe"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True
    startup: int | None = Field(default=None, ge=1)
    """Finished trials (complete or pruned) before the model is used; random draws until then."""

    def build(self, space: Space, goal: Goal, seed: int, past: SourceTrials = ()) -> Sampler:
        from autotune.search.optuna_adapter import OptunaSampler, tpe

        return OptunaSampler(space, [goal], seed, tpe(self.startup), 4, past)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:
        from autotune.search.optuna_adapter import OptunaSampler, tpe

        return OptunaSampler(space, goals, seed, tpe(self.startup), attempts=4)

    def limits(self, space: Space, stops_early: bool) -> list[str]:
        if not stops_early:
            return []
        return ["tpe ranks every stopped trial below every complete one, whatever their scores"]
