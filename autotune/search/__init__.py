"""Samplers, one file each. `SamplerConfig` is their registry."""

from typing import Annotated

from pydantic import Field

from autotune.search.auto import Auto
from autotune.search.base import Sampler, SamplerSettings
from autotune.search.cmaes import Cmaes
from autotune.search.evolution import Evolution
from autotune.search.gp import Gp
from autotune.search.grid import Grid
from autotune.search.mfgp import Mfgp
from autotune.search.nsga2 import Nsga2
from autotune.search.nsga3 import Nsga3
from autotune.search.random import Random
from autotune.search.sobol import Sobol
from autotune.search.tpe import Tpe

__all__ = [
    "Auto",
    "Cmaes",
    "Evolution",
    "Gp",
    "Grid",
    "Mfgp",
    "Nsga2",
    "Nsga3",
    "Random",
    "Sampler",
    "SamplerConfig",
    "SamplerSettings",
    "Sobol",
    "Tpe",
]

SamplerConfig = Annotated[
    Auto | Random | Grid | Sobol | Tpe | Gp | Cmaes | Mfgp | Evolution | Nsga2 | Nsga3,
    Field(discriminator="name"),
]
