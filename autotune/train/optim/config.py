"""The optimizers: the union, and the implementation of each name."""

from typing import Annotated

from pydantic import Field

from autotune.train.optim.adaptive_config import (
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Muon,
    NAdam,
    RAdam,
    RmsProp,
    ScheduleFree,
)
from autotune.train.optim.sgd_config import Gd, Momentum, Nesterov, Sgd

__all__ = [
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Gd",
    "Lion",
    "Momentum",
    "Muon",
    "NAdam",
    "Nesterov",
    "OptimizerConfig",
    "RAdam",
    "RmsProp",
    "ScheduleFree",
    "Sgd",
]

OptimizerConfig = Annotated[
    Gd
    | Sgd
    | Momentum
    | Nesterov
    | AdaGrad
    | AdaDelta
    | RmsProp
    | Adam
    | AdamW
    | NAdam
    | RAdam
    | Lion
    | Muon
    | ScheduleFree,
    Field(discriminator="name"),
]
