"""What every transfer strategy must do: call `check_strategy` for one of your own."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from autotune.testing.distill import write_export
from autotune.testing.train import check_resumes
from autotune.train import setup
from autotune.train.config import TrainConfig
from autotune.train.exported_model import Exported
from autotune.train.loop import learn
from autotune.train.transfer.config import TransferConfig
from autotune.train.weights import head_name

__all__ = ["check_strategy", "moved", "started"]


def check_strategy(strategy: Any, config: TrainConfig, folder: Path) -> None:
    """The contract of a strategy, tried on the network of `config`.

    It starts from the weights it is given, with a head of its own; the head learns from the first
    step; and an interrupted transfer goes on as if it had not been.
    """
    transferred = started(strategy, config, folder / "source")
    run = setup.begin(transferred)
    given, own = load_file(folder / "source" / "model.safetensors"), run.network.model.state_dict()
    top = head_name(run.network.model)
    body = [name for name in own if not name.startswith(f"{top}.")]
    same = all(torch.equal(own[name], given[name]) for name in body)
    assert same == (strategy.name != "scratch"), f"{strategy.name} starts from other weights"
    head = f"{top}.weight"
    assert not torch.equal(own[head], given[head]), f"{strategy.name} keeps a foreign head"
    assert head in moved(transferred), f"{strategy.name}: the head does not learn"
    check_resumes(transferred, folder)


def started(strategy: Any, config: TrainConfig, source: Path) -> TrainConfig:
    """`config` transferred from the network that another seed of it draws."""
    write_export(config.model_copy(update={"seed": config.seed + 1}), source)
    transfer = TransferConfig(source=Exported(folder=str(source)), strategy=strategy)
    return config.model_copy(update={"transfer": transfer})


def moved(config: TrainConfig, epochs: int = 1) -> set[str]:
    """Names of the tensors, statistics included, that the first `epochs` change."""
    run = setup.begin(config)
    before = {name: tensor.clone() for name, tensor in run.network.model.state_dict().items()}
    for epoch in range(1, epochs + 1):
        learn(run, epoch)
    after = run.network.model.state_dict()
    return {name for name in before if not torch.equal(before[name], after[name])}
