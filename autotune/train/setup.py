"""Everything that a training needs before its first step, built from the config."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from autotune.errors import InvalidInput, Problem
from autotune.train.augment import pipeline
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
from autotune.train.parallel.alone import Alone
from autotune.train.parallel.build import strategy_of
from autotune.train.parallel.config import ParallelConfig
from autotune.train.parallel.group import Mesh
from autotune.train.precision import Precision
from autotune.train.pretrain import Train, nothing_first
from autotune.train.prune.config import MagnitudePruning
from autotune.train.prune.magnitude import Magnitude
from autotune.train.seeds import seed_of
from autotune.train.training import Batches, Groups, Learner, Meters, Network, Training
from autotune.train.transfer import start as transfer
from autotune.train.transfer.strategies import Plan

__all__ = [
    "begin",
    "build",
    "device_of",
    "divided",
    "learnt",
    "shaped",
    "started",
    "whole_batches",
]


def begin(config: TrainConfig, train: Train = nothing_first, mesh: Mesh | None = None) -> Training:
    """Everything that a training needs before its first step. `train` trains other networks, such
    as a teacher. `mesh`: the processes, if there are several."""
    torch.set_num_threads(config.threads)
    device = torch.device(device_of(config))
    data = prepare(config.data, device.type, config.loss.task)
    batches = Batches(*divided(config, len(data.train.y)))
    whole = build(config, data).to(device)
    precision = Precision(config, device)
    forward = precision.forward(whole)
    plain = config.loss.build(data, config.label_smoothing).to(device)
    start = started(config, data, whole, plain, train)
    strategy = strategy_of(config, mesh, precision)
    costs = Costs(config.metrics, whole, precision, data.train.x[:1].to(device))
    if strategy.cuts:
        costs.measure()  # while it is whole
    parameters = _groups(config, whole, start, batches)
    model = strategy.place(whole, data.train.x[:2].to(device))
    ends = [stretch.stop for stretch in batches.stretches]
    average = config.average.build(model, config.epochs, ends, data.train.x)
    strategy.share(model)
    if model is not whole:
        forward = precision.forward(model)
    network = Network(model, forward, precision, average)
    learner = _learner(config, network, start, batches, strategy, parameters)
    several = mesh is not None and mesh.whole.size > 1
    scores = Scores(plain.total, data, config.metrics)
    meters = Meters(Watch(device, together=several), scores, costs)
    augment = pipeline.build(config.augment, data) if config.augment else None
    return Training(config, data, network, learner, batches, meters, strategy, augment)


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


def _groups(config: TrainConfig, model: nn.Module, start: Plan, batches: Batches) -> Groups:
    scale = batch_scale(config.lr_scaling, batches.size)
    decay = start.layer_decay or config.layer_decay
    return groups(model, config.optimizer, decay, scale, start.loss.parameters())


def _learner(
    config: TrainConfig,
    network: Network,
    start: Plan,
    batches: Batches,
    strategy: Alone,
    whole: Groups,
) -> Learner:
    optimizer, average = config.optimizer.build(strategy.own(whole)), network.average
    per_epoch = batches.stretches[-1].stop
    factor = config.lr_schedule.build(config.epochs * per_epoch, per_epoch)
    changes: list[Callable[[int], None]] = [*start.changes]
    after_step: list[Callable[[], None]] = []
    if isinstance(config.prune, MagnitudePruning):
        models = [network.model, average.model] if average else [network.model]
        pruning = Magnitude(config.prune, models, optimizer, config.epochs, strategy.decided)
        changes.append(pruning.begin)
        after_step.append(pruning.hold)
    if average:  # after the pruning, so that pruned weights are 0 in the average
        after_step.append(average)
    return Learner(start.loss, optimizer, factor, tuple(changes), tuple(after_step))


def learnt(config: TrainConfig) -> Training:
    """A training whose weights exist, in this process: distillation, transfer and augmentation are
    skipped."""
    left: dict[str, Any] = {"distill": None, "transfer": None, "augment": None}
    return begin(config.model_copy(update={**left, "parallel": ParallelConfig()}))


def build(config: TrainConfig, data: Dataset) -> nn.Module:
    """The model of a config before its first step, on the CPU."""
    torch.manual_seed(seed_of(config.seed, 0, "weights"))
    model = network(config, data)
    if config.initializer is not None:
        gain = (config.activation or config.model.usual).gain
        initialize(model, config.initializer.build(gain))
    return model


def network(config: TrainConfig, data: Dataset) -> nn.Module:
    """The model for the samples of `data`; categories of a table become vectors first."""

    return shaped(config, data.shape, data.outputs, data.categories)


def shaped(
    config: TrainConfig, shape: tuple[int, ...], outputs: int, categories: Sequence[int] = ()
) -> nn.Module:
    """The model of a config from these facts of its data alone: see Dataset."""

    def fitting(shape: tuple[int, ...]) -> nn.Module:
        return build_model(config.model, shape, outputs, config.activation)

    if not categories:
        return fitting(shape)
    width = getattr(config.model, "embedding", None)
    return embedded(shape[0], categories, width, fitting)


def divided(config: TrainConfig, samples: int) -> tuple[int, tuple[range, ...]]:
    """The samples of a batch, and the batches of each step of an epoch, as evenly as possible.
    Raises InvalidInput if a step would have none."""
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
    """Batches of `size`, the last one shorter. A single remaining sample, which has no variance for
    batch normalization, joins the batch before."""
    batches = list(order.split(size))
    if len(batches) > 1 and len(batches[-1]) == 1 < size:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches
