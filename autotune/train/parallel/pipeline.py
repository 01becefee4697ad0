"""Pipeline parallel: each process has some layers in a row, and hands on what they answer.

A part of a batch goes through in micro-batches, so that the stages work at the same time. Shapes of
activations are known from the start, so a shorter last batch needs no plan of its own.

On GPUs the two directions are two groups, whose transfers do not wait for one another.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from autotune.train.batch import Batch
from autotune.train.parallel.clip import clipped
from autotune.train.parallel.config import ParallelConfig
from autotune.train.parallel.data import DataParallel
from autotune.train.parallel.group import Mesh
from autotune.train.parallel.optimizers import parameters_of
from autotune.train.parallel.plan import answer, compare
from autotune.train.parallel.stages import bounds, check_chain, shapes
from autotune.train.training import Forward, Learnt, Training, Weights

__all__ = ["Pipeline", "order"]

T = TypeVar("T")
Do = tuple[Literal["forward", "backward"], int]


class Pipeline(DataParallel):
    cuts = True

    def __init__(self, mesh: Mesh, network: str, config: ParallelConfig) -> None:
        super().__init__(mesh, network)
        self.config, self.whole = config, mesh.whole
        self.at, self.last = mesh.whole.place, mesh.whole.size - 1
        # A stage cannot draw what those before it draw.
        self.dropout = f"dropout {self.at}"
        self.downward: Any = dist.new_group()
        self.upward: Any = dist.new_group()
        self.shapes: list[torch.Size] = []
        """Of what goes into each stage, one sample's, and of what comes out of the last one."""
        self.sent: list[tuple[Any, Tensor]] = []

    def place(self, model: nn.Module, x: Tensor) -> nn.Module:
        super().place(model, x)
        check_chain(model, self.whole.size)
        training = model.training
        whole = answer(model.eval(), x)
        stages = bounds(model, x, self.whole.size)
        self.shapes = shapes(stages, x)
        model.train(training)
        for place, stage in enumerate(stages):
            if place != self.at:
                give_up(layer for _, layer in stage)
        mine = nn.Sequential(OrderedDict(stages[self.at]))  # under the names of the whole
        compare("pipeline", whole, answer(mine, x, lambda x: self.judge(mine, x)))
        return mine

    def share(self, model: nn.Module) -> None:
        pass

    def learn(self, training: Training, batch: Batch, part: int, weight: float) -> Learnt:
        count = min(self.config.micro_batches, part)
        run = _Run(self, training, batch, part, weight)
        for what, at in order(self.config.schedule, count, self.last - self.at):
            getattr(run, what)(at)
        self.settle()
        loss = batch.x.new_zeros(()) if self.at < self.last else torch.stack(run.losses).sum()
        training.meters.watch(batch.epoch, self.whole.copied(loss, self.last))
        if self.at < self.last:
            return Learnt(loss, batch.x.new_empty(0, *self.shapes[-1]), batch.y[:0])
        return Learnt(loss, torch.cat(run.outputs), batch.y)

    def gather_gradients(self, training: Training) -> None:
        pass  # no parameter is in two processes

    def clip(self, parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
        return clipped(parameters, longest, self.whole, lambda p: True)

    def judge(self, forward: Forward, x: Tensor) -> Tensor:
        given = x if self.at == 0 else self.take(x, self.shapes[self.at], self.at - 1)
        made = forward(given)
        if self.at < self.last:
            self.give(made, self.at + 1)
            self.settle()
            made = x.new_empty(len(x), *self.shapes[-1])
        return self.whole.copied(made.contiguous(), self.last)

    def decided(self, mask: Tensor) -> Tensor:
        return mask

    def add(self, count: Tensor) -> Tensor:
        return self.whole.add(count)

    def weights(self, model: nn.Module) -> Weights:
        return self.merged(model.state_dict())

    def fill(self, model: nn.Module, weights: Weights) -> None:
        model.load_state_dict({name: weights[name] for name in model.state_dict()})

    def state(self, training: Training) -> dict[str, Any]:
        state, average = super().state(training), training.network.average
        own = state["optimizer"]
        state["optimizer"] = {**own, "state": self.merged(here(training, own["state"]))}
        if average:
            state["average"] = {**state["average"], "model": self.weights(average.model)}
        return self.kept(state)

    def restore(self, training: Training, state: dict[str, Any]) -> None:
        given, average = state["optimizer"], training.network.average
        mine = here(training, given["state"])
        state = {**state, "optimizer": {**given, "state": mine}}
        if average:
            held = state["average"]["model"]
            own = {name: held[name] for name in average.model.state_dict()}
            state["average"] = {**state["average"], "model": own}
        super().restore(training, state)

    def merged(self, mine: dict[Any, T]) -> dict[Any, T]:
        """What all stages hold, in the process that writes it."""
        held = self.whole.sent(mine)
        return {key: value for stage in held for key, value in stage.items()}

    # Between the stages

    def give(self, tensor: Tensor, to: int) -> None:
        """Hands it on, and does not wait until it has arrived."""
        tensor = tensor.detach().contiguous()
        group = self.downward if to > self.at else self.upward
        self.sent.append((dist.isend(tensor, self.whole.ranks[to], group=group), tensor))

    def take(self, like: Tensor, shape: torch.Size, source: int) -> Tensor:
        """For the samples of `like`."""
        tensor = torch.empty((len(like), *shape), dtype=like.dtype, device=like.device)
        group = self.downward if source < self.at else self.upward
        dist.recv(tensor, self.whole.ranks[source], group=group)
        return tensor

    def settle(self) -> None:
        for work, _ in self.sent:
            work.wait()
        self.sent.clear()


class _Run:
    """One part of a batch on its way through this stage."""

    def __init__(
        self, stage: Pipeline, training: Training, batch: Batch, part: int, weight: float
    ) -> None:
        self.stage, self.training, self.weight, self.part = stage, training, weight, part
        count = min(stage.config.micro_batches, part)
        cuts = [part * at // count for at in range(count + 1)]
        spans = zip(cuts, cuts[1:], strict=False)
        self.batches = [batch.map(itemgetter(slice(*span))) for span in spans]
        self.inner: dict[int, tuple[Tensor, Tensor]] = {}
        """Of each micro-batch that has no backward pass yet: what went in, and what came out."""
        self.losses: list[Tensor] = []
        self.outputs: list[Tensor] = []

    def forward(self, at: int) -> None:
        stage, batch = self.stage, self.batches[at]
        given = batch.x
        if stage.at > 0:
            given = stage.take(batch.x, stage.shapes[stage.at], stage.at - 1).requires_grad_()
        made = self.training.network.forward(given)
        if stage.at < stage.last:
            stage.give(made, stage.at + 1)
        else:
            self.outputs.append(made.detach())
            made = self.training.learner.loss(made, batch) * (len(batch.x) / self.part)
            self.losses.append(made.detach())
        self.inner[at] = given, made

    def backward(self, at: int) -> None:
        stage = self.stage
        given, made = self.inner.pop(at)
        if stage.at == stage.last:
            self.training.network.precision.backward(made * self.weight)
        else:
            grad = stage.take(given, made.shape[1:], stage.at + 1)
            if made.requires_grad:  # what comes before may all be frozen
                made.backward(grad)
        if stage.at > 0:
            grad = torch.zeros_like(given) if given.grad is None else given.grad
            stage.give(grad, stage.at - 1)


def here(training: Training, states: dict[int, Any]) -> dict[int, Any]:
    """An optimizer's states of the parameters that this stage has."""
    own = {id(p) for p in training.network.model.parameters()}
    counted = parameters_of(training.learner.optimizer)
    return {at: state for at, state in states.items() if id(counted[at]) in own}


def order(schedule: str, count: int, after: int) -> Iterator[Do]:
    """What a stage does with `count` micro-batches, with `after` stages behind it."""
    ahead = count if schedule == "gpipe" else min(count, after)
    for at in range(ahead):
        yield "forward", at
    for at in range(count):
        if at + ahead < count:
            yield "forward", at + ahead
        yield "backward", at


def give_up(layers: Iterable[nn.Module]) -> None:
    """Frees the weights that other processes have. The optimizer counts them all the same, as one
    process does, and never moves them: they have no gradient."""
    for layer in layers:
        for parameter in layer.parameters():
            parameter.data = parameter.data.new_empty(0)
