"""The loss of classification. Shapes: B samples, C classes."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autotune.train.batch import Batch
from autotune.train.losses.base import Loss

__all__ = ["CrossEntropy", "balanced"]


class CrossEntropy(Loss):
    """The target is a class, or the probability of each."""

    weights: Tensor | None

    def __init__(self, label_smoothing: float = 0.0, weights: Tensor | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: logits (B, C)"""
        smoothing, weights = self.label_smoothing, self.weights
        if weights is None:
            return cross_entropy(output, batch.target, label_smoothing=smoothing)
        # torch divides by the weights of the batch, so that a sample's share would depend on its
        # neighbours. Here it is the weight alone, which is 1 on average over the train split.
        return cross_entropy(
            output, batch.target, weights, reduction="sum", label_smoothing=smoothing
        ) / len(output)

    def total(self, output: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(output, y, reduction="sum")


def balanced(y: Tensor) -> Tensor:
    """(C,): N / (C * samples of the class), as in scikit-learn; King & Zeng 2001."""
    counts = torch.bincount(y)
    return len(y) / (len(counts) * counts.float())
