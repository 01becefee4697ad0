"""Optuna's Gaussian process with expected improvement."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from autotune.search.base import Sampler, SourceTrials, TransferSettings
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["Gp"]


class Gp(TransferSettings):
    """Bayesian optimization by a Gaussian process: strong for few, costly trials without stopping.

    The cost of a proposal grows with the cube of the number of complete trials. Log expected
    improvement: S. Ament et al., "Unexpected improvements to expected improvement", NeurIPS 2023.
    """

    name: Literal["gp"] = "gp"
    several: ClassVar[bool] = True
    constrained: ClassVar[bool] = True
    startup: int | None = Field(default=None, ge=1)
    """Complete trials before the model is used; random draws until then."""

    def build(self, space: Space, goal: Goal, seed: int, past: SourceTrials = ()) -> Sampler:
        from autotune.search.optuna_adapter import OptunaSampler, gp

        return OptunaSampler(space, [goal], seed, gp(self.startup), 1, past)

    def build_several(self, space: Space, goals: Sequence[Goal], seed: int) -> Sampler:
        from autotune.search.optuna_adapter import GpSampler, gp

        return GpSampler(space, goals, seed, gp(self.startup), attempts=1)

    def limits(self, space: Space, stops_early: bool) -> list[str]:
        sentences = []
        if stops_early:
            sentences.append("gp learns nothing from trials that were stopped early")
        if conditional := [name for name, p in space.parameters.items() if p.when]:
            sentences.append(f"gp draws conditional parameters at random: {', '.join(conditional)}")
        return sentences
