"""A Gaussian process over every rung: learns from stopped trials, conditions and choices."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotune.search.base import Sampler, SourceTrials, TransferSettings
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Mfgp"]


class Mfgp(TransferSettings):
    """Bayesian optimization by a model of learning curves, with conditions, choices and priors.

    A Gaussian process over parameters and epochs, as in K. Swersky et al., "Freeze-thaw Bayesian
    optimization", 2014, and A. Klein et al., "Fast Bayesian optimization of machine learning
    hyperparameters on large datasets", AISTATS 2017. A proposal's cost is bounded.
    """

    name: Literal["mfgp"] = "mfgp"
    startup: int | None = Field(default=None, ge=1)
    """Results before the model is used; a Sobol sequence until then. Default: 8."""

    uses_priors: ClassVar[bool] = True
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True

    def build(self, space: Space, goal: Goal, seed: int, past: SourceTrials = ()) -> Sampler:
        from autotune.search.mfgp_sampler import MfgpSampler

        return MfgpSampler(space, [goal], seed, self.startup or 8, past)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:
        from autotune.search.mfgp_sampler import MfgpSampler

        return MfgpSampler(space, goals, seed, self.startup or 8)
