"""The examples of docs/functions.md run as printed."""

import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.train.artifacts import load
from autotune.train.config import apply
from autotune.train.data.arrays import check
from autotune.train.loop import train
from autotune.trial import State

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "functions.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
TRIAL, BUILD, LOAD = [code for kind, code in BLOCKS if kind == "python"]
STUDY, *WORKERS = [code for kind, code in BLOCKS if kind == "yaml"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_trial.py").write_text(TRIAL)
    return tmp_path


def module(code: str) -> ModuleType:
    made = ModuleType("page")
    exec(code, made.__dict__)
    return made


def test_its_study_runs_and_keeps_the_winner(folder: Path) -> None:
    (folder / "line.yaml").write_text(STUDY)
    changes = ["budget.trials=3", "confirm.top=1", "confirm.seeds=1", "tracking.uri=none"]
    spec = specs.load("line.yaml", changes)
    specs.check(spec)
    history, _ = drive(spec, folder / "runs", engine="inline")
    assert {run.state for run in history.trials} <= {State.COMPLETE, State.PRUNED}
    best = history.best()
    assert best is not None
    kept = load(history.run_folder(best.source))
    assert kept is not None and [file.name for file in kept.files] == ["model.safetensors"]
    assert history.log_file(best.source).read_text() == "done 9\n"


@pytest.mark.parametrize("worker", WORKERS)
def test_its_workers_are_read(folder: Path, worker: str) -> None:
    ours = worker.replace("model.depth", "lr").replace("batch_size", "epochs")
    (folder / "line.yaml").write_text(STUDY + ours)
    assert specs.load("line.yaml").worker.gpus == 1


def test_its_network_takes_what_the_page_says() -> None:
    answer = module(BUILD).build((1, 28, 28), 10)(torch.zeros(2, 1, 28, 28))
    assert answer.shape == (2, 10)


def test_its_network_can_be_trained_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its layers are lazy: a first call gives them their weights."""
    monkeypatch.syspath_prepend(folder)
    (folder / "my_lazy_net.py").write_text(BUILD)
    fields = {"model": {"name": "custom", "build": "my_lazy_net:build", "args": {"width": 8}}}
    config = apply({"data": {"name": "digits"}, "epochs": 1, **fields}, {})
    [report] = train(config, folder / "run", 0, 1)
    assert report.metrics["val_accuracy"] > 0


def test_its_data_is_data(folder: Path) -> None:
    np.savez(folder / "measurements.npz", x=np.ones((4, 2)), y=np.arange(4) % 2)
    assert check(module(LOAD).load(), "load", ("data", "load")).x.shape == (4, 2)
