"""What is looked at: a trained network and the validation split.

Not the test split, although the winner has been confirmed: whoever looks at the mistakes of a
network goes on to change the study, and the test score of the changed one would then be no more
honest than its validation score. The test split is read once, by `train.loop.test`, for the score.

Shapes: N samples, C classes.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from autotune.train import checkpoint
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset
from autotune.train.setup import learnt

__all__ = ["Subject", "predict", "restore"]

_ELEMENTS = 2**20
"""Input values that the network takes at once."""


@dataclass(frozen=True)
class Subject:
    model: nn.Module
    """In evaluation mode."""
    data: Dataset
    output: Tensor
    """(N, C) logits, or (N, 1) numbers, for `data.val`"""

    @property
    def x(self) -> Tensor:
        return self.data.val.x

    @property
    def y(self) -> Tensor:
        return self.data.val.y

    @property
    def said(self) -> Tensor:
        """(N,): the class, or the number, that the network answers."""
        return answers(self.output, self.data)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.data.labels or tuple(map(str, range(self.data.classes)))


def restore(config: TrainConfig, folder: Path) -> Subject:
    """The network whose best weights a training left in `folder`. Raises AutotuneError."""
    run = learnt(config)
    model = run.network.judged.eval()
    model.load_state_dict(checkpoint.load_best(folder).weights)
    return Subject(model, run.data, predict(model, run.data.val.x))


@torch.no_grad()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    """The network's output for all of x."""
    rows = max(1, _ELEMENTS // max(1, x[0].numel()))
    return torch.cat([model(part).flatten(1) for part in x.split(rows)])


def answers(output: Tensor, data: Dataset) -> Tensor:
    return output.argmax(1) if data.classes else output[:, 0]
