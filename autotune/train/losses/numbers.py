"""The losses of regression, in standard deviations of the target. Shapes: B samples."""

from torch import Tensor
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from autotune.train.batch import Batch
from autotune.train.losses.base import Loss

__all__ = ["Huber", "Mae", "Mse"]


class Mse(Loss):
    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: (B, 1)"""
        return mse_loss(output.squeeze(1), batch.target)

    def total(self, output: Tensor, y: Tensor) -> Tensor:
        return mse_loss(output.squeeze(1), y, reduction="sum")


class Mae(Loss):
    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: (B, 1)"""
        return l1_loss(output.squeeze(1), batch.target)

    def total(self, output: Tensor, y: Tensor) -> Tensor:
        return l1_loss(output.squeeze(1), y, reduction="sum")


class Huber(Loss):
    def __init__(self, delta: float) -> None:
        super().__init__()
        self.delta = delta

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: (B, 1)"""
        return huber_loss(output.squeeze(1), batch.target, delta=self.delta)

    def total(self, output: Tensor, y: Tensor) -> Tensor:
        return huber_loss(output.squeeze(1), y, reduction="sum", delta=self.delta)
