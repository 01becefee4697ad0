"""Fully sharded data parallel, by torch.distributed.fsdp: ddp, but each process keeps a share of
the weights, the gradients and the optimizer's state, and borrows the rest block by block."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.utils import clip_grad_norm_

from autotune.train.models.blocks import blocks
from autotune.train.parallel.data import DataParallel
from autotune.train.parallel.group import Mesh
from autotune.train.parallel.modules import share_modules
from autotune.train.parallel.optimizers import changed, parameters_of
from autotune.train.parallel.plan import answer, compare
from autotune.train.training import Groups, Training, Weights

__all__ = ["Sharded"]


class Sharded(DataParallel):
    cuts = True

    def __init__(self, mesh: Mesh, network: str) -> None:
        super().__init__(mesh, network)
        self.times = float(mesh.data.size)  # torch answers the mean over the processes
        self.now: dict[int, nn.Parameter] = {}
        """What has taken the place of a parameter, by its id."""

    def place(self, model: nn.Module, x: Tensor) -> nn.Module:
        super().place(model, x)
        whole = answer(model, x)
        share_modules(model, self.shares, masks=not self.foreign)
        before = dict(model.named_parameters())
        devices = init_device_mesh(x.device.type, (self.team.size,))
        for block in blocks(model):
            if held := [module for module in block if any(True for _ in module.parameters())]:
                fully_shard(held, mesh=devices)
        fully_shard(model, mesh=devices)
        after = dict(model.named_parameters())
        self.now = {id(parameter): after[name] for name, parameter in before.items()}
        compare("fsdp", whole, answer(model, x))
        return model

    def own(self, groups: Groups) -> Groups:
        return [
            {**group, "params": [self.now.get(id(p), p) for p in group["params"]]}
            for group in groups
        ]

    def share(self, model: nn.Module) -> None:
        pass  # done, before the layers were cut

    def gather_gradients(self, training: Training) -> None:
        pass  # done, in the backward pass

    def clip(self, parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
        return full(clip_grad_norm_(parameters, longest))

    def weights(self, model: nn.Module) -> Weights:
        return self.kept({name: full(tensor) for name, tensor in model.state_dict().items()})

    def fill(self, model: nn.Module, weights: Weights) -> None:
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                tensor.copy_(cut_as(tensor, weights[name]))

    def state(self, training: Training) -> dict[str, Any]:
        state, optimizer = super().state(training), training.learner.optimizer
        parameters = parameters_of(optimizer)
        state["optimizer"] = changed(state["optimizer"], parameters, lambda _, part: full(part))
        return self.kept(state)

    def restore(self, training: Training, state: dict[str, Any]) -> None:
        parameters = parameters_of(training.learner.optimizer)
        own = changed(state["optimizer"], parameters, cut_as)
        super().restore(training, {**state, "optimizer": own})


def full(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut_as(like: Tensor, whole: Tensor) -> Tensor:
    """This process's share of `whole`, where `like` is a share of such a tensor."""
    if not isinstance(like, DTensor) or whole.shape != like.shape:
        return whole
    device = whole.to(like.device)
    return distribute_tensor(device, like.device_mesh, like.placements, src_data_rank=None)
