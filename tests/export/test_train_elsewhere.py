"""`autotune train` on an exported config, in a folder that knows nothing of the study."""

import json
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from autotune import spec as specs
from autotune.app.train_config import Changes, train_alone
from autotune.errors import AutotuneError, InvalidInput, UserError
from autotune.export.predict import predict
from autotune.export.sums import verify

ROWS = 300
MLP = {"name": "mlp", "width": 16, "depth": 1}


def test_other_data_and_epochs(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    other = tmp_path / "other.csv"
    Path(table()["path"]).rename(other)
    with pytest.raises(UserError, match=r"there is no data '.*people\.csv'.*; give it with --data"):
        list(train_alone(made.folder / "best.yaml"))
    lines = list(train_alone(made.folder / "best.yaml", None, Changes(str(other), 2)))
    assert [line.partition("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2", lines[2]]


def test_data_that_is_no_file_cannot_be_another(exported) -> None:
    made = exported(data={"name": "digits"}, model=MLP)
    with pytest.raises(UserError, match="--data has no effect .* `data.name` is 'digits'"):
        list(train_alone(made.folder / "best.yaml", None, Changes("x.csv")))


def test_data_that_is_not_there_is_named(exported, table) -> None:
    made = exported(data=table(), model=MLP)
    with pytest.raises(UserError, match=r"--data: there is no data 'no\.csv'"):
        list(train_alone(made.folder / "best.yaml", None, Changes("no.csv")))


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


def test_all_samples_are_learnt_from_and_no_score_is_claimed(exported, table, tmp_path) -> None:
    made = exported(data=table(), model=MLP)
    target = tmp_path / "final"
    lines = list(
        train_alone(made.folder / "best.yaml", None, Changes(epochs=2, everything=True), target)
    )
    assert "val_" not in "".join(lines)
    assert "trained on all samples: nothing was held out, so no score is claimed" in lines
    assert lines[-1] == f"predict with it: autotune predict {target} FILE"
    said = json.loads((target / "input.json").read_text())
    assert said["data"]["samples"] == [ROWS, 0, 0] and said["data"]["test_sha256"] == ""
    assert len(predict(target, Path(table()["path"])).table) == ROWS


def test_what_an_export_after_training_answers(exported, tmp_path) -> None:
    made = exported(data={"name": "digits"}, model=MLP)
    list(train_alone(made.folder / "best.yaml", tmp_path / "again", export=tmp_path / "final"))
    ours = load_file(tmp_path / "again" / "best.safetensors")
    theirs = load_file(tmp_path / "final" / "model.safetensors")
    assert ours.keys() == theirs.keys() and all(ours[name].equal(theirs[name]) for name in ours)
    verify(tmp_path / "final", ["model.pt2", "best.yaml", "config.json"])


def test_a_schedule_that_validates_cannot_use_all(exported) -> None:
    made = exported(data={"name": "digits"}, model=MLP, lr_schedule={"name": "plateau"})
    with pytest.raises(UserError, match=r"--all has nothing to validate by.*plateau"):
        list(train_alone(made.folder / "best.yaml", None, Changes(everything=True)))


def test_a_study_cannot_use_all(tmp_path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\n"
        "objective: {metric: val_loss, goal: minimize}\n"
        "trial: {data: {name: digits, use_all: true}, model: {name: mlp}, epochs: 1}\n"
        "space: [{model.width: {type: int, low: 8, high: 9}}]\n"
        "budget: {trials: 1}\n"
    )
    with pytest.raises(InvalidInput, match=r"s\.yaml:3: `data\.use_all` leaves nothing to judge"):
        specs.load(path)
