"""The processes of one training: how they meet, and what they exchange.

A process is one of several by the variables that torchrun sets: RANK, WORLD_SIZE, LOCAL_RANK,
MASTER_ADDR and MASTER_PORT.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from autotune.errors import UserError
from autotune.train.parallel.config import ParallelConfig

__all__ = ["TIMEOUT", "Mesh", "Team", "joined"]

T = TypeVar("T")

TIMEOUT = "AUTOTUNE_COLLECTIVE_TIMEOUT"
"""The variable of the environment that says how many seconds a process waits for the others."""
PATIENCE = 600.0
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Team:
    """Some processes of a training, this one among them. One alone exchanges nothing.

    All of them make the same calls in the same order; what comes back is the same in all of them.
    """

    def __init__(self, ranks: tuple[int, ...], rank: int, group: Any = None) -> None:
        self.ranks, self.group = ranks, group
        self.place, self.size = ranks.index(rank), len(ranks)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Team":
        return self  # a copy of a network is of the same processes

    def add(self, tensor: Tensor) -> Tensor:
        """The sum over the processes, in the place of `tensor`."""
        if self.size > 1:
            dist.all_reduce(tensor, group=self.group)
        return tensor

    def joined(self, mine: Tensor, sizes: list[int], dim: int = 0) -> Tensor:
        """The parts of all processes, set one behind the other; `sizes` of them are known."""
        if self.size == 1:
            return mine
        mine = mine.contiguous()
        shape = list(mine.shape)
        parts = [mine.new_empty([*shape[:dim], size, *shape[dim + 1 :]]) for size in sizes]
        if len(set(sizes)) == 1:
            dist.all_gather(parts, mine, group=self.group)
        else:
            for place, size in enumerate(sizes):  # gloo gathers parts of one size only
                if size:
                    part = parts[place]
                    self.copied(part.copy_(mine) if place == self.place else part, place)
        return torch.cat(parts, dim)

    def copied(self, tensor: Tensor, source: int = 0) -> Tensor:
        """The tensor of the process at the place `source`, in all of them."""
        if self.size > 1:
            dist.broadcast(tensor, self.ranks[source], group=self.group)
        return tensor

    def agree(self, value: T, source: int = 0) -> T:
        """The value of the process at the place `source`: what it decides, all do."""
        if self.size == 1:
            return value
        box: list[Any] = [value]
        dist.broadcast_object_list(box, self.ranks[source], group=self.group)
        agreed: T = box[0]
        return agreed

    def sent(self, value: T) -> list[T]:
        """The values of all processes, in the order of their places: in the first one. The others
        get nothing."""
        if self.size == 1:
            return [value]
        box: list[Any] | None = [None] * self.size if self.place == 0 else None
        dist.gather_object(value, box, self.ranks[0], group=self.group)
        return box or []


@dataclass(frozen=True)
class Mesh:
    """All processes of a training, as rows and columns. Those of one row hold one network together;
    those of one column hold the same part of it, and share the batch."""

    whole: Team
    model: Team
    data: Team


@contextmanager
def joined(config: ParallelConfig, device: str) -> Iterator[Mesh]:
    """Waits until all processes are there, and leaves them at the end.

    However it ends: a process that leaves ends the waiting of the others.
    """
    if config.processes == 1:
        alone = Team((0,), 0)
        yield Mesh(alone, alone, alone)
        return
    rank = _rank(os.environ, config.processes)
    if device == "cuda":
        place = int(os.environ.get("LOCAL_RANK", rank))
        torch.cuda.set_device(place % torch.cuda.device_count())
    # Objects, which are bytes, stay on the CPU.
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    wait = timedelta(seconds=float(os.environ.get(TIMEOUT, PATIENCE)))
    dist.init_process_group(backend, timeout=wait, rank=rank, world_size=config.processes)
    try:
        yield _mesh(config, rank)
    finally:
        dist.destroy_process_group()


def _rank(environment: Mapping[str, str], processes: int) -> int:
    if missing := [name for name in NEEDED if name not in environment]:
        rule = f"`parallel` asks for {processes} processes, but this process runs alone"
        raise UserError(f"{rule}: {', '.join(missing)} not set; start it by autotune or torchrun")
    if (given := int(environment["WORLD_SIZE"])) != processes:
        raise UserError(f"`parallel` asks for {processes} processes, but WORLD_SIZE is {given}")
    return int(environment["RANK"])


def _mesh(config: ParallelConfig, rank: int) -> Mesh:
    everyone = tuple(range(config.processes))
    whole, alone = Team(everyone, rank), Team((rank,), rank)
    columns = config.processes // config.shares
    if columns == 1:
        return Mesh(whole, alone, whole)
    if config.shares == 1:
        return Mesh(whole, whole, alone)
    rows = [everyone[at : at + columns] for at in range(0, config.processes, columns)]
    return Mesh(
        whole, _mine(rows, rank), _mine([everyone[at::columns] for at in range(columns)], rank)
    )


def _mine(teams: list[tuple[int, ...]], rank: int) -> Team:
    """Every process makes all groups, in the same order, as torch asks for."""
    groups = [(ranks, dist.new_group(list(ranks))) for ranks in teams]
    return next(Team(ranks, rank, group) for ranks, group in groups if rank in ranks)
