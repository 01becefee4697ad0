"""The start of a training from given weights."""

from typing import assert_never

from torch import nn

from autotune.train import checkpoint, weights
from autotune.train.config import TrainConfig
from autotune.train.data.base import prepare
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.pretrain import Train, pretrained, pupil
from autotune.train.transfer import strategies
from autotune.train.transfer.config import (
    Discriminative,
    FileSource,
    Freeze,
    Full,
    Gradual,
    L2Sp,
    LinearProbe,
    Scratch,
    SourceConfig,
    StrategyConfig,
)
from autotune.train.transfer.strategies import Plan

__all__ = ["start"]

AT = ("transfer", "source")


def start(
    config: TrainConfig, model: nn.Module, loss: nn.Module, device: str, train: Train
) -> Plan:
    """Loads the weights of `config.transfer` into `model`, and freezes what should stay.

    `train` makes weights that must be trained first. Raises InvalidInput if they are missing or do
    not fit.
    """
    transfer = config.transfer
    if transfer is None:
        return Plan(loss)
    if transfer.strategy.name != "scratch":
        found = _weights(transfer.source, config, device, train)
        without = weights.head_name(model) if transfer.head == "new" else ""
        weights.fill(model, found, AT, without)
    return _plan(transfer.strategy, model, loss)


def _weights(
    source: SourceConfig, config: TrainConfig, device: str, train: Train
) -> weights.Weights:
    if isinstance(source, FileSource):
        return weights.read(source.path, (*AT, "path"))
    if isinstance(source, Exported | StudyBest):
        at = (*AT, source.key)
        return weights.exported_weights(weights.folder_of(source, at), at)
    own = pupil(config, source, data=source.data)
    data = prepare(source.data, device, own.loss.task)
    return checkpoint.load_best(pretrained(own, data, train)).weights


def _plan(strategy: StrategyConfig, model: nn.Module, loss: nn.Module) -> Plan:
    """The registry of strategies. Freezes parameters, and returns the other changes."""
    match strategy:
        case Scratch() | Full():
            return strategies.full(loss)
        case LinearProbe():
            return strategies.probe(model, loss)
        case Freeze():
            return strategies.freeze(model, loss, strategy.blocks)
        case Gradual():
            return strategies.gradual(model, loss, strategy.every)
        case Discriminative():
            return strategies.discriminative(loss, strategy.factor)
        case L2Sp():
            return strategies.l2_sp(model, loss, strategy.alpha, strategy.beta)
        case _:
            assert_never(strategy)
