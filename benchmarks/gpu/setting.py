"""The networks, the data and the configs that the parts train."""

import os
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
import torch._dynamo  # noqa: F401  (before processes are forked: the first optimizer imports it)

from autotune.train.config import TrainConfig, apply
from autotune.train.data.base import prepare
from autotune.train.data.values import Dataset

__all__ = ["NETWORKS", "data_of", "images", "make", "scratch"]

NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "depth": 3, "width": 512},
    "cnn": {"name": "cnn", "channels": 64, "blocks": 3},
    "resnet": {"name": "resnet", "depth": 2, "width": 2.0},
    "vit": {"name": "vit", "depth": 4, "width": 192},
}
SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"name": "mlp", "depth": 1, "width": 8},
    "cnn": {"name": "cnn", "channels": 4, "blocks": 1},
    "resnet": {"name": "resnet", "depth": 1, "stages": 1, "width": 0.25},
    "vit": {"name": "vit", "depth": 1, "width": 8, "heads": 2},
}


def scratch() -> Path:
    """A folder of this part's own; the whole check removes it at its end."""
    return Path(mkdtemp(dir=os.environ["GPU_CHECK_SCRATCH"]))


def images(folder: Path, dry: bool, samples: int = 12_800, side: int = 32) -> Path:
    """Random pictures in ten classes, which a line tells apart: a network learns something."""
    train, side = (192, 8) if dry else (samples, side)
    draw = np.random.default_rng(0)
    parts = {"": train, "_val": max(64, train // 5), "_test": 64}
    teacher = draw.normal(size=(3 * side * side, 10)).astype(np.float32)
    arrays = {}
    for name, count in parts.items():
        x = draw.normal(size=(count, 3, side, side)).astype(np.float32)
        arrays |= {f"x{name}": x, f"y{name}": (x.reshape(count, -1) @ teacher).argmax(1)}
    path = folder / "images.npz"
    np.savez(path, **arrays)
    return path


def make(path: Path, network: str, dry: bool, **given: Any) -> TrainConfig:
    base = {
        "data": {"name": "arrays", "path": str(path)},
        "model": (SMALL if dry else NETWORKS)[network],
        "device": "cpu" if dry else "cuda",
        "batch_size": 32 if dry else 256,
        **given,
    }
    config = apply(base, {})
    assert isinstance(config, TrainConfig)
    return config


def data_of(config: TrainConfig) -> Dataset:
    """The tensors that the training has, on its device."""
    return prepare(config.data, torch.device(config.device).type)
