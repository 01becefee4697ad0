"""Optuna's NSGA-III, the successor of NSGA-II for three objectives and more."""

from typing import Literal

from autotune.search.nsga import NsgaSettings

__all__ = ["Nsga3"]


class Nsga3(NsgaSettings):
    """As nsga2, but spread over reference directions: for three objectives and more.

    K. Deb and H. Jain, "An evolutionary many-objective optimization algorithm using
    reference-point-based nondominated sorting approach", 2014.
    """

    name: Literal["nsga3"] = "nsga3"
