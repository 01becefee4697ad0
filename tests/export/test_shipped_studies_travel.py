"""The networks of the shipped studies, exported and moved, without their data: the same answers by
`predict`, by load.py and by onnxruntime. They have learnt for an epoch."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas
import pytest
import torch

from autotune import spec as specs
from autotune.export import load as standalone
from autotune.export.formats import write_formats
from autotune.export.input import Input
from autotune.export.predict import predict
from autotune.export.program import raw_samples
from autotune.export.verify import Trained
from autotune.train.config import is_own

STUDIES = [
    name for name, path in specs.shipped("studies").items() if not is_own(specs.load(path).trial)
]


def stand_in(name: str, folder: Path) -> dict[str, Any] | None:
    """Data of the same shape, where the study's own is not part of a package."""
    draw = np.random.default_rng(0)
    if name == "fashion-cnn":
        x = draw.integers(0, 256, (80, 1, 28, 28)).astype(np.uint8)
        np.savez(folder / "data.npz", x=x, y=np.arange(80) % 10)
        return {"name": "arrays", "path": str(folder / "data.npz")}
    if name == "table-letter":
        frame = pandas.DataFrame(draw.integers(0, 16, (260, 16)), columns=list("abcdefghijklmnop"))
        frame["target"] = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))[np.arange(260) % 26]
        frame.to_parquet(folder / "data.parquet")
        return {"name": "table", "path": str(folder / "data.parquet"), "target": "target"}
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_predicts_the_same_everywhere(exported, tmp_path, name) -> None:
    if name == "transfer":
        pytest.importorskip("efficientnet_lite_pytorch")
    (tmp_path / "source").mkdir()
    config = {**specs.load(specs.find(name)).trial}
    config.pop("distill", None)
    config.pop("transfer", None)
    if data := stand_in(name, tmp_path / "source"):
        config["data"] = data
    made = exported(learn=True, **{"epochs": 1, **config})
    input = Input.model_validate_json((made.folder / "input.json").read_bytes())
    trained = Trained(made.training.config, made.training.network.judged, made.training.data)
    write_formats(["onnx"], trained, input, made.folder)
    x, val = raw_samples(made.training.data, input, rows=50), made.training.data.val.x[:50]
    moved = made.folder.rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "source")

    wanted = made.product(val)
    if input.target:
        wanted = wanted.double() * input.target.std + input.target.mean
    (by_onnx,) = onnxruntime.InferenceSession(moved / "model.onnx").run(None, {"x": x.numpy()})
    np.testing.assert_allclose(by_onnx, wanted, rtol=1e-4, atol=1e-5)
    if input.columns:
        file = tmp_path / "new.parquet"
        names = [column.name for column in input.columns]
        pandas.DataFrame(x.double().numpy(), columns=names).to_parquet(file)
    else:
        file = tmp_path / "new.npy"
        np.save(file, x.numpy())
    table, answers = predict(moved, file).table, standalone.predict(x, moved)
    if input.target:
        np.testing.assert_allclose(table["prediction"], wanted[:, 0], rtol=1e-5)
        np.testing.assert_allclose([one["prediction"] for one in answers], wanted[:, 0], rtol=1e-5)
        return
    chances = wanted.softmax(1).numpy()
    np.testing.assert_allclose(table.iloc[:, 1:], chances, rtol=0, atol=1e-5)
    np.testing.assert_allclose([[*one["p"].values()] for one in answers], chances, atol=1e-5)
    assert torch.tensor(by_onnx).argmax(1).tolist() == wanted.argmax(1).tolist()
