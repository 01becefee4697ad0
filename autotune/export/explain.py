"""Explains an exported network on a file of samples: figures, and captions with the numbers.

Everything works on raw samples: a column is shuffled as it is in the file, missing values included.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autotune.errors import UserError
from autotune.export.folder import ExportedModel, open_export
from autotune.export.input import Input
from autotune.export.predict import answers
from autotune.export.rows import encoded, frame_of
from autotune.export.samples import Samples, read_samples
from autotune.export.target import whole_folder
from autotune.interpret.draw import paint
from autotune.interpret.subject import Subject
from autotune.train.data.tables import learnt
from autotune.train.data.values import Array, Dataset, Split

__all__ = ["Explanation", "explain"]

_PAGE = "README.md"


@dataclass(frozen=True)
class Explanation:
    captions: list[str]
    files: list[Path]
    notes: list[str]


def explain(folder: Path, file: Path, target: Path) -> Explanation:
    """Figures in the new folder `target`: confusions, if `file` has the labels; important columns;
    important regions of images. Raises UserError as `predict` does."""
    exported = open_export(folder)
    x, y, notes = _read(exported, file)
    subject = _subject(exported, x, y, file.name)
    with whole_folder(target) as made:
        pictures, missing = paint(subject, made)
        captions = [picture.caption for picture in pictures]
        shown = [f"![{p.file.stem}]({p.file.name})\n\n{p.caption}" for p in pictures]
        title = f"# What the network in {folder.name} goes by, on {file.name}"
        (made / _PAGE).write_text("\n\n".join([title, *shown]) + "\n")
    files = sorted(path for path in target.rglob("*") if path.is_file())
    return Explanation(captions, files, [*exported.notes, *notes, *missing])


def _subject(exported: ExportedModel, x: Tensor, y: Tensor | None, where: str) -> Subject:
    input, samples = exported.input, Samples(iter(x.split(256)), len(x))
    output = answers(exported, samples).float()
    if y is None:
        y = output.argmax(1) if input.classes else output[:, 0]
        labelled = False
    else:
        labelled = True
    split = Split(x, y)
    shape = (1, input.sample[0], *[1] * (len(input.sample) - 1))
    data = Dataset(
        split,
        split,
        split,
        classes=len(input.classes),
        outputs=input.outputs,
        mean=torch.zeros(shape),
        std=torch.ones(shape),
        labels=input.classes,
        columns=tuple(column.name for column in input.columns),
    )
    return Subject(exported.model, data, split, output, where, labelled)


def _read(exported: ExportedModel, file: Path) -> tuple[Tensor, Tensor | None, list[str]]:
    """Raw samples, their labels if the file has them, and notes."""
    input = exported.input
    if input.columns and file.exists():
        config = json.loads((exported.folder / "config.json").read_text())
        frame, target = frame_of(file, input), config["data"].get("target")
        rows, notes = encoded(input, frame, str(file))
        y = _labels(input, learnt(frame[target]), file) if target in frame else None
        return torch.from_numpy(rows), y, notes
    samples = read_samples(input, file)
    x = torch.cat(list(samples.batches))
    return x, _labels_beside(input, samples, file), samples.notes


def _labels_beside(input: Input, samples: Samples, file: Path) -> Tensor | None:
    """Of images in the folders of their classes, and of the arrays x and y of an .npz file."""
    if file.suffix.lower() == ".npz":
        given: Any = np.load(file, allow_pickle=False)
        return _labels(input, given["y"], file) if "y" in given else None
    names = [Path(name).parts[0] for name in samples.files if len(Path(name).parts) > 1]
    if len(names) < samples.count or not {*names} <= {*input.classes} or not input.classes:
        return None
    return _labels(input, np.array(names), file)


def _labels(input: Input, given: Array, file: Path) -> Tensor:
    if not input.classes:
        return torch.from_numpy(given.astype(np.float32))
    place = {name: number for number, name in enumerate(input.classes)}
    strange = sorted({str(value) for value in given} - {*place})
    if strange:
        shown = ", ".join(strange[:3])
        raise UserError(f"{file}: labels must be among those that were learnt, but are {shown}")
    return torch.tensor([place[str(value)] for value in given])
