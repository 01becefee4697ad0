"""What an exported network says of a file of samples, as a table."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from autotune.errors import UserError
from autotune.export.folder import ExportedModel, open_export
from autotune.export.samples import Samples, read_samples
from autotune.files import write_atomically

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Predictions", "answers", "check_out", "predict", "write"]

_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Predictions:
    table: "DataFrame"
    """A row a sample: `file` of an image, `prediction`, and `p_CLASS` for each class."""
    notes: list[str]


def predict(folder: Path, file: Path) -> Predictions:
    """Raises UserError for a folder or a file that cannot be used, naming what is wrong."""
    exported = open_export(folder)
    samples = read_samples(exported.input, file)
    return Predictions(_table(exported, samples), [*exported.notes, *samples.notes])


def answers(exported: ExportedModel, samples: Samples) -> Tensor:
    """(N, classes) logits, or (N, 1) numbers."""
    with torch.no_grad():
        return torch.cat([exported.model(batch) for batch in samples.batches])


def _table(exported: ExportedModel, samples: Samples) -> "DataFrame":
    from pandas import DataFrame

    said, names = answers(exported, samples), exported.input.classes
    columns: dict[str, Any] = {"file": samples.files} if samples.files else {}
    if not names:
        return DataFrame(columns | {"prediction": said[:, 0].numpy()})
    chances = said.softmax(1).numpy()
    columns["prediction"] = [names[place] for place in said.argmax(1).tolist()]
    return DataFrame(columns | {f"p_{name}": chances[:, i] for i, name in enumerate(names)})


def check_out(out: Path, source: Path) -> None:
    """Raises UserError where predictions cannot be written to `out`."""
    if out.suffix not in _SUFFIXES:
        raise UserError(f"--out must end in {', '.join(_SUFFIXES)}, got {str(out)!r}")
    if out.is_dir():
        raise UserError(f"--out {out} is a folder: give a file")
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"--out {out} is the file that is predicted: give another")


def write(table: "DataFrame", out: Path) -> None:
    """Whole or not at all, in the format of the file's ending."""
    raw = BytesIO()
    if out.suffix == ".parquet":
        table.to_parquet(raw, index=False)
    else:
        table.to_csv(raw, index=False, sep="\t" if out.suffix == ".tsv" else ",")
    write_atomically(out, raw.getvalue())
