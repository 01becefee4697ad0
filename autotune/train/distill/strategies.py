"""Distillation by logits: a loss around the plain loss."""

import torch
from torch import Tensor, nn

from autotune.errors import InvalidInput, Problem
from autotune.train.batch import Batch
from autotune.train.distill import losses, schedules
from autotune.train.distill.config import Decoupled, SoftTargets, Tempered
from autotune.train.distill.context import DistillationContext
from autotune.train.distill.teachers import answers, find

__all__ = ["DecoupledLoss", "SoftTargetsLoss"]


class _TaughtByLogits(nn.Module):
    def __init__(self, config: Tempered, context: DistillationContext) -> None:
        super().__init__()
        if context.data.classes == 0:
            message = (
                f"`distill` {config.name} compares classes, but this is a regression: "
                "use hints or relational"
            )
            raise InvalidInput([Problem(message, ("distill", "name"))])
        self.plain = context.plain
        self.config = config
        self.temperature = schedules.temperature(config, context.config.epochs)
        self.teacher = answers(context, find(config.teacher, context))


class SoftTargetsLoss(_TaughtByLogits):
    def __init__(self, config: SoftTargets, context: DistillationContext) -> None:
        super().__init__(config, context)
        self.alpha = schedules.over_epochs(
            config.alpha_schedule, config.alpha, config.alpha_end, context.config.epochs
        )

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: logits (B, C)"""
        taught = self.teacher(batch)
        distance = losses.soft_targets(output.float(), taught, self.temperature(batch.epoch))
        alpha = self.alpha(batch.epoch)
        plain: Tensor = self.plain(output, batch)
        return (1 - alpha) * plain + alpha * distance


class DecoupledLoss(_TaughtByLogits):
    config: Decoupled

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: logits (B, C); where labels are mixed, the class with the largest share counts"""
        temperature = self.temperature(batch.epoch)
        labels = batch.target.argmax(1) if batch.target.ndim == 2 else batch.target
        taught = self.teacher(batch)
        parts = losses.decoupled_parts(output.float(), taught, labels, temperature)
        both = self.config.alpha * parts.target + self.config.beta * parts.non_target
        plain: Tensor = self.plain(output, batch)
        return plain + torch.mean(both) * temperature**2
