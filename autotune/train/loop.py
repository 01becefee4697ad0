"""One training, top to bottom, in plain PyTorch.

A step ends with a report: it is an epoch, or one of its `reports_per_epoch` shares.

All randomness is drawn from seeds of (config.seed, step, purpose), so step 7 is the same whether
steps 1 to 6 were run before it or a checkpoint was loaded. The order of the samples is the epoch's.

Shapes: N samples of the train split, B of a batch, C classes.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autotune.train import checkpoint
from autotune.train.batch import Batch
from autotune.train.checkpoint import Best, Checkpoint
from autotune.train.config import Monitor, TrainConfig
from autotune.train.data.base import Split
from autotune.train.finite import NotFinite
from autotune.train.metrics import Tally
from autotune.train.optim.lr_schedules import ObservingFactor
from autotune.train.seeds import seed_of
from autotune.train.setup import Training, begin, learnt, whole_batches
from autotune.trial import Report

__all__ = ["NotFinite", "test", "train", "warm_up"]

CHECKPOINT_EVERY = 10.0  # seconds of training between two checkpoints
EVAL_ELEMENTS = 2**20  # input values that evaluation takes at once


def train(
    config: TrainConfig, folder: Path, resume: int = 0, to_step: int | None = None
) -> Iterator[Report]:
    """Train up to step `to_step` (None: all of them), with a Report after each.

    Goes on from the newest whole checkpoint in `folder` that is not beyond step `resume`, or
    starts afresh. A checkpoint is there before the report of the last step is yielded.

    Raises NotFinite in the epoch whose loss is not; torch's own out-of-memory errors pass through.
    """
    if config.parallel.processes > 1:
        raise NotImplementedError("`parallel` is checked, but not yet trained")
    training = begin(config, finish)
    network, learner = training.network, training.learner
    best: Best | None = None
    start = 0
    if found := checkpoint.load(folder, resume):
        network.model.load_state_dict(found.weights)
        for name, part in training.learners.items():
            part.load_state_dict(found.state[name])
        best, start = found.best, found.step
    checkpoint.clear_after(folder, start)

    last = config.steps if to_step is None else to_step
    unsaved = 0.0  # seconds of training since the last checkpoint
    for step in range(start + 1, last + 1):
        began = time.perf_counter()
        metrics = learn(training, step)
        turn(learner.optimizer, "eval")
        metrics |= evaluate(training, training.data.val, "val")
        metrics |= training.meters.costs(time.perf_counter() - began)
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise NotFinite(config.epoch(step), name, value)

        if isinstance(learner.factor, ObservingFactor) and step % config.reports_per_epoch == 0:
            learner.factor.observe(metrics)
        best = better(config.monitor, best, step, metrics, network.judged)
        unsaved += time.perf_counter() - began
        if unsaved >= CHECKPOINT_EVERY or step == last:
            state = {name: part.state_dict() for name, part in training.learners.items()}
            checkpoint.write(folder, Checkpoint(step, network.model.state_dict(), state, best))
            unsaved = 0.0
        yield Report(step, metrics, time.perf_counter() - began)


def finish(config: TrainConfig, folder: Path) -> None:
    """Trains to the end what another training builds on, such as its teacher."""
    for _ in train(config, folder):
        pass


def learn(training: Training, step: int) -> dict[str, float]:
    """A pass over the train split, or the step's share of it: each batch moves the weights once."""
    config, data = training.config, training.data.train
    network, learner, meters = training.network, training.learner, training.meters
    epoch = config.epoch(step)
    network.model.train()
    turn(learner.optimizer, "train")
    for change in learner.changes:
        change(epoch)
    torch.manual_seed(seed_of(config.seed, step, "dropout"))
    draws = torch.Generator(training.device).manual_seed(seed_of(config.seed, step, "augment"))
    order = permutation(len(data.y), seed_of(config.seed, epoch, "order")).to(data.y.device)  # (N,)
    tally = Tally(training.data, config.metrics)
    batches = whole_batches(order, training.batches.size)
    for place in training.batches.stretches[(step - 1) % config.reports_per_epoch]:
        rows = batches[place]
        lr = config.optimizer.lr * learner.factor((epoch - 1) * len(batches) + place)
        for group in learner.optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        # A batch is one part, unless memory is short.
        for part in rows.split(math.ceil(len(rows) / config.accumulate)):
            x, y = data.take(part, training.device)
            batch = Batch(part, x, y, y, epoch)
            if training.augment is not None:
                batch = training.augment(batch, draws)
            output = network.forward(batch.x)  # (B, C)
            loss = learner.loss(output, batch)
            meters.watch(epoch, loss)
            share = loss if len(part) == len(rows) else loss * (len(part) / len(rows))
            network.precision.backward(share)
            tally.add(loss, output, y)
        tally.norms.append(network.precision.step(learner.optimizer, network.model))
        learner.optimizer.zero_grad()
        for act in learner.after_step:
            act()
    return {**tally.metrics(), "lr": lr}


@torch.no_grad()
def evaluate(training: Training, split: Split, name: str) -> dict[str, float]:
    """The plain loss, without smoothing or weights, and the other metrics of a split."""
    network, scores = training.network, training.meters.scores
    forward = network.precision.forward(network.judged.eval(), learning=False)
    rows = max(1, EVAL_ELEMENTS // max(1, split.x[0].numel()) // training.config.accumulate)
    outputs = [forward(x.to(training.device)) for x in split.x.split(rows)]  # (B, C) each
    return {f"{name}_{metric}": value for metric, value in scores(outputs, split.y).items()}


def test(config: TrainConfig, folder: Path) -> dict[str, float]:
    """What the best weights in `folder` score on the test split, and on the validation split.

    The only reader of the test split.
    """
    training = learnt(config)
    training.network.judged.load_state_dict(checkpoint.load_best(folder).weights)
    test, val = training.data.test, training.data.val
    return evaluate(training, test, "test") | evaluate(training, val, "val")


def better(
    monitor: Monitor, best: Best | None, step: int, metrics: dict[str, float], model: nn.Module
) -> Best:
    """`best`, or this step if it is the one to remember so far; a tie keeps the earlier."""
    weights = model.state_dict()
    if monitor.at == "last":
        return Best(step, metrics, weights)  # no copy: written, if ever, before the next step
    loss, metric = monitor.goal.loss, monitor.metric
    if best is not None and loss(metrics[metric]) >= loss(best.metrics[metric]):
        return best
    return Best(step, metrics, {name: tensor.clone() for name, tensor in weights.items()})


@runtime_checkable
class _TwoPoints(Protocol):
    """An optimizer that steps at one point and is judged at another (schedule-free)."""

    def train(self) -> None: ...

    def eval(self) -> None: ...


def turn(optimizer: Optimizer, mode: Literal["train", "eval"]) -> None:
    if isinstance(optimizer, _TwoPoints):
        optimizer.train() if mode == "train" else optimizer.eval()


def permutation(samples: int, seed: int) -> Tensor:
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed))


def warm_up() -> None:
    """Pay once a process, before the first trial, what torch's first optimizer step costs (1 s)."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight])
    weight.sum().backward()
    optimizer.step()
