"""What is looked at: a trained network and some samples, mostly the validation split.

Mistakes are never those of the test split, although the winner has been confirmed: whoever looks at
them goes on to change the study, and the test score of the changed one would then be no more honest
than its validation score. What columns matter says nothing of single samples: once the test split
was read, it is asked there, for the validation split has chosen the network.

Shapes: N samples, C classes.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from autotune.train import checkpoint
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset, Split
from autotune.train.setup import learnt

__all__ = ["Subject", "on_test", "predict", "restore"]

_ELEMENTS = 2**20
"""Input values that the network takes at once."""


@dataclass(frozen=True)
class Subject:
    model: nn.Module
    """In evaluation mode."""
    data: Dataset
    samples: Split
    output: Tensor
    """(N, C) logits, or (N, 1) numbers, for `samples`"""
    where: str = "validation split"
    """What the samples are, in words."""
    labelled: bool = True
    """False: `y` is what the network itself answers."""

    @property
    def x(self) -> Tensor:
        return self.samples.x

    @property
    def y(self) -> Tensor:
        return self.samples.y

    @property
    def said(self) -> Tensor:
        """(N,): the class, or the number, that the network answers."""
        return answers(self.output, self.data)

    @property
    def labels(self) -> tuple[str, ...]:
        return self.data.labels or tuple(map(str, range(self.data.classes)))


def restore(config: TrainConfig, folder: Path) -> Subject:
    """The network whose best weights a training left in `folder`, and the validation split. Raises
    AutotuneError."""
    run = learnt(config)
    model = run.network.judged.eval()
    model.load_state_dict(checkpoint.load_best(folder).weights)
    return Subject(model, run.data, run.data.val, predict(model, run.data.val.x))


def on_test(subject: Subject) -> Subject:
    """The same network and the test split."""
    test = subject.data.test
    return replace(subject, samples=test, output=predict(subject.model, test.x), where="test split")


@torch.no_grad()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    """The network's output for all of x."""
    rows = max(1, _ELEMENTS // max(1, x[0].numel()))
    return torch.cat([model(part).flatten(1) for part in x.split(rows)])


def answers(output: Tensor, data: Dataset) -> Tensor:
    return output.argmax(1) if data.classes else output[:, 0]
