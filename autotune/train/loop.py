"""One training, top to bottom, in plain PyTorch.

A step ends with a report: it is an epoch, or one of its `reports_per_epoch` shares.

All randomness is drawn from seeds of (config.seed, step, purpose), so step 7 is the same whether
steps 1 to 6 were run before it or a checkpoint was loaded. The order of the samples is the epoch's.

Shapes: N samples of the train split, B of a batch, C classes.
"""

import math
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autotune.train import checkpoint
from autotune.train.augment.draws import Part
from autotune.train.batch import Batch
from autotune.train.checkpoint import Best, Checkpoint
from autotune.train.config import TrainConfig
from autotune.train.data.base import Split
from autotune.train.finite import NotFinite
from autotune.train.metrics import Tally
from autotune.train.optim.lr_schedules import ObservingFactor
from autotune.train.parallel.group import joined
from autotune.train.seeds import seed_of
from autotune.train.setup import begin, device_of, learnt, whole_batches
from autotune.train.training import Strategy, Training
from autotune.trial import Report

__all__ = ["NotFinite", "test", "train", "warm_up"]

CHECKPOINT_EVERY = 10.0  # seconds of training between two checkpoints
EVAL_ELEMENTS = 2**20  # input values that evaluation takes at once


def train(
    config: TrainConfig, folder: Path, resume: int = 0, to_step: int | None = None
) -> Iterator[Report]:
    """Train up to step `to_step` (None: all of them), with a Report after each.

    Continues from the newest whole checkpoint in `folder` that is not beyond step `resume`, or
    starts afresh. A checkpoint exists before the report of the last step is yielded. With a
    `parallel` config, each process calls this with the same arguments. Raises NotFinite in the
    epoch whose loss is not finite; torch's own out-of-memory errors pass through.
    """
    with joined(config.parallel, device_of(config)) as mesh:
        yield from together(begin(config, finish, mesh), folder, resume, to_step)


def together(
    training: Training, folder: Path, resume: int, to_step: int | None
) -> Iterator[Report]:
    """`train`, in each of its processes. All yield the same reports; stopping the first one stops
    all."""
    config, strategy, network = training.config, training.strategy, training.network
    best: Best | None = None
    start = 0
    if found := strategy.agree(checkpoint.load(folder, resume) if strategy.writes else None):
        strategy.fill(network.model, found.weights)
        strategy.restore(training, found.state)
        best, start = found.best, found.step
    if strategy.writes:
        checkpoint.clear_after(folder, start)

    last = config.steps if to_step is None else to_step
    unsaved = 0.0  # seconds of training since the last checkpoint
    for step in range(start + 1, last + 1):
        began = time.perf_counter()
        metrics = learn(training, step)
        turn(training.learner.optimizer, "eval")
        metrics |= evaluate(training, training.data.val, "val")
        metrics |= training.meters.costs(time.perf_counter() - began)
        metrics, seconds = strategy.agree((metrics, time.perf_counter() - began))
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise NotFinite(config.epoch(step), name, value)

        factor = training.learner.factor
        if isinstance(factor, ObservingFactor) and step % config.reports_per_epoch == 0:
            factor.observe(metrics)
        best = better(training, best, step, metrics)
        unsaved += seconds
        if unsaved >= CHECKPOINT_EVERY or step == last:
            weights, state = strategy.weights(network.model), strategy.state(training)
            if strategy.writes:
                checkpoint.write(folder, Checkpoint(step, weights, state, best))
            unsaved = 0.0
        report = Report(step, metrics, time.perf_counter() - began)
        if step == last:
            yield report
        elif not (yield from answered(strategy, report)):
            return


def answered(strategy: Strategy, report: Report) -> Generator[Report, None, bool]:
    """Yields the report, then whether the first process continues. If it is stopped here, all
    are."""
    goes_on = False
    try:
        yield report
        goes_on = True
    finally:
        with nullcontext() if goes_on else suppress(RuntimeError):  # the others may be gone
            goes_on = strategy.agree(goes_on)
    return goes_on


def finish(config: TrainConfig, folder: Path) -> None:
    """Trains another training to its end, such as a teacher's."""
    for _ in train(config, folder):
        pass


def learn(training: Training, step: int) -> dict[str, float]:
    """A pass over the training split, or the step's share of it."""
    config, data, strategy = training.config, training.data.train, training.strategy
    network, learner = training.network, training.learner
    epoch = config.epoch(step)
    network.model.train()
    turn(learner.optimizer, "train")
    for change in learner.changes:
        change(epoch)
    torch.manual_seed(seed_of(config.seed, step, strategy.dropout))
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
            batch = sampled(training, part, epoch, draws)
            learnt = strategy.learn(training, batch, len(part), len(part) / len(rows))
            tally.add(len(part), *learnt)
        strategy.gather_gradients(training)
        tally.norms.append(network.precision.step(learner.optimizer, network.model))
        learner.optimizer.zero_grad()
        for act in learner.after_step:
            act()
    return {**tally.metrics(strategy.add), "lr": lr}


def sampled(training: Training, part: Tensor, epoch: int, draws: torch.Generator) -> Batch:
    """This process's samples of a part of a batch, augmented."""
    data, cut, augment = training.data.train, training.strategy.cut, training.augment
    mine = cut(part)
    # Mixing partners may be anywhere in the part.
    whole = augment is not None and (mine is part or not augment.alone)
    rows = part if whole else mine
    x, y = data.take(rows, training.device)
    batch = Batch(rows, x, y, y, epoch)
    if augment is None:
        return batch
    if whole:
        return augment(batch, draws).map(cut)
    return augment.on_part(batch, Part(draws, len(part), cut))


@torch.no_grad()
def evaluate(training: Training, split: Split, name: str) -> dict[str, float]:
    """The plain loss, without smoothing or class weights, and the other metrics of a split."""
    network, scores = training.network, training.meters.scores
    forward = network.precision.forward(network.judged.eval(), learning=False)
    rows = max(1, EVAL_ELEMENTS // max(1, split.x[0].numel()) // training.config.accumulate)
    judge, device = training.strategy.judge, training.device
    outputs = [judge(forward, x.to(device)) for x in split.x.split(rows)]  # (B, C) each
    return {f"{name}_{metric}": value for metric, value in scores(outputs, split.y).items()}


def test(config: TrainConfig, folder: Path) -> dict[str, float]:
    """The scores of the best weights in `folder` on the test and validation splits. The only reader
    of the test split."""
    training = learnt(config)
    training.network.judged.load_state_dict(checkpoint.load_best(folder).weights)
    test, val = training.data.test, training.data.val
    return evaluate(training, test, "test") | evaluate(training, val, "val")


def better(training: Training, best: Best | None, step: int, metrics: dict[str, float]) -> Best:
    """`best`, or this step if it is better; a tie keeps the earlier."""
    monitor, judged = training.config.monitor, training.network.judged
    if monitor.at == "last":
        # No copy: written, if ever, before the next step.
        return Best(step, metrics, training.strategy.weights(judged))
    loss, metric = monitor.goal.loss, monitor.metric
    if best is not None and loss(metrics[metric]) >= loss(best.metrics[metric]):
        return best
    weights = training.strategy.weights(judged)
    return Best(step, metrics, {name: tensor.clone() for name, tensor in weights.items()})


@runtime_checkable
class _TwoPoints(Protocol):
    """Lets an optimizer evaluate at another point than it steps at (schedule-free)."""

    def train(self) -> None: ...

    def eval(self) -> None: ...


def turn(optimizer: Optimizer, mode: Literal["train", "eval"]) -> None:
    if isinstance(optimizer, _TwoPoints):
        optimizer.train() if mode == "train" else optimizer.eval()


def permutation(samples: int, seed: int) -> Tensor:
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed))


def warm_up() -> None:
    """Warm up torch's optimizers once a process (1 s), before the first trial."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight])
    weight.sum().backward()
    optimizer.step()
