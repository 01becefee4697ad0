"""Optuna's NSGA-II, the non-dominated sorting genetic algorithm."""

from typing import Literal

from autotune.search.nsga import NsgaSettings

__all__ = ["Nsga2"]


class Nsga2(NsgaSettings):
    """An evolutionary search for several objectives or one, and for many trials: children of the
    best by rank and by distance. Conditional parameters are drawn at random.

    K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002.
    """

    name: Literal["nsga2"] = "nsga2"
