"""Data parallel: each process has the whole network and a share of each batch.

What is learnt is one process's: the same batches in the same order, and of each batch the sum over
all samples by the number of all samples.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeVar

import torch
from torch import Tensor, nn

from autotune.train.batch import Batch
from autotune.train.parallel.alone import Alone
from autotune.train.parallel.group import Mesh, Team
from autotune.train.parallel.modules import share_modules
from autotune.train.parallel.share import Share
from autotune.train.training import Forward, Learnt, Training

__all__ = ["DataParallel", "add_gradients"]

T = TypeVar("T")

BUCKET = 2**23
"""Numbers that are exchanged at once: 32 MB."""
FOREIGN = ("custom", "torchvision")
"""Networks that may draw in ways of their own."""


class DataParallel(Alone):
    def __init__(self, mesh: Mesh, network: str) -> None:
        """network: the name of the model's config"""
        self.mesh, self.team = mesh, mesh.data
        self.shares = Share(mesh.data)
        self.writes = mesh.whole.place == 0
        self.foreign = network in FOREIGN
        self.times = 1.0
        """What a loss is multiplied by where gradients are no sum over the processes."""
        # What draws for itself must not draw the same for other samples.
        apart = self.foreign and mesh.data.size > 1
        self.dropout = f"dropout {mesh.data.place}" if apart else "dropout"

    def place(self, model: nn.Module, x: Tensor) -> nn.Module:
        for tensor in chain(model.parameters(), model.buffers()):
            self.mesh.whole.copied(tensor.detach())
        return model

    def share(self, model: nn.Module) -> None:
        share_modules(model, self.shares, masks=not self.foreign)

    def decided(self, mask: Tensor) -> Tensor:
        return self.mesh.whole.copied(mask)

    def cut(self, part: Tensor) -> Tensor:
        return self.shares.cut(part)

    def learn(self, training: Training, batch: Batch, part: int, weight: float) -> Learnt:
        mine = self.shares.mine(part)
        precision = training.network.precision
        with self.shares.of(part):
            output = training.network.forward(batch.x)
            # The mean over the whole part is the sum of what the processes add to it.
            added = training.learner.loss(output, batch) * (mine / part)
            loss = self.team.add(added.detach().clone())
            training.meters.watch(batch.epoch, loss)
            precision.backward(added * (weight * self.times))
        return Learnt(loss, output[:mine], batch.y[:mine])

    def gather_gradients(self, training: Training) -> None:
        network, loss = training.network.model, training.learner.loss
        moving = [p for p in chain(network.parameters(), loss.parameters()) if p.requires_grad]
        add_gradients(self.team, moving)

    def judge(self, forward: Forward, x: Tensor) -> Tensor:
        sizes = self.shares.sizes(len(x))
        output = forward(self.shares.cut(x))
        return self.team.joined(output[: sizes[self.team.place]], sizes)

    def add(self, count: Tensor) -> Tensor:
        return self.team.add(count)

    def kept(self, whole: dict[str, T]) -> dict[str, T]:
        """What was gathered, in the process that writes it; the others need not keep it."""
        return whole if self.writes else {}

    def agree(self, value: T) -> T:
        return self.mesh.whole.agree(value)


def add_gradients(team: Team, parameters: Iterable[nn.Parameter]) -> None:
    """The sum over the processes becomes the gradient in each of them.

    A parameter that no process has used keeps none, so that it does not move.
    """
    for bucket in buckets(list(parameters)) if team.size > 1 else ():
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        mine = [p.grad is not None for p in bucket]
        used = grads[0].new_tensor(mine)
        flat = team.add(torch.cat([used, *(grad.flatten() for grad in grads)]))
        sums = flat[len(bucket) :].split([grad.numel() for grad in grads])
        # Where all are there, a GPU need not be waited for.
        there = mine if all(mine) else (flat[: len(bucket)] > 0).tolist()
        for p, total, is_used in zip(bucket, sums, there, strict=True):
            if is_used:
                p.grad = total.view_as(p)


def buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Of one type each, and few."""
    found: list[list[nn.Parameter]] = []
    size = 0
    for p in parameters:
        fits = found and found[-1][0].dtype == p.dtype and size + p.numel() <= BUCKET
        if not fits:
            found.append([])
            size = 0
        found[-1].append(p)
        size += p.numel()
    return found
