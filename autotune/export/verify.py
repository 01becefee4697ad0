"""Copies the winner's weights only if they are whole and fit its network."""

import filecmp
import shutil
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from autotune.errors import AutotuneError, InvalidInput
from autotune.train import checkpoint, weights
from autotune.train.checkpoint import Best
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset
from autotune.train.loop import evaluate
from autotune.train.metrics import COSTS
from autotune.train.setup import learnt
from autotune.train.training import Training

__all__ = ["Restored", "Trained", "copy_whole", "on_cpu"]

_FAR = 0.01
"""Allowed difference between a score as trained, perhaps on a GPU and rounded, and as exported."""


@dataclass(frozen=True)
class Trained:
    """The network with its weights, on the CPU, and what it has learnt from."""

    config: TrainConfig
    network: nn.Module
    data: Dataset


@dataclass(frozen=True)
class Restored:
    held: Best
    trained: Trained | None
    """None where the network could not be built."""
    notes: list[str]


def copy_whole(source: Path, target: Path, config: TrainConfig) -> Restored:
    """The content of the copy, with a note if the network could not be built to try it, or has
    another score.

    Raises AutotuneError with the problem of `source`.
    """
    shutil.copyfile(source, target)
    try:
        held = checkpoint.read_best(target)
    except AutotuneError as error:
        raise AutotuneError(f"they are not whole ({error.__cause__})") from error
    if not filecmp.cmp(source, target, shallow=False):
        raise AutotuneError("their copy differs from them")
    try:
        training = learnt(on_cpu(config))
    except Exception as error:  # the data, or the user's code, may be gone: its weights are not
        why = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
        note = f"the weights are whole, but were not tried in their network: {why}"
        return Restored(held, None, [note])
    network = training.network.judged
    try:
        weights.fill(network, held.weights, ("weights",))
    except InvalidInput as error:
        raise AutotuneError(error.problems[0].message.partition(": ")[2]) from error
    trained = Trained(config, network, training.data)
    return Restored(held, trained, _changed(training, held))


def on_cpu(config: TrainConfig) -> TrainConfig:
    """The config for using a trained network anywhere: in fp32, whatever its training used."""
    plain = {"device": "cpu", "precision": "fp32", "compile": False}
    metrics = tuple(name for name in config.metrics if name not in COSTS)
    alone = type(config).model_fields["parallel"].default
    return config.model_copy(update={**plain, "metrics": metrics, "parallel": alone})


def _changed(training: Training, held: Best) -> list[str]:
    """A note if the network's score on the validation split differs."""
    metric = training.config.monitor.metric
    if metric not in (scores := evaluate(training, training.data.val, "val")):
        return []
    now, then = scores[metric], held.metrics.get(metric, scores[metric])
    if abs(now - then) <= _FAR * max(1.0, abs(then)):
        return []
    why = "its data or its code is not what it was"
    return [f"the exported network has {metric} {now:.4g} here, but had {then:.4g}: {why}"]
