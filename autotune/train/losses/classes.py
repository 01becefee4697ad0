"""The loss of classification."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from autotune.train.batch import Batch

__all__ = ["CrossEntropy"]


class CrossEntropy(nn.Module):
    """Mean over the batch; the target is a class, or the probability of each."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        """output: logits (B, C)"""
        return cross_entropy(output, batch.target, label_smoothing=self.label_smoothing)
