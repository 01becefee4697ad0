"""The registry of distillation strategies: which loss implements which config."""

from typing import assert_never

from torch import nn

from autotune.train.distill.config import (
    Attention,
    Decoupled,
    DistillConfig,
    Hints,
    NoDistillation,
    Relational,
    SoftTargets,
)
from autotune.train.distill.context import DistillationContext
from autotune.train.distill.features import AttentionLoss, HintsLoss, RelationalLoss
from autotune.train.distill.strategies import DecoupledLoss, SoftTargetsLoss

__all__ = ["build"]


def build(config: DistillConfig, context: DistillationContext) -> nn.Module:
    """loss(output, batch): the student's loss on the labels, joined with what the teacher says.

    Raises InvalidInput where the teacher is not there or does not fit the student's data.
    """
    match config:
        case NoDistillation():
            return context.plain
        case SoftTargets():
            return SoftTargetsLoss(config, context)
        case Decoupled():
            return DecoupledLoss(config, context)
        case Hints():
            return HintsLoss(config, context)
        case Attention():
            return AttentionLoss(config, context)
        case Relational():
            return RelationalLoss(config, context)
        case _:
            assert_never(config)
