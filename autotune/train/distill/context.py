"""What a distillation is built from."""

from dataclasses import dataclass

from torch import nn

from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset
from autotune.train.pretrain import Train

__all__ = ["DistillationContext"]


@dataclass(frozen=True)
class DistillationContext:
    config: TrainConfig
    """The student's."""
    data: Dataset
    """The student's, on the device of the training."""
    student: nn.Module
    plain: nn.Module
    """The loss on the labels: loss(output, batch)."""
    train: Train
    """Trains a teacher that does not exist yet."""

    @property
    def fixed(self) -> bool:
        """Whether the inputs are the same in every epoch, and so is what a teacher says of them."""
        return getattr(self.config, "augment", None) is None
