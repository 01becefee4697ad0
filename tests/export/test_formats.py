"""model.onnx and the MLflow model of an export: the same answers, and refusals."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas
import pytest
import torch

from autotune.errors import UserError
from autotune.export import load as standalone
from autotune.export.formats import check_formats, write_formats
from autotune.export.input import Input
from autotune.export.onnx_file import write_onnx
from autotune.export.program import predictor, raw_samples
from autotune.export.verify import Trained

MLP = {"name": "mlp", "width": 16, "depth": 1}
DIGITS = {"name": "digits"}


def input_of(folder: Path) -> Input:
    return Input.model_validate_json((folder / "input.json").read_bytes())


def written(made: Any, *formats: Any) -> list[str]:
    training = made.training
    trained = Trained(training.config, training.network.judged.eval(), training.data)
    return write_formats(formats, trained, input_of(made.folder), made.folder)


CASES = [
    (DIGITS, MLP, {}),
    (DIGITS, {"name": "cnn", "channels": 8}, {}),
    ({"name": "diabetes"}, MLP, {"loss": {"name": "mse"}}),
    (None, MLP, {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("data", "model", "more"), CASES, ids=["mlp", "cnn", "numbers", "table"])
def test_onnxruntime_answers_as_the_program(exported, table, data, model, more) -> None:
    made = exported(data=data or table(), model=model, **more)
    (said,) = written(made, "onnx")
    assert said.startswith("model.onnx: opset 18, float32, as onnxruntime answers to")
    x = raw_samples(made.training.data, input_of(made.folder), rows=40)
    session = onnxruntime.InferenceSession(made.folder / "model.onnx")
    program = torch.export.load(made.folder / "model.pt2").module()
    for rows in (1, 3, len(x)):
        (answers,) = session.run(None, {"x": x[:rows].numpy()})
        assert answers.dtype == np.float32
        np.testing.assert_allclose(answers, program(x[:rows]).numpy(), rtol=1e-4, atol=1e-5)
    assert not list(made.folder.glob("*.data"))  # one file
    facts = {p.key: p.value for p in onnx.load(made.folder / "model.onnx").metadata_props}
    assert json.loads(facts["autotune.input"])["classes"] == list(input_of(made.folder).classes)


class Strange(torch.nn.Module):
    """torch.export can follow it, ONNX has no such operator."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return x[:, :10] @ torch.linalg.qr(x.T @ x)[0][:10, :10]


def test_a_network_that_onnx_does_not_allow_says_why(exported, tmp_path) -> None:
    made = exported(data=DIGITS, model=MLP)
    input = input_of(made.folder)
    model = predictor(input, Strange())
    with pytest.raises(UserError, match="cannot be written as ONNX .* model.pt2 and load.py"):
        write_onnx(model, input, torch.rand(5, 1, 8, 8), tmp_path / "no.onnx")


def test_a_missing_package_is_said_first(monkeypatch) -> None:
    monkeypatch.setattr("autotune.export.onnx_file.find_spec", lambda name: name != "onnx" or None)
    with pytest.raises(UserError, match=r"onnx needs onnx: pip install 'autotune\[onnx\]'"):
        check_formats(["onnx"])


ASK = """
import json, sys
from importlib.machinery import PathFinder
class Alone(PathFinder):  # an environment without autotune
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in {"autotune", "optuna", "ray", "safetensors"}:
            return super().find_spec(name, path, target)
kept = [finder for finder in sys.meta_path if "Importer" in getattr(finder, "__name__", "")]
sys.meta_path[:] = [*kept, Alone]
import mlflow.pyfunc, numpy, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
read = numpy.load if sys.argv[2].endswith("npy") else pandas.read_json
samples = read(sys.argv[2], **({} if read is numpy.load else {"dtype": False}))
print("\\n" + model.predict(samples).to_json(orient="records"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("of", ["table", "images"])
def test_an_mlflow_model_answers_where_autotune_is_not(exported, table, tmp_path, of) -> None:
    made = exported(data=table() if of == "table" else DIGITS, model=MLP)
    assert written(made, "mlflow") == []
    model = made.folder / "mlflow"
    assert not [path for path in model.rglob("*") if path.suffix in (".pkl", ".pickle")]
    text = (model / "MLmodel").read_text()
    assert "model_code_path" in text and "signature" in text and "saved_input_example_info" in text
    needed = (model / "requirements.txt").read_text()
    assert "torch==" in needed and "autotune" not in needed
    if of == "table":
        rows = pandas.read_csv(table()["path"]).head(20)
        rows = rows.astype({"post": float, "member": float}).drop(columns=["id", "kind"])
        rows["asked"] = rows["asked"].astype("string")
        samples = tmp_path / "rows.json"
        rows.to_json(samples)
        wanted = standalone.predict(rows.to_dict("records"), made.folder)
    else:
        x = raw_samples(made.training.data, input_of(made.folder), rows=9)
        samples = tmp_path / "x.npy"
        np.save(samples, x.numpy())
        wanted = standalone.predict(x, made.folder)
    moved = made.folder.rename(tmp_path / "moved")
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(moved / "mlflow"), str(samples)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.strip().splitlines()[-1])
    assert [answer["prediction"] for answer in answers] == [one["prediction"] for one in wanted]
    for answer, one in zip(answers, wanted, strict=True):
        for name, chance in one["p"].items():
            assert answer[f"p_{name}"] == pytest.approx(chance, abs=1e-6)
