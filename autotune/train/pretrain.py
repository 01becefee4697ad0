"""Trainings that others build on: run once on a machine, then shared by every trial."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autotune.errors import AutotuneError
from autotune.train import cache, checkpoint
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset
from autotune.train.finite import NotFinite
from autotune.train.recipe import Recipe

__all__ = ["Train", "digest", "fingerprint", "nothing_first", "pretrained", "pupil"]

Train = Callable[[TrainConfig, Path], None]
"""Trains a config to its end; the folder then holds its best weights."""

SAMPLED = 512  # samples that tell one data set from another


def pupil(config: TrainConfig, recipe: Recipe, **other: Any) -> TrainConfig:
    """A training of the network of `config`, alone and from nothing, by `recipe`.

    `other` are fields in which it differs beside. What is left, such as data and threads, is as in
    `config`.
    """
    kept = ("data", "model", "loss", "initializer", "activation", "threads", "device")
    own = {name: getattr(recipe, name) for name in type(recipe).model_fields if name != "name"}
    return type(config)(**{name: getattr(config, name) for name in kept} | own | other)


def nothing_first(config: TrainConfig, folder: Path) -> None:
    """The `Train` of a training that builds on no other."""
    raise AssertionError(f"a {config.model.name} would have to be trained first")


def pretrained(config: TrainConfig, data: Dataset, train: Train) -> Path:
    """The folder with the best weights of `config` on `data`, made by `train` if no one has yet.

    Others that need it meanwhile wait for it.
    """
    said = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    key = digest(said, fingerprint(data), torch.__version__, data.train.x.device.type)
    return cache.once(f"trained-{key}", lambda folder: _train(train, config, folder))


def _train(train: Train, config: TrainConfig, folder: Path) -> None:
    try:
        train(config, folder)
    except NotFinite as error:
        raise AutotuneError(f"the training of {config.model.name!r} before: {error}") from error
    checkpoint.clear_after(folder, 0)


def fingerprint(data: Dataset) -> str:
    """Of the train and validation parts as they are: labels, and some samples of each."""
    parts: list[str | bytes] = []
    for split in (data.train, data.val):
        every = max(1, len(split.y) // SAMPLED)
        parts += [str(tuple(split.x.shape)), _bytes(split.y), _bytes(split.x[::every])]
    return digest(*parts)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()


def digest(*parts: str | bytes) -> str:
    hashed = hashlib.blake2b(digest_size=12)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "little") + raw)
    return hashed.hexdigest()
