"""Figures of a winner: confusions, important columns, important regions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotune.errors import AutotuneError
from autotune.interpret.examples import mistakes, successes
from autotune.interpret.importance import REPEATS, of_columns
from autotune.interpret.scores import accuracy, confusion, r2
from autotune.interpret.subject import Subject, on_test, restore
from autotune.train.config import TrainConfig

__all__ = ["INSTALL", "Picture", "draw", "paint"]

INSTALL = "pip install 'autotune[interpret]'"
_MOST_COLUMNS = 20
Array = NDArray[Any]


@dataclass(frozen=True)
class Picture:
    file: Path
    caption: str
    """What the figure shows, with the main numbers, in Markdown."""


def draw(
    config: TrainConfig, weights: Path, folder: Path, tested: bool = False
) -> tuple[list[Picture], list[str]]:
    """Figures of the network that a training left in the folder `weights`, written to `folder`, and
    a line for each figure that is missing, with the reason.

    `tested`: the test split was read, so the importance of columns may be measured there.
    """
    if find_spec("matplotlib") is None:
        return [], [f"no figures without matplotlib: {INSTALL}"]
    try:
        subject = restore(config, weights)
    except Exception as error:
        return [], [f"no figures: {_why(error)}"]
    return paint(subject, folder, on_test(subject) if tested and subject.x.ndim == 2 else None)


def paint(
    subject: Subject, folder: Path, tested: Subject | None = None
) -> tuple[list[Picture], list[str]]:
    """The figures of one network, each independently: failed ones give a line each. `tested`: the
    same network and the test split."""
    folder.mkdir(parents=True, exist_ok=True)
    made, missing = [], []
    for name, make in _wanted(subject):
        seen = tested if tested and make is _importance else subject
        try:
            made.append(Picture(folder / name, make(seen, folder / name)))
        except Exception as error:  # a user's network may do what an attribution cannot follow
            missing.append(f"no figure {name}: {_why(error)}")
    return made, missing


def _why(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        package = str(error.name).partition(".")[0]
        return f"{package} is not installed: {INSTALL}"
    if isinstance(error, AutotuneError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _wanted(subject: Subject) -> Iterator[tuple[str, Callable[[Subject, Path], str]]]:
    if subject.labelled and subject.data.classes:
        yield "confusion.png", _confusion
    elif subject.labelled:
        yield "answers.png", _scatter
    if subject.x.ndim == 2:
        yield "importance.png", _importance
    if subject.x.ndim == 4:
        yield "attribution.png", _attribution


def _confusion(subject: Subject, path: Path) -> str:
    from autotune.interpret import pictures

    labels = subject.labels
    counts = confusion(subject.said, subject.y, len(labels)).cpu().numpy()
    right = accuracy(subject.said, subject.y)
    where, count = subject.where, f"{len(subject.y):,}"
    pictures.confusion(path, counts, labels, f"{where}: {right:.1%} of {count} right")
    return (
        f"Confusion matrix on the {where}: {right:.4f} of {count} samples are right. "
        + _confused(counts, labels)
    )


def _confused(counts: Array, labels: tuple[str, ...]) -> str:
    off = counts * (1 - np.eye(len(labels), dtype=counts.dtype))
    pairs = [divmod(int(cell), len(labels)) for cell in off.ravel().argsort(kind="stable")[::-1]]
    told = [f"{labels[a]} taken for {labels[b]} ({off[a, b]})" for a, b in pairs[:3] if off[a, b]]
    return f"Most often confused: {', '.join(told)}." if told else "None is confused."


def _scatter(subject: Subject, path: Path) -> str:
    from autotune.interpret import pictures

    data = subject.data
    y, said = (
        (data.y_mean + data.y_std * part.double()).cpu().numpy()
        for part in (subject.y, subject.said)
    )
    score = r2(subject.said, subject.y)
    pictures.scatter(path, y, said, f"{subject.where}: R² {score:.3f}, {len(y):,} samples")
    told = f"R² {score:.4f} over {len(y):,} samples"
    return f"Answers against true values on the {subject.where}: {told}."


def _importance(subject: Subject, path: Path) -> str:
    from autotune.interpret import pictures

    unit = "accuracy" if subject.data.classes else "R²"
    if not subject.labelled:
        unit += " against the network's own answers"
    found = of_columns(subject)[:_MOST_COLUMNS]
    names = [_column(subject, one.column) for one in found]
    values = np.array([(one.mean, one.std) for one in found])
    columns = subject.x.shape[1]
    rest = f" (the first {len(found)} of {columns} columns)" if columns > len(found) else ""
    rule = f"{unit} lost when the column is shuffled: mean ± deviation of {REPEATS} shuffles"
    title = f"Permutation importance, {subject.where}{rest}"
    pictures.importances(path, names, values, title, rule)
    told = [f"{n} {v.mean:.4f} ± {v.std:.4f}" for n, v in zip(names[:5], found, strict=False)]
    return f"Permutation importance on the {subject.where}, {rule}: {', '.join(told)}."


def _column(subject: Subject, column: int) -> str:
    names: tuple[str, ...] = getattr(subject.data, "columns", ())
    return names[column] if names else f"column {column}"


def _attribution(subject: Subject, path: Path) -> str:
    from autotune.interpret import attribution, pictures

    panels, methods = [], set()
    first = "right" if subject.labelled else "samples"
    for name, rows in ((first, successes(subject)), ("wrong", mistakes(subject))):
        if len(rows) == 0:
            continue
        x = subject.x[rows.to(subject.x.device)]
        target = _target(subject, rows)
        start = attribution.black(subject.data.mean, subject.data.std)
        shares = attribution.integrated_gradients(subject.model, x, start, target)
        seen = _visible(subject, x)
        panels.append(pictures.Panel(name, seen, _titles(subject, rows)))
        panels.append(pictures.Panel("integrated\ngradients", _numpy(shares.sum(1)), signed=True))
        if (heat := attribution.grad_cam(subject.model, x, target)) is not None:
            methods.add("Grad-CAM")
            panels.append(pictures.Panel("Grad-CAM", _numpy(heat), under=seen))
    title = f"What speaks for the answer, {subject.where}: red for, blue against"
    pictures.grid(path, panels, title)
    also = "; Grad-CAM shows where the last convolution looked" if methods else ""
    what = "that the network gets right, and its surest mistakes" if subject.labelled else "seen"
    return (
        f"Images of the {subject.where} {what}. Integrated "
        f"gradients (from a black image): red pixels speak for the answer, blue against it{also}."
    )


def _target(subject: Subject, rows: Tensor) -> Tensor:
    """The output that is explained: the class that is answered."""
    said = subject.said[rows.to(subject.said.device)]
    return said if subject.data.classes else torch.zeros_like(said, dtype=torch.long)


def _titles(subject: Subject, rows: Tensor) -> list[str]:
    if not subject.data.classes:
        data = subject.data
        numbers = [data.y_mean + data.y_std * part for part in (subject.y, subject.said)]
        return [f"{numbers[0][row]:.3g}: {numbers[1][row]:.3g}" for row in rows.tolist()]
    labels, sure = subject.labels, subject.output.softmax(1)
    found = []
    for row in rows.tolist():
        true, said = int(subject.y[row]), int(subject.said[row])
        words = labels[true] if true == said else f"{labels[true]}, taken for {labels[said]}"
        found.append(f"{words}\n{float(sure[row, said]):.1%} sure")
    return found


def _visible(subject: Subject, x: Tensor) -> Array:
    """(B, H, W) or (B, H, W, 3), from 0 to 1: the images before they were normalised."""
    raw = x * subject.data.std + subject.data.mean
    raw = raw[:, :3] if raw.shape[1] in (3, 4) else raw.mean(1, keepdim=True)
    low, high = raw.amin(), raw.amax()
    image = ((raw - low) / (high - low).clamp_min(1e-12)).permute(0, 2, 3, 1)
    return _numpy(image.squeeze(3) if image.shape[3] == 1 else image)


def _numpy(tensor: Tensor) -> Array:
    return tensor.float().cpu().numpy()
