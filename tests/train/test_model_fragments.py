"""What the shipped search spaces propose for networks can be built, and trained in the loop."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from autotune import spec as specs
from autotune.testing.train import check_resumes, examples
from autotune.train.base import variants
from autotune.train.config import TrainConfig, apply
from autotune.train.models.build import build as build_model
from autotune.train.models.config import ModelConfig

NETWORKS = [
    (name, name) for name in variants(ModelConfig) if name in specs.shipped("search_spaces")
] + [("connections", "mlp"), ("connections", "cnn"), ("initializer", "cnn"), ("activation", "vit")]
STUDY = """\
name: tiny
objective: {{metric: val_accuracy, goal: maximize}}
trial: {{data: {{name: digits}}, model: {{name: {model}}}, epochs: 9}}
space: [{fragment}]
budget: {{trials: 20}}
"""


@pytest.mark.parametrize(("fragment", "model"), NETWORKS)
def test_what_a_fragment_proposes_can_be_built(fragment: str, model: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.format(model=model, fragment=fragment))
    study = specs.load(path)
    draw = random.Random(0)
    for _ in range(5):
        config = apply(study.base_config(), study.space.sample(draw))
        assert isinstance(config, TrainConfig)
        with torch.device("meta"):  # shapes without numbers
            network = build_model(config.model, (1, 28, 28), 10, config.activation)
            assert network(torch.empty(2, 1, 28, 28)).shape == (2, 10)


SMALL = {
    "mlp": {"norm": "batch", "connections": "residual", "depth": 3, "stochastic_depth": 0.2},
    "cnn": {"channels": 4, "connections": "dense", "norm": "batch"},
    "resnet": {"width": 0.5, "stages": 2, "stochastic_depth": 0.2, "dropout": 0.1},
    "wide_resnet": {"widen": 1, "depth": 1, "residual_scale": "rezero"},
    "convnext": {"width": 8, "depth": 1},
    "vit": {"width": 16, "depth": 2, "dropout": 0.1, "pool": "token"},
    "torchvision": {"arch": "shufflenet_v2_x0_5"},
}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "images.npz"
    x = draw.normal(size=(60, 1, 8, 8)).astype(np.float32)
    np.savez(path, x=x, y=np.arange(60) % 3)
    return path


@pytest.mark.parametrize("name", SMALL)
def test_every_network_trains_and_resumes(name: str, images: Path, tmp_path: Path) -> None:
    base = {
        "data": {"name": "arrays", "path": str(images)},
        "model": {"name": name, **SMALL[name]},
        "epochs": 2,
        "batch_size": 16,
        "accumulate": 2,
    }
    config = apply(base, {})
    assert isinstance(config, TrainConfig)
    check_resumes(config, tmp_path)


def test_every_network_is_tried() -> None:
    tried = {config.name for config in examples(ModelConfig, {"custom": {"build": "a:b"}})}
    assert tried == {*SMALL, "custom"}
