"""model.onnx of an export: one file, raw samples in, checked by onnxruntime. Needs onnx,
onnxscript and onnxruntime."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from autotune.errors import UserError
from autotune.export.input import Input
from autotune.export.program import Predictor, as_torch_expects, why

__all__ = ["FILE", "check_installed", "write_onnx"]

FILE = "model.onnx"
_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 18
_RTOL, _ATOL = 1e-4, 1e-5
_BATCHES = (1, 2, 5)


def check_installed() -> None:
    """Raises UserError, before anything is written, where a package is missing."""
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        names = " and ".join(missing)
        raise UserError(f"--format onnx needs {names}: pip install 'autotune[onnx]'")


class _Floats(nn.Module):
    """Answers in float32, also those of a regression."""

    def __init__(self, model: Predictor) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).float()  # type: ignore[no-any-return]


def write_onnx(model: Predictor, input: Input, sample: Tensor, path: Path) -> str:
    """Writes `model` and tries it on samples such as `sample` (N, ...); what was found.

    Raises UserError where the network cannot be written so, or onnxruntime answers otherwise.
    """
    named = "logits" if input.classes else "prediction"
    x = sample.repeat_interleave(-(-max(_BATCHES) // len(sample)), dim=0)[: max(_BATCHES)]
    try:
        with _quietly():
            torch.onnx.export(
                _Floats(model).eval(),
                (x[:2],),
                path,
                dynamo=True,
                external_data=False,
                opset_version=_OPSET,
                input_names=["x"],
                output_names=[named],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
        _describe(path, input)
        most = _compare(model, x, path)
    except UserError:
        raise
    except Exception as error:  # torch's, onnx's and onnxruntime's have no class in common
        raise UserError(
            f"--format onnx: the network cannot be written as ONNX ({why(error)}); without it, "
            "model.pt2 and load.py take the same samples"
        ) from error
    return f"{FILE}: opset {_OPSET}, float32, as onnxruntime answers to {most:.1g}"


def _describe(path: Path, input: Input) -> None:
    """Names of classes and columns go with the file."""
    import onnx

    model = onnx.load(path)
    facts = {"autotune.input": input.model_dump_json(), "autotune.study": input.study}
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _compare(model: Predictor, x: Tensor, path: Path) -> float:
    """The greatest difference to the network's own answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    most = 0.0
    for size in _BATCHES:
        with torch.no_grad():
            ours = model(x[:size]).float().numpy()
        (theirs,) = session.run(None, {"x": x[:size].numpy()})
        most = max(most, float(np.abs(ours - theirs).max()))
        same = ours.shape[1] == 1 or (ours.argmax(1) == theirs.argmax(1)).all()
        if not same or not np.allclose(ours, theirs, rtol=_RTOL, atol=_ATOL):
            raise UserError(
                f"--format onnx: onnxruntime answers otherwise than the network (by {most:.2g}): "
                "use model.pt2 and load.py, which answer as it does"
            )
    return most


@contextmanager
def _quietly() -> Iterator[None]:
    """torch.onnx prints its progress, and warns of its own parts."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), as_torch_expects():
            yield
    finally:
        logging.disable(level)
