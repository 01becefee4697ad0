"""What one training holds, and what a way of spreading it over processes must do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autotune.train.augment.pipeline import Pipeline
from autotune.train.batch import Batch
from autotune.train.config import TrainConfig
from autotune.train.costs import Costs
from autotune.train.data.base import Dataset
from autotune.train.finite import Watch
from autotune.train.metrics import Scores
from autotune.train.optim.lr_schedules import ObservingFactor
from autotune.train.precision import Precision

__all__ = [
    "Average",
    "Batches",
    "Forward",
    "Groups",
    "Learner",
    "Learnt",
    "Meters",
    "Network",
    "Strategy",
    "Training",
    "Weights",
]

T = TypeVar("T")
Forward = Callable[[Tensor], Tensor]
Groups = list[dict[str, Any]]
Weights = dict[str, Tensor]


class Average(Protocol):
    """A running average of the weights, in a model of its own that is judged and kept."""

    model: nn.Module

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...
    def __call__(self) -> None: ...


@dataclass(frozen=True)
class Network:
    """The model, and how it is called."""

    model: nn.Module
    """This process's part of it."""
    forward: Forward
    """The model, called in its precision."""
    precision: Precision
    average: Average | None = None

    @property
    def judged(self) -> nn.Module:
        """The model whose weights are evaluated, and kept when they are the best."""
        return self.average.model if self.average else self.model


@dataclass(frozen=True)
class Learner:
    """What moves the weights."""

    loss: nn.Module
    """loss(output, batch) is the mean over the batch; its parameters learn with the model's."""
    optimizer: Optimizer
    factor: Callable[[int], float]
    """optimizer.lr is multiplied by factor(step), steps counted from 0 over all epochs."""
    changes: tuple[Callable[[int], None], ...] = ()
    """Each is called with the epoch before each step, and depends on nothing else: a resume in the
    middle of an epoch repeats it."""
    after_step: tuple[Callable[[], None], ...] = ()


@dataclass(frozen=True)
class Batches:
    """How an epoch is divided."""

    size: int
    """Samples of an optimizer step."""
    stretches: tuple[range, ...]
    """Which of an epoch's batches each of its steps takes."""


@dataclass(frozen=True)
class Meters:
    """What measures the training."""

    watch: Watch
    """Called with the epoch and the loss of each step; raises NotFinite."""
    scores: Scores
    costs: Costs
    """Called with the seconds of each step; returns the costs that its report carries."""


class Learnt(NamedTuple):
    """What came of one part of a batch."""

    loss: Tensor
    """The mean over the whole part."""
    output: Tensor
    """(B, C): of this process's samples, each in one process only."""
    y: Tensor
    """(B,)"""


class Strategy(Protocol):
    """How a training is spread over processes, which all make the same calls in the same order."""

    writes: bool
    """Whether this process writes the files of the training."""
    dropout: str
    """The purpose that dropout is seeded for: another one draws other masks."""

    def cut(self, part: Tensor) -> Tensor:
        """This process's samples of a part of a batch, one at least."""

    def learn(self, training: "Training", batch: Batch, part: int, weight: float) -> Learnt:
        """Forward and backward pass of a part of a batch. `batch` is this process's share of its
        `part` samples, which weigh `weight` in the step."""

    def gather_gradients(self, training: "Training") -> None:
        """Called before an optimizer step."""

    def clip(self, parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
        """As torch.nn.utils.clip_grad_norm_, of the whole network."""

    def judge(self, forward: Forward, x: Tensor) -> Tensor:
        """The outputs for all of `x` (B, ...), in every process."""

    def add(self, count: Tensor) -> Tensor:
        """The sum of what was counted of `Learnt.output`."""

    def agree(self, value: T) -> T:
        """What the first process has, in all of them."""

    def weights(self, model: nn.Module) -> Weights:
        """Those of the whole network, as one process has them."""

    def fill(self, model: nn.Module, weights: Weights) -> None:
        """The reverse of `weights`."""

    def state(self, training: "Training") -> dict[str, Any]:
        """Of all that learns beside the weights, as one process has it."""

    def restore(self, training: "Training", state: dict[str, Any]) -> None:
        """The reverse of `state`."""


@dataclass(frozen=True)
class Training:
    """What one training holds. What is None or empty costs nothing."""

    config: TrainConfig
    data: Dataset
    network: Network
    learner: Learner
    batches: Batches
    meters: Meters
    strategy: Strategy
    augment: Pipeline | None = None

    @property
    def device(self) -> torch.device:
        return self.network.precision.device

    @property
    def learners(self) -> dict[str, Any]:
        """What a checkpoint holds the state of, beside the weights."""
        network, learner, costs = self.network, self.learner, self.meters.costs
        parts = {"optimizer": learner.optimizer, "loss": learner.loss, "average": network.average}
        parts["precision"] = network.precision if network.precision.scaler else None
        parts["costs"] = costs or None
        if isinstance(learner.factor, ObservingFactor):
            parts["factor"] = learner.factor
        return {name: part for name, part in parts.items() if part is not None}
