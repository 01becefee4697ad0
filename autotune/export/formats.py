"""Optional formats of an export: model.onnx and an MLflow model."""

import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas

from autotune.errors import UserError
from autotune.export import onnx_file
from autotune.export.input import Input
from autotune.export.program import INPUT, PROGRAM, predictor, raw_samples, why
from autotune.export.verify import Trained
from autotune.tracking.models import Interface, save_model
from autotune.train.data.raw import Column

__all__ = ["MLFLOW", "Format", "check_formats", "write_formats"]

Format = Literal["onnx", "mlflow"]
MLFLOW = "mlflow"
"""The folder of the MLflow model."""
_REQUIRED = ("mlflow", "torch", "pandas", "numpy")


def check_formats(formats: Sequence[Format]) -> None:
    """Raises UserError for a format that cannot be written here, before anything is done."""
    if "onnx" in formats:
        onnx_file.check_installed()


def write_formats(
    formats: Sequence[Format], trained: Trained, input: Input, folder: Path
) -> list[str]:
    """Writes the formats into the export in `folder`; notes. Raises UserError for a network that a
    format does not support, naming the formats that do."""
    said = []
    if "onnx" in formats:
        model, sample = predictor(input, trained.network), raw_samples(trained.data, input)
        said.append(onnx_file.write_onnx(model, input, sample, folder / onnx_file.FILE))
    if "mlflow" in formats:
        if not (folder / PROGRAM).exists():
            rule = f"--format mlflow needs {PROGRAM}, which torch.export cannot make of the network"
            raise UserError(f"{rule}: leave the format out; `autotune predict` runs its own code")
        _write_mlflow(input, folder)
    return said


def _write_mlflow(input: Input, folder: Path) -> None:
    code = Path(__file__).with_name("served.py")
    requirements = [f"{name}=={version(name).partition('+')[0]}" for name in _REQUIRED]
    with tempfile.TemporaryDirectory() as scratch:
        needed = Path(scratch) / "export"
        needed.mkdir()
        for name in (INPUT, PROGRAM, "load.py"):
            shutil.copy(folder / name, needed)
        try:
            save_model(folder / MLFLOW, code, needed, _interface(input), requirements)
        except Exception as error:  # MLflow's, and those of the model that it tries
            raise UserError(f"--format mlflow: MLflow refuses the model ({why(error)})") from error


def _interface(input: Input) -> Interface:
    answers = [("prediction", "string" if input.classes else "double")]
    answers += [(f"p_{name}", "double") for name in input.classes]
    columns = [(c.name, _kind(c), _is_required(c)) for c in input.columns]
    return Interface(columns, input.sample, answers, _example(input))  # type: ignore[arg-type]


def _kind(column: Column) -> Literal["double", "string", "boolean"]:
    if column.kind == "number" or column.type == "number":
        return "double"
    # A missing value would turn a column of booleans into objects; text columns may have missing
    # values.
    return "boolean" if column.type == "boolean" and None not in column.values else "string"


def _is_required(column: Column) -> bool:
    return column.median is None if column.kind == "number" else None not in column.values


def _example(input: Input) -> Any:
    """One sample made of statistics of the training split: no person's data."""
    if not input.columns:
        mean = np.asarray(input.transform.mean, np.float32)
        shape = (-1, *[1] * (len(input.sample) - 1))
        return np.ascontiguousarray(np.broadcast_to(mean.reshape(shape), input.sample))[None]
    means = input.transform.mean[: len(input.columns)]  # numbers come first
    pairs = zip(input.columns, means, strict=True)
    row = {column.name: _usual(column, mean) for column, mean in pairs}
    return pandas.DataFrame([row])


def _usual(column: Column, mean: float) -> Any:
    if column.kind == "number":
        return mean if column.median is None else column.median
    value = next((value for value in column.values if value is not None), None)
    kind = _kind(column)
    if value is None or kind == "string":
        return value
    return float(value) if kind == "double" else value == "True"
