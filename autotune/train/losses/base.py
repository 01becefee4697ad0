"""What a loss answers. Shapes: B samples, C classes."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from autotune.train.batch import Batch

__all__ = ["Loss"]


class Loss(nn.Module, ABC):
    """The mean over a batch, which is learnt from; and the plain sum, which judges."""

    @abstractmethod
    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean over the batch, of `batch.target`."""

    @abstractmethod
    def total(self, output: Tensor, y: Tensor) -> Tensor:
        """The sum over the samples, without smoothing or weights: the same for all trials."""
