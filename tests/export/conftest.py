"""Exports of networks that were hardly trained: what they predict is what matters."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from safetensors.torch import save_file

from autotune.export.data_facts import data_facts
from autotune.export.input import Input
from autotune.export.program import write_predictor
from autotune.export.sums import write_sums
from autotune.export.verify import Trained, on_cpu
from autotune.spec import dump_config
from autotune.train import loop
from autotune.train.config import TrainConfig, apply
from autotune.train.setup import Training, begin, learnt

ROWS = 300


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def people(rows: int = ROWS) -> pandas.DataFrame:
    """A table such as adult: categories, numbers and gaps in both."""
    draw = np.random.default_rng(0)
    age = np.where(np.arange(rows) % 9 == 0, np.nan, draw.normal(40, 10, rows).round())
    town = np.array(["Ulm", "Bonn", None, "Zürich"], object)[np.arange(rows) % 4]
    post = np.where(np.arange(rows) % 11 == 0, np.nan, draw.choice([7, 9, 11, 13], rows))
    return pandas.DataFrame(
        {
            "id": np.arange(rows),
            "age": age,
            "post": post,
            "town": town,
            "member": draw.random(rows) < 0.5,
            "asked": np.array([True, False, None], object)[draw.integers(0, 3, rows)],
            "pay": draw.gamma(2, 1000, rows),
            "kind": np.array(["<=50K", ">50K"])[(draw.normal(size=rows) + (age > 40) > 0) * 1],
        }
    )


@dataclass(frozen=True)
class Exported:
    folder: Path
    training: Training
    """What the network was trained by; it answers as the product's own evaluation does."""

    def product(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C) logits, or (N, 1) standardised numbers, for normalised samples."""
        with torch.no_grad():
            return self.training.network.judged.eval()(x)


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Exported]:
    """The part of an export that predicts, of a network with random weights, or of one that has
    learnt for an epoch."""

    def make(learn: bool = False, **config: Any) -> Exported:
        values = {"epochs": 1, "seed": 3, **config}
        read = apply(values, {})
        assert isinstance(read, TrainConfig)
        training = begin(on_cpu(read)) if learn else learnt(on_cpu(read))
        if learn:
            loop.learn(training, 1)
        folder = tmp_path / "exported"
        folder.mkdir()
        network = training.network.judged.eval()
        save_file(
            {k: v.contiguous().clone() for k, v in network.state_dict().items()},
            folder / "model.safetensors",
        )
        trained = Trained(training.config, network, training.data)
        facts = data_facts(training.config, training.data)
        assert write_predictor(trained, Input.of(training.data, "s", 0, facts), folder) == []
        plain = read.model_dump(mode="json")
        (folder / "config.json").write_text(json.dumps(plain))
        (folder / "best.yaml").write_text(dump_config(plain))
        write_sums(folder)
        return Exported(folder, training)

    return make


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A `data:` section over `people()`, in a file of some format."""

    def write(suffix: str = ".csv", frame: pandas.DataFrame | None = None) -> dict[str, Any]:
        path = tmp_path / f"people{suffix}"
        data = people() if frame is None else frame
        data.to_parquet(path) if suffix == ".parquet" else data.to_csv(path, index=False)
        named = {"target": "kind", "drop": ["id"], "categorical": ["post"]}
        return {"name": "table", "path": str(path), **named}

    return write
