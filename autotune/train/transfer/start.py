"""The beginning of a training that does not begin from nothing."""

from torch import nn

from autotune.train import checkpoint, weights
from autotune.train.config import TrainConfig
from autotune.train.data.base import prepare
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.pretrain import pretrained, pupil
from autotune.train.transfer.config import FileSource, SourceConfig
from autotune.train.transfer.strategies import Plan

__all__ = ["start"]

AT = ("transfer", "source")


def start(config: TrainConfig, model: nn.Module, loss: nn.Module, device: str) -> Plan:
    """Loads the weights that `config.transfer` names into `model`, and freezes what is to stay.

    Raises InvalidInput when they are not there or do not fit.
    """
    transfer = config.transfer
    if transfer is None:
        return Plan(loss)
    if transfer.strategy.name != "scratch":
        found = _weights(transfer.source, config, device)
        without = weights.head_name(model) if transfer.head == "new" else ""
        weights.fill(model, found, AT, without)
    return transfer.strategy.build(model, loss)


def _weights(source: SourceConfig, config: TrainConfig, device: str) -> weights.Weights:
    if isinstance(source, FileSource):
        return weights.read(source.path, (*AT, "path"))
    if isinstance(source, Exported | StudyBest):
        at = (*AT, source.key)
        return weights.exported_weights(source.place(at), at)
    own = pupil(config, source, data=source.data)
    data = prepare(source.data, device, own.loss.task)
    return checkpoint.load_best(pretrained(own, data)).weights
