"""What the shipped search spaces propose together can be trained: 80 draws, two steps each."""

import math
import random
from pathlib import Path

import numpy as np
import pytest

from autotune.spec import StudySpec, load, shipped
from autotune.train import loop
from autotune.train.base import variants
from autotune.train.config import TrainConfig, apply

DRAWS = 80  # in all; the first few of them in the default run
FRAGMENTS = shipped("search_spaces")
NETWORKS = [
    name for name in variants(TrainConfig.model_fields["model"].annotation) if name in FRAGMENTS
]
PLAIN = ["mlp", "cnn"]  # those that `connections` is for
TABLES = ["table", "imbalance", "regression"]
APART = ["connections", "parallel"]  # of some networks, and of several processes
COMMON = [name for name in FRAGMENTS if name not in (*NETWORKS, *TABLES, *APART)]
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

PICTURES = [
    "augmentation",
    "synthetic",
    "distillation",
    "transfer",
]  # what needs images, or a net for them
ROWS = """\
name: rows
objective: {{metric: {metric}, goal: minimize, at: last}}
trial:
  data: {{name: table, path: {table}, target: {target}}}
  model: {{name: mlp}}
  loss: {{name: {loss}}}
  epochs: 2
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


@pytest.mark.parametrize(("loss", "own"), [("cross_entropy", "imbalance"), ("mse", "regression")])
@pytest.mark.parametrize("count", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_draws_for_a_table_are_trained(loss: str, own: str, count: int, tmp_path: Path) -> None:
    table(tmp_path / "rows.csv")
    plain = [name for name in COMMON if name not in PICTURES]
    fragments = ["table", own, *plain]
    if own == "regression":  # no classes: nothing to smooth, and no rule to join two targets by
        fragments = [name for name in fragments if name not in ("mixing", "regularization")]
    mixing = "\n  - augment.mix.name: {choices: [none, mixup]}" if own == "imbalance" else ""
    study = ROWS.format(
        table=tmp_path / "rows.csv",
        target="kind" if own == "imbalance" else "size",
        loss=loss,
        metric="val_loss" if own == "imbalance" else "val_rmse",
        space="\n".join(f"  - {name}" for name in fragments) + mixing,
    )
    (tmp_path / "study.yaml").write_text(study)
    train(load(str(tmp_path / "study.yaml")), count, own, tmp_path)


def table(path: Path) -> None:
    """Sixty rows with a number, one that is missing here and there, a category, two targets."""
    draw = random.Random(0)
    rows = ["length,weight,colour,kind,size"]
    for row in range(60):
        weight = "" if row % 7 == 0 else f"{draw.gauss(0, 1):.3f}"
        colour, kind = draw.choice(["red", "blue", ""]), "rare" if row % 5 == 0 else "common"
        rows.append(f"{draw.random():.3f},{weight},{colour},{kind},{draw.gauss(5, 2):.3f}")
    path.write_text("\n".join(rows) + "\n")


def train_draws(model: str, count: int, folder: Path, tmp_path: Path) -> None:
    given = images(folder / "images.npz", 4), images(folder / "others.npz", 3)
    fragments = (model, *COMMON, *(["connections"] if model in PLAIN else []))
    space = "\n".join(f"  - {name}" for name in fragments)
    text = STUDY.format(model=model, space=space, images=given[0], others=given[1])
    (tmp_path / "study.yaml").write_text(text)
    spec = load(str(tmp_path / "study.yaml"))
    train(spec, count, model, tmp_path)


def train(spec: StudySpec, count: int, seed: str, tmp_path: Path) -> None:
    draws = random.Random(seed)
    for at in range(count):
        values = spec.space.sample(draws)
        config = apply({**spec.trial, "monitor": {"at": "last"}}, values)
        assert isinstance(config, TrainConfig)
        try:
            reports = list(loop.train(config, tmp_path / str(at)))
        except loop.NotFinite:  # what a rate of 1.0 does to some: an outcome, not an error
            continue
        assert [report.step for report in reports] == [1, 2], values
