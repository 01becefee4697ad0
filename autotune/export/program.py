"""How an export predicts: model.pt2, from raw samples to outputs without the network's code, and
load.py, which calls it."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autotune.errors import AutotuneError
from autotune.export import load
from autotune.export.input import Input
from autotune.export.verify import Trained
from autotune.train.data.preprocessing import Front
from autotune.train.data.values import Dataset

__all__ = [
    "INPUT",
    "PROGRAM",
    "Predictor",
    "as_torch_expects",
    "predictor",
    "raw_samples",
    "save_program",
    "why",
    "write_predictor",
]

INPUT, PROGRAM = "input.json", "model.pt2"

_CHECKED = (1, 2, 5)
"""Batch sizes that a program is tried with: torch.export specializes 0 and 1."""
_CLOSE = 1e-5


class Predictor(nn.Module):
    """Raw samples (B, ...) to answers: (B, classes) logits, or (B, 1) numbers in their units."""

    def __init__(self, front: Front, network: nn.Module, scale: tuple[float, float] | None) -> None:
        super().__init__()
        self.front, self.network, self.scale = front, network, scale

    def forward(self, x: Tensor) -> Tensor:
        answer = self.network(self.front(x)).flatten(1)
        if self.scale is None:
            return answer  # type: ignore[no-any-return]
        mean, std = self.scale
        return answer.double() * std + mean  # type: ignore[no-any-return]


def predictor(input: Input, network: nn.Module) -> Predictor:
    front = Front(input.columns, *input.statistics())
    scale = (input.target.mean, input.target.std) if input.target else None
    return Predictor(front, network, scale).cpu().float().eval().requires_grad_(False)


def write_predictor(trained: Trained, input: Input, folder: Path) -> list[str]:
    """input.json, model.pt2 and load.py; a note where torch cannot export the network."""
    (folder / INPUT).write_text(input.model_dump_json(indent=2) + "\n")
    model = predictor(input, trained.network)
    try:
        save_program(model, raw_samples(trained.data, input), folder / PROGRAM)
    except AutotuneError as error:
        return [f"no {PROGRAM}: {error}; `autotune predict` runs the network's own code instead"]
    shutil.copyfile(load.__file__, folder / "load.py")
    return []


def raw_samples(data: Dataset, input: Input, rows: int = max(_CHECKED)) -> Tensor:
    """The first samples of the validation split, before the transform."""
    mean, std = input.statistics()
    x = data.val.x[:rows].cpu() * std + mean
    if not input.columns:
        return x
    codes = len(input.categories)
    return torch.cat([x[:, : len(input.columns) - codes], x[:, x.shape[1] - codes :]], dim=1)


def save_program(model: Predictor, sample: Tensor, path: Path) -> None:
    """Writes `model` by torch.export, for batches of any size, once its output equals the model's
    for samples such as `sample` (N, ...).

    Raises AutotuneError with the reason if torch cannot export it, or the program differs.
    """
    x = sample[: max(_CHECKED)].repeat_interleave(-(-max(_CHECKED) // len(sample)), dim=0)
    try:
        with as_torch_expects():
            batch = ({0: torch.export.Dim("batch")},)
            program = torch.export.export(model, (x[:2],), dynamic_shapes=batch)
            torch.export.save(program, path)
            again = torch.export.load(path).module()
    except Exception as error:  # a user's network may do anything
        path.unlink(missing_ok=True)
        raise AutotuneError(f"torch.export cannot follow the network ({why(error)})") from error
    _compare(model, again, x, path)


@contextmanager
def as_torch_expects() -> Iterator[None]:
    """torch.export asks for the old cuDNN flag, which a training's `precision` makes ambiguous, and
    warns of its own parts."""
    cudnn: Any = torch.backends.cudnn
    before, cudnn.conv.fp32_precision = cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        cudnn.conv.fp32_precision = before


def _compare(model: nn.Module, again: nn.Module, x: Tensor, path: Path) -> None:
    for size in _CHECKED:
        with torch.no_grad():
            ours, theirs = model(x[:size]), again(x[:size])
        if not torch.allclose(ours, theirs, rtol=_CLOSE, atol=_CLOSE):
            most = float((ours - theirs).abs().max())
            path.unlink()
            raise AutotuneError(
                f"what torch.export made of the network answers otherwise than it (by {most:.2g}): "
                "does it draw random numbers, or remember what it saw?"
            )


def why(error: BaseException) -> str:
    """The first line of an error that a library raised, or of its own cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:160]}" if said else type(error).__name__
