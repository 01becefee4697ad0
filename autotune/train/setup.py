"""What one training holds before its first step, all of it built from the config."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autotune.errors import InvalidInput, Problem
from autotune.train.augment import pipeline
from autotune.train.batch import Batch
from autotune.train.config import TrainConfig
from autotune.train.costs import Costs
from autotune.train.data.base import Dataset, prepare
from autotune.train.distill import build as distill
from autotune.train.distill.context import DistillationContext
from autotune.train.finite import Watch
from autotune.train.metrics import Scores
from autotune.train.models.build import build as build_model
from autotune.train.models.embedding import embedded
from autotune.train.models.weights import initialize
from autotune.train.optim.groups import batch_scale, groups
from autotune.train.optim.lr_schedules import ObservingFactor
from autotune.train.precision import Precision
from autotune.train.pretrain import Train, nothing_first
from autotune.train.prune.config import MagnitudePruning
from autotune.train.prune.magnitude import Magnitude
from autotune.train.seeds import seed_of
from autotune.train.transfer import start as transfer
from autotune.train.transfer.strategies import Plan

__all__ = [
    "Average",
    "Training",
    "begin",
    "build",
    "device_of",
    "divided",
    "learnt",
    "shaped",
    "started",
    "whole_batches",
]


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
    forward: Callable[[Tensor], Tensor]
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


@dataclass(frozen=True)
class Training:
    """What one training holds. What is None or empty costs nothing."""

    config: TrainConfig
    data: Dataset
    network: Network
    learner: Learner
    batches: Batches
    meters: Meters
    augment: Callable[[Batch, torch.Generator], Batch] | None = None

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


def begin(config: TrainConfig, train: Train = nothing_first) -> Training:
    """Everything a training holds before its first step. `train` trains what it builds on, such as
    a teacher."""
    torch.set_num_threads(config.threads)
    device = torch.device(device_of(config))
    data = prepare(config.data, device.type, config.loss.task)
    batches = Batches(*divided(config, len(data.train.y)))
    model = build(config, data).to(device)
    precision = Precision(config, device)
    forward = precision.forward(model)
    plain = config.loss.build(data, config.label_smoothing).to(device)
    start = started(config, data, model, plain, train)
    ends = [stretch.stop for stretch in batches.stretches]
    average = config.average.build(model, config.epochs, ends, data.train.x)
    learner = _learner(config, model, average, start, batches)
    judged = average.model if average else model
    sample = data.train.x[:1].to(device)
    return Training(
        config,
        data,
        Network(model, forward, precision, average),
        learner,
        batches,
        Meters(
            Watch(device),
            Scores(plain.total, data, config.metrics),
            Costs(config.metrics, judged, precision, sample),
        ),
        pipeline.build(config.augment, data) if config.augment else None,
    )


def device_of(config: TrainConfig) -> str:
    if config.device != "auto":
        return config.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def started(
    config: TrainConfig, data: Dataset, model: nn.Module, plain: nn.Module, train: Train
) -> Plan:
    """The loss with its teacher, and the weights that the training starts from."""
    device = torch.device(device_of(config))  # a large data set may lie elsewhere
    loss = plain
    if config.distill is not None:
        context = DistillationContext(config, data, model, loss, train)
        loss = distill.build(config.distill, context).to(device)
    return transfer.start(config, model, loss, device.type, train)


def _learner(
    config: TrainConfig, model: nn.Module, average: Average | None, start: Plan, batches: Batches
) -> Learner:
    scale = batch_scale(config.lr_scaling, batches.size)
    decay = start.layer_decay or config.layer_decay
    parameters = groups(model, config.optimizer, decay, scale, start.loss.parameters())
    optimizer = config.optimizer.build(parameters)
    per_epoch = batches.stretches[-1].stop
    factor = config.lr_schedule.build(config.epochs * per_epoch, per_epoch)
    changes: list[Callable[[int], None]] = [*start.changes]
    after_step: list[Callable[[], None]] = []
    if isinstance(config.prune, MagnitudePruning):
        models = [model, average.model] if average else [model]
        pruning = Magnitude(config.prune, models, optimizer, config.epochs)
        changes.append(pruning.begin)
        after_step.append(pruning.hold)
    if average:  # after the pruning, so that what is pruned is 0 in the average
        after_step.append(average)
    return Learner(start.loss, optimizer, factor, tuple(changes), tuple(after_step))


def learnt(config: TrainConfig) -> Training:
    """A training whose weights exist: distillation, transfer and augmentation are skipped."""
    return begin(config.model_copy(update={"distill": None, "transfer": None, "augment": None}))


def build(config: TrainConfig, data: Dataset) -> nn.Module:
    """The model of a config before its first step, on the CPU."""
    torch.manual_seed(seed_of(config.seed, 0, "weights"))
    model = network(config, data)
    if config.initializer is not None:
        gain = (config.activation or config.model.usual).gain
        initialize(model, config.initializer.build(gain))
    return model


def network(config: TrainConfig, data: Dataset) -> nn.Module:
    """The model for the samples of `data`; the categories of a table become vectors first."""

    return shaped(config, data.shape, data.outputs, data.categories)


def shaped(
    config: TrainConfig, shape: tuple[int, ...], outputs: int, categories: Sequence[int] = ()
) -> nn.Module:
    """The model of a config, where its data is known by these alone: see Dataset."""

    def fitting(shape: tuple[int, ...]) -> nn.Module:
        return build_model(config.model, shape, outputs, config.activation)

    if not categories:
        return fitting(shape)
    width = getattr(config.model, "embedding", None)
    return embedded(shape[0], categories, width, fitting)


def divided(config: TrainConfig, samples: int) -> tuple[int, tuple[range, ...]]:
    """The samples of a batch, and which batches of an epoch each of its steps takes: as even as
    can be. Raises InvalidInput where a step would have none."""
    batch = samples if config.optimizer.full_batch else min(config.batch_size, samples)
    batches, steps = len(whole_batches(torch.arange(samples), batch)), config.reports_per_epoch
    if steps > batches:
        rule = f"`reports_per_epoch` must be at most {batches}, the batches of an epoch"
        cure = "make it or `batch_size` smaller"
        message = f"{rule}, but got {steps}: {cure}"
        raise InvalidInput([Problem(message, ("reports_per_epoch",))])
    ends = [batches * step // steps for step in range(steps + 1)]
    return batch, tuple(range(*pair) for pair in pairwise(ends))


def whole_batches(order: Tensor, size: int) -> list[Tensor]:
    """Batches of `size`, the last one shorter: but never one sample alone, which has no variance
    for a batch normalisation; it joins the batch before."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
