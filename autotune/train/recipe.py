"""A training that another one builds on: how it is done, but not what of. Free of torch."""

from typing import Annotated

from pydantic import Field

from autotune.train.base import Config
from autotune.train.optim.config import AdamW, OptimizerConfig
from autotune.train.optim.lr_config import Constant, LrScheduleConfig

__all__ = ["Recipe"]

Count = Annotated[int, Field(ge=1)]


class Recipe(Config):
    """Run once on a machine, and shared by all trials that need it; its best epoch by val_loss."""

    epochs: Count = 30
    """Passes over the train split."""
    optimizer: OptimizerConfig = AdamW()
    """What turns gradients into steps."""
    lr_schedule: LrScheduleConfig = Constant()
    """How the learning rate moves."""
    batch_size: Count = 64
    """Samples an optimizer step sees."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes. It makes a worse teacher of a better network
    (Müller et al. 2019)."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of this training, whatever the trial's own seed."""
