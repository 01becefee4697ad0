"""`autotune train` on an exported config, in a folder that knows nothing of the study."""

import sys
from pathlib import Path

import pytest

from autotune.app.train_config import train_alone
from autotune.errors import AutotuneError, UserError

MLP = {"name": "mlp", "width": 16, "depth": 1}


def test_other_data_and_epochs(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    other = tmp_path / "other.csv"
    Path(table()["path"]).rename(other)
    with pytest.raises(UserError, match=r"there is no data '.*people\.csv'.*; give it with --data"):
        list(train_alone(made.folder / "best.yaml"))
    lines = list(train_alone(made.folder / "best.yaml", None, str(other), 2))
    assert [line.partition("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2", lines[2]]


def test_data_that_is_no_file_cannot_be_another(exported) -> None:
    made = exported(data={"name": "digits"}, model=MLP)
    with pytest.raises(UserError, match="--data has no effect .* `data.name` is 'digits'"):
        list(train_alone(made.folder / "best.yaml", data="x.csv"))


def test_data_that_is_not_there_is_named(exported, table) -> None:
    made = exported(data=table(), model=MLP)
    with pytest.raises(UserError, match=r"--data: there is no data 'no\.csv'"):
        list(train_alone(made.folder / "best.yaml", data="no.csv"))


NET = """
import torch
def build(shape, classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, classes))
"""
CONFIG = """
data: {name: digits}
model: {name: custom, build: "%s:build"}
epochs: 1
"""


def test_the_code_of_an_export_is_used(tmp_path, monkeypatch) -> None:
    (tmp_path / "export" / "code").mkdir(parents=True)
    (tmp_path / "export" / "code" / "travelled_net.py").write_text(NET)
    (tmp_path / "export" / "best.yaml").write_text(CONFIG % "travelled_net")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(sys, "path", list(sys.path))
    lines = list(train_alone(tmp_path / "export" / "best.yaml"))
    assert lines[-1].startswith("val_loss ")


def test_code_that_did_not_travel_is_named(tmp_path, monkeypatch) -> None:
    (tmp_path / "best.yaml").write_text(CONFIG % "stayed_at_home")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AutotuneError, match="there is no module 'stayed_at_home' in"):
        list(train_alone(tmp_path / "best.yaml"))
