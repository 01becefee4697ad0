"""What the shipped search spaces propose together can be trained: 200 draws, two steps each."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from autotune.spec import load, shipped
from autotune.train import loop
from autotune.train.base import variants
from autotune.train.config import TrainConfig, apply

DRAWS = 200  # in all; the first few of them in the default run
FRAGMENTS = shipped("search_spaces")
NETWORKS = [
    name for name in variants(TrainConfig.model_fields["model"].annotation) if name in FRAGMENTS
]
PLAIN = ["mlp", "cnn"]  # those that `connections` is for
TABLES = ["table", "imbalance", "regression"]
COMMON = [name for name in FRAGMENTS if name not in (*NETWORKS, *TABLES, "connections")]
STUDY = """\
name: every
objective: {{metric: val_loss, goal: minimize, at: last}}
trial:
  data: {{name: arrays, path: {images}}}
  model: {{name: {model}}}
  epochs: 2
  augment: {{synthetic: {{steps: 2, width: 4}}}}
  distill:
    name: soft_targets
    teacher: {{name: trained, model: {{name: cnn, blocks: 2, channels: 8}}, epochs: 1}}
  transfer:
    source: {{name: trained, data: {{name: arrays, path: {others}}}, epochs: 1}}
space:
{space}
budget: {{trials: 200}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("every")


@pytest.fixture(autouse=True)
def own_cache(folder, monkeypatch) -> None:
    monkeypatch.setenv("AUTOTUNE_CACHE", str(folder / "cache"))


def images(path: Path, classes: int) -> Path:
    """Forty small colour images, of which each class has its own tint."""
    draw = np.random.default_rng(classes)
    y = np.arange(40) % classes
    x = draw.integers(0, 200, (40, 3, 16, 16)) + 50 * (y % 3 == 0)[:, None, None, None]
    np.savez(path, x=x.astype(np.uint8), y=y)
    return path


@pytest.mark.parametrize("model", NETWORKS)
def test_the_first_draws_are_trained(model: str, folder: Path, tmp_path: Path) -> None:
    train_draws(model, 3, folder, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("model", NETWORKS)
def test_what_the_spaces_propose_is_trained(model: str, folder: Path, tmp_path: Path) -> None:
    train_draws(model, math.ceil(DRAWS / len(NETWORKS)), folder, tmp_path)


def train_draws(model: str, count: int, folder: Path, tmp_path: Path) -> None:
    given = images(folder / "images.npz", 4), images(folder / "others.npz", 3)
    fragments = (model, *COMMON, *(["connections"] if model in PLAIN else []))
    space = "\n".join(f"  - {name}" for name in fragments)
    text = STUDY.format(model=model, space=space, images=given[0], others=given[1])
    (tmp_path / "study.yaml").write_text(text)
    spec = load(str(tmp_path / "study.yaml"))
    draws = random.Random(model)
    for at in range(count):
        values = spec.space.sample(draws)
        config = apply({**spec.trial, "monitor": {"at": "last"}}, values)
        assert isinstance(config, TrainConfig)
        try:
            reports = list(loop.train(config, tmp_path / str(at)))
        except loop.NotFinite:  # what a rate of 1.0 does to some: an outcome, not an error
            continue
        assert [report.step for report in reports] == [1, 2], values
