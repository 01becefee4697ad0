"""The pictures of a winner: what it confuses, which columns it uses, where it looks."""

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
from autotune.interpret.subject import Subject, restore
from autotune.train.config import TrainConfig

__all__ = ["INSTALL", "Picture", "draw", "paint"]

INSTALL = "pip install 'autotune[interpret]'"
_MOST_COLUMNS = 20
_SPLIT = "validation split"
Array = NDArray[Any]


@dataclass(frozen=True)
class Picture:
    file: Path
    caption: str
    """What is seen, with the numbers that matter, in Markdown."""


def draw(config: TrainConfig, weights: Path, folder: Path) -> tuple[list[Picture], list[str]]:
    """Pictures of the network that a training left in the folder `weights`, written to `folder`.

    Also a line for each that there is not, with the reason.
    """
    if find_spec("matplotlib") is None:
        return [], [f"no figures without matplotlib: {INSTALL}"]
    try:
        subject = restore(config, weights)
    except Exception as error:
        return [], [f"no figures: {_why(error)}"]
    return paint(subject, folder)


def paint(subject: Subject, folder: Path) -> tuple[list[Picture], list[str]]:
    """The pictures of one network, each by itself: those that fail are told in a line each."""
    folder.mkdir(parents=True, exist_ok=True)
    made, missing = [], []
    for name, make in _wanted(subject):
        try:
            made.append(Picture(folder / name, make(subject, folder / name)))
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
    if subject.data.classes:
        yield "confusion.png", _confusion
    else:
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
    pictures.confusion(path, counts, labels, f"{_SPLIT}: {right:.1%} of {len(subject.y):,} right")
    return (
        f"Confusion matrix on the {_SPLIT}: {right:.4f} of {len(subject.y):,} samples are right. "
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
    pictures.scatter(path, y, said, f"{_SPLIT}: R² {score:.3f}, {len(y):,} samples")
    return f"Answers against true values on the {_SPLIT}: R² {score:.4f} over {len(y):,} samples."


def _importance(subject: Subject, path: Path) -> str:
    from autotune.interpret import pictures

    unit = "accuracy" if subject.data.classes else "R²"
    found = of_columns(subject)[:_MOST_COLUMNS]
    names = [_column(subject, one.column) for one in found]
    values = np.array([(one.mean, one.std) for one in found])
    columns = subject.x.shape[1]
    rest = f" (the first {len(found)} of {columns} columns)" if columns > len(found) else ""
    rule = f"{unit} lost when the column is shuffled: mean ± deviation of {REPEATS} shuffles"
    pictures.importances(path, names, values, f"Permutation importance, {_SPLIT}{rest}", rule)
    told = [f"{n} {v.mean:.4f} ± {v.std:.4f}" for n, v in zip(names[:5], found, strict=False)]
    return f"Permutation importance on the {_SPLIT}, {rule}: {', '.join(told)}."


def _column(subject: Subject, column: int) -> str:
    names: tuple[str, ...] = getattr(subject.data, "columns", ())
    return names[column] if names else f"column {column}"


def _attribution(subject: Subject, path: Path) -> str:
    from autotune.interpret import attribution, pictures

    panels, methods = [], set()
    for name, rows in (("right", successes(subject)), ("wrong", mistakes(subject))):
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
    pictures.grid(path, panels, f"What speaks for the answer, {_SPLIT}: red for, blue against")
    also = "; Grad-CAM shows where the last convolution looked" if methods else ""
    return (
        f"Images of the {_SPLIT} that the network gets right, and its surest mistakes. Integrated "
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
