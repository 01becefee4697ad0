"""What a function of the user's own kept is in its export, or it is said how to keep it."""

import pytest
from safetensors.torch import load_file

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.errors import UserError
from autotune.export.bundle import export
from autotune.export.predict import predict

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
