"""Trials of several processes, as people write them for torchrun: they learn, fail, hang and die on
cue."""

import os
import time
from datetime import timedelta
from typing import Any

from autotune.engine.worker.function import FunctionTrial

__all__ = [
    "counts_together",
    "fails_in_one",
    "hangs_all",
    "meets",
    "reports_from_one",
    "stops_together",
    "trains",
]

Config = dict[str, Any]


def meets(config: Config, trial: FunctionTrial) -> None:
    """Writes down the place and the process of each rank, in files `rank-N`, and from when till
    when it was there, which is `seconds`."""
    import torch
    from torch import distributed

    began, ranks = time.time(), torch.ones(1)
    if trial.world_size > 1:
        distributed.init_process_group("gloo")
        distributed.all_reduce(ranks)
    time.sleep(config.get("seconds", 0.0))
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_PORT")
    place = [os.environ.get(name, "-") for name in names]
    devices = os.environ.get("CUDA_VISIBLE_DEVICES", "-")
    known = [*place, str(os.getpid()), devices, str(began), str(time.time())]
    (trial.folder / f"rank-{trial.rank}").write_text(" ".join(known))
    if trial.world_size > 1:
        distributed.barrier()  # and leaves the group to us
    trial.report(1, loss=ranks.item())


def trains(config: Config, trial: FunctionTrial) -> None:
    """Data parallel, by DistributedDataParallel; alone where it is alone: the losses are equal."""
    import torch
    from torch import distributed, nn
    from torch.nn.parallel import DistributedDataParallel

    world = int(os.environ.get("WORLD_SIZE", 1))
    x = torch.linspace(-1, 1, 24).reshape(12, 2)
    y = x.prod(1, keepdim=True)
    torch.manual_seed(trial.seed)
    model: nn.Module = nn.Linear(2, 1)
    if world > 1:
        distributed.init_process_group(backend="gloo")
        model = DistributedDataParallel(model)
        rank = distributed.get_rank()
        x, y = x[rank::world], y[rank::world]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(1, config["epochs"] + 1):
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        total = loss.detach()
        if world > 1:
            distributed.all_reduce(total)
        trial.report(epoch, loss=total.item() / world)
    if world > 1:
        distributed.destroy_process_group()


def counts_together(config: Config, trial: FunctionTrial) -> None:
    """Sums 1, 2, 3, ... in its checkpoint. Once, in the epoch after `epoch`, what `then` names
    happens to rank 1: it is killed, or hangs."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    total = state["total"] if (state := trial.load()) else 0
    mark = trial.folder / f"happened-{trial.rank}"
    for epoch in range(trial.step + 1, config["epochs"] + 1):
        if epoch > config["epoch"] and trial.rank == 1 and not mark.exists():
            mark.write_text(str(os.getpid()))
            if config["then"] == "dies":
                os.kill(os.getpid(), 9)
            time.sleep(600)
        ranks = torch.ones(1)
        distributed.all_reduce(ranks)
        total += epoch * int(ranks.item()) // distributed.get_world_size()
        trial.save(epoch, {"total": total})
        trial.report(epoch, total=total)


def fails_in_one(config: Config, trial: FunctionTrial) -> None:
    """In `rank`; its peers are left alone in a collective, and say so, some of them sooner."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo", timeout=timedelta(minutes=1))
    try:
        if trial.rank == config["rank"]:
            if config["by"] == "memory":
                raise MemoryError
            return
        distributed.all_reduce(torch.ones(1))
        trial.report(1, loss=1.0)
    finally:
        distributed.destroy_process_group()
        if trial.rank == config["rank"]:
            time.sleep(0.5)


def hangs_all(config: Config, trial: FunctionTrial) -> None:
    """Leaves the number of each process in `pid-N`."""
    (trial.folder / f"pid-{trial.rank}").write_text(str(os.getpid()))
    time.sleep(600)


def stops_together(config: Config, trial: FunctionTrial) -> None:
    """Reports until it is stopped; each rank leaves a note in which epoch."""
    epoch = 0
    try:
        while True:
            epoch += 1
            time.sleep(0.05 * trial.rank)
            trial.report(epoch, loss=1.0 / epoch if trial.rank == 0 else float("nan"))
    finally:
        (trial.folder / f"stopped-{trial.rank}").write_text(str(epoch))


def reports_from_one(config: Config, trial: FunctionTrial) -> None:
    """As scripts do that guard what they tell by their rank: the others never report."""
    import torch
    from torch import distributed

    distributed.init_process_group("gloo")
    for epoch in range(1, config["epochs"] + 1):
        ranks = torch.ones(1)
        distributed.all_reduce(ranks)
        if trial.rank == 0:
            trial.report(epoch, loss=ranks.item() / epoch)
