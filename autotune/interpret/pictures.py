"""PNG files of what was found. Needs matplotlib, and draws without its global state."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["Panel", "confusion", "grid", "importances", "scatter"]

Array = NDArray[Any]

_DPI = 130
_MOST_NUMBERS = 20
"""Classes up to which each cell of a confusion matrix holds its count."""
_MOST_TICKS = 40


@dataclass(frozen=True)
class Panel:
    """One row of a grid of images."""

    name: str
    images: Array
    """(B, H, W) or (B, H, W, 3)"""
    titles: Sequence[str] = ()
    signed: bool = False
    """Drawn from blue (below 0) over white to red; else as grey or colour of 0 to 1."""
    under: Array | None = None
    """Images that shine through, in grey."""


def confusion(path: Path, counts: Array, labels: Sequence[str], title: str) -> None:
    """`counts` (C, C): a row for each true class, a column for each answer."""
    classes = len(labels)
    side = min(12.0, 2.5 + 0.45 * max(classes, 4))
    figure = Figure((side + 0.9, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, shrink=0.8, label="share of the true class")
    if classes <= _MOST_NUMBERS:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour, size=8)
    ticks = range(0, classes, -(-classes // _MOST_TICKS))
    words = [_short(labels[tick]) for tick in ticks]
    tall = max(map(len, words)) > 3
    axes.set_xticks(ticks, words, rotation=90 if tall else 0, size=9)
    axes.set_yticks(ticks, words, size=9)
    axes.set(xlabel="answer", ylabel="true class", title=title)
    figure.savefig(path, dpi=_DPI)


def importances(path: Path, names: Sequence[str], values: Array, title: str, unit: str) -> None:
    """A bar for each name, the first at the top; `values` (F, 2) holds means and deviations."""
    figure = Figure((8, 1.6 + 0.3 * len(names)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(names))[::-1]
    axes.barh(places, values[:, 0], xerr=values[:, 1], color="#4878a8", ecolor="#333333", capsize=3)
    axes.set_yticks(places, [_short(name, 40) for name in names])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel=unit, title=title)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    figure.savefig(path, dpi=_DPI)


def scatter(path: Path, y: Array, said: Array, title: str) -> None:
    """What a regression answers, against what is true."""
    figure = Figure((6, 6), layout="constrained")
    axes = figure.subplots()
    low, high = float(min(y.min(), said.min())), float(max(y.max(), said.max()))
    axes.plot([low, high], [low, high], color="black", linewidth=0.8)
    axes.scatter(y, said, s=8, alpha=0.4, color="#4878a8", linewidths=0)
    axes.set(xlabel="true value", ylabel="answer", title=title, aspect="equal")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=_DPI)


def grid(path: Path, panels: Sequence[Panel], title: str) -> None:
    """Images in columns, a row for each panel."""
    columns = max(len(panel.images) for panel in panels)
    figure = Figure((1.2 + 1.5 * columns, 0.7 + 1.8 * len(panels)), layout="constrained")
    rows = figure.subplots(len(panels), columns, squeeze=False)
    for row, panel in zip(rows, panels, strict=True):
        for column, axes in enumerate(row):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if column < len(panel.images):
                _image(axes, panel, column)
        row[0].set_ylabel(panel.name, size=9)
    figure.suptitle(title, size=11)
    figure.savefig(path, dpi=_DPI)


def _image(axes: Axes, panel: Panel, which: int) -> None:
    image = panel.images[which]
    if panel.signed:
        most = float(np.abs(image).max()) or 1.0
        axes.imshow(image, cmap="RdBu_r", vmin=-most, vmax=most)
    elif panel.under is not None:
        under = panel.under[which]
        axes.imshow(under.mean(2) if under.ndim == 3 else under, cmap="gray", vmin=0, vmax=1)
        heat = image / (float(image.max()) or 1.0)
        axes.imshow(heat, cmap="autumn", vmin=0, vmax=1, alpha=0.75 * heat)
    else:
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    if panel.titles:
        axes.set_title(panel.titles[which], size=9)


def _short(text: str, most: int = 14) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
