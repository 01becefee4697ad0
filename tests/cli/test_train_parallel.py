"""`train` and `check` of a config in several processes."""

from collections.abc import Callable
from pathlib import Path

import pytest

CONFIG = """
data: {name: digits}
model: {name: mlp, width: 16}
epochs: 2
monitor: {metric: val_accuracy, goal: maximize}
"""
STUDY = """
name: own
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: digits}
  model: {name: custom, build: "my_net:build"}
  epochs: 2
  parallel: {strategy: pipeline, workers: 2}
space: [{optimizer.lr: {type: float, low: 1e-3, high: 1e-1, log: true}}]
budget: {trials: 3}
"""
NET = """
from torch import nn

class Own(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.layer = nn.Linear(64, outputs)

    def forward(self, x):
        return self.layer(x.flatten(1))

def build(shape, outputs):
    return Own(outputs)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_train_in_two_processes_tells_the_score_of_one(autotune: Callable, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(CONFIG)
    (tmp_path / "two.yaml").write_text(CONFIG + "parallel: {strategy: ddp, workers: 2}\n")
    one, two = autotune("train", "one.yaml"), autotune("train", "two.yaml", "-o", "out")
    assert (one.code, two.code) == (0, 0), two.err
    scores = [line for line in one.out.splitlines() if line.startswith("val_accuracy")]
    assert len(scores) == 1 and scores[0] in two.out
    assert (tmp_path / "out" / "best.safetensors").exists()


def test_check_refuses_a_network_that_is_no_chain(autotune: Callable, tmp_path: Path) -> None:
    (tmp_path / "my_net.py").write_text(NET)
    (tmp_path / "s.yaml").write_text(STUDY)
    said = autotune("check", "s.yaml")
    assert said.code == 2
    rule = "pipeline cuts between the layers of an nn.Sequential, and the network is a Own"
    assert f"s.yaml:8: `trial.parallel.strategy` {rule}: choose ddp or fsdp" in said.err
