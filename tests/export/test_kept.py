"""What a function of the user's own kept is in its export, or it is said how to keep it."""

import sys
from io import StringIO

import pytest
from rich.console import Console
from safetensors.torch import load_file

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.errors import UserError
from autotune.export.bundle import export
from autotune.export.predict import predict
from autotune.report import tables
from autotune.report.live import View
from autotune.report.plain import plain

FUNCTION = """
import torch


def run(config, trial):
    for epoch in range(1, config["epochs"] + 1):
        {keep}
        trial.report(epoch, val_loss=float(abs(epoch - 2)))
"""
STUDY = """
name: own
objective: {metric: val_loss, goal: minimize}
trial: {function: "MODULE:run", epochs: 3}
space: {lr: {type: float, low: 0.1, high: 1}}
search: {name: random}
schedule: {name: none}
budget: {trials: 1}
confirm: {top: 0}
tracking: {uri: none}
"""


@pytest.mark.parametrize("keeps", [True, False])
def test_what_a_function_kept_is_handed_out(tmp_path, monkeypatch, keeps) -> None:
    module = f"own_kept_{keeps}".lower()
    line = 'trial.keep({"w": torch.full((2,), float(epoch))})' if keeps else "pass"
    (tmp_path / f"{module}.py").write_text(FUNCTION.replace("{keep}", line))
    (tmp_path / "own.yaml").write_text(STUDY.replace("MODULE", module))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    history, _ = drive(specs.load("own.yaml"), tmp_path / "runs", engine="inline")
    target = tmp_path / "best"
    written = export(history, target)
    assert (target / "code" / f"{module}.py").exists()
    if keeps:
        assert written.notes == []
        assert load_file(target / "kept" / "model.safetensors")["w"].tolist() == [2.0, 2.0]
    else:
        assert "the function kept nothing" in written.notes[0]
        assert "docs/functions.md" in written.notes[0] and not (target / "kept").exists()
    with pytest.raises(UserError, match="is of your own code .* alone knows how to predict"):
        predict(target, tmp_path / "own.yaml")
    with pytest.raises(UserError, match="--format onnx needs a network of a training config"):
        export(history, tmp_path / "onnx", formats=["onnx"])


SCRIPT = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
assert folder == pathlib.Path(os.environ["AUTOTUNE_KEEP_DIR"]) and not list(folder.iterdir())
for epoch in (1, 2):
    if epoch == 1 and "keeps" in sys.argv:
        (folder / "best").mkdir()
        (folder / "best" / "model.pt").write_text(f"epoch {epoch}")
    print(json.dumps({"epoch": epoch, "val_loss": epoch}), flush=True)
"""


@pytest.mark.parametrize("keeps", ["keeps", "does not"])
def test_what_a_command_left_in_its_keep_dir_is_handed_out(tmp_path, monkeypatch, keeps) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    command = (
        f'{{command: "{sys.executable} train.py {{keep_dir}} {keeps} {{overrides}}", epochs: 3}}'
    )
    (tmp_path / "own.yaml").write_text(
        STUDY.replace('{function: "MODULE:run", epochs: 3}', command)
    )
    monkeypatch.chdir(tmp_path)
    spec = specs.load("own.yaml")
    said = StringIO()
    view = View(spec, Console(file=said, width=200))
    history, _ = drive(spec, tmp_path / "runs", [view.record], engine="inline")
    early = "it ended by itself at epoch 2 of 3"
    assert f"; {early}" in said.getvalue()
    assert f"note      {early}" in plain(tables.trial(history, 0))
    written = export(history, tmp_path / "best")
    if keeps == "keeps":
        assert (tmp_path / "best/kept/best/model.pt").read_text() == "epoch 1"
        assert "when it ended at step 2: its best step is 1" in written.notes[0]
    else:
        assert "the command kept nothing" in written.notes[0]
        assert "AUTOTUNE_KEEP_DIR" in written.notes[0]
