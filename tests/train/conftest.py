from pathlib import Path

import numpy as np
import pytest
import torch

from autotune.train.config import TrainConfig, apply


@pytest.fixture(scope="session")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blobs in four dimensions: learnt in a blink."""
    draw = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 40, 20])
    x = draw.normal(size=(120, 4)) + 2 * np.eye(4)[y]
    path = tmp_path_factory.mktemp("data") / "blobs.npz"
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture
def make(blobs: Path):
    """A small TrainConfig with some values changed by their dotted paths."""

    def make(values: dict | None = None, **fixed: object) -> TrainConfig:
        base = {
            "data": {"name": "arrays", "path": str(blobs)},
            "model": {"name": "mlp", "depth": 1, "width": 8},
            "epochs": 4,
            "batch_size": 16,
            **fixed,
        }
        config = apply(base, values or {})
        assert isinstance(config, TrainConfig)
        return config

    return make


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """As a trial has it; more would wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """No test finds, or leaves, anything in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOTUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
