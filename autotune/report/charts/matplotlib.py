"""Charts as SVG and PNG files, by matplotlib without its global state."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from autotune.report.charts.chart import (
    Axis,
    Bars,
    Chart,
    Heat,
    Label,
    Layer,
    Line,
    Place,
    Points,
    Region,
)
from autotune.report.charts.plotly import LIGHT, decades

__all__ = ["image"]

_DPI = 130
_MARKS: Mapping[str, str] = {
    "circle": "o", "diamond": "D", "cross": "x", "star": "*", "square": "s", "triangle": "^",
}  # fmt: skip
_COLUMNS = 3


def image(charts: Sequence[Chart], kind: str) -> bytes:
    """One picture of all charts; `kind`: svg or png."""
    columns = min(_COLUMNS, len(charts))
    rows = -(-len(charts) // columns)
    width = max(8.0, charts[0].least_width / 90) if columns == 1 else 4.2 * columns
    height = sum(chart.height for chart in charts[::columns]) / 80
    figure = Figure((width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place < len(charts):
            _draw(charts[place], axes, figure)
        else:
            axes.set_axis_off()
    _legend(figure)
    file = io.BytesIO()
    # Without a date the same study gives the same file.
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(file, format=kind, dpi=_DPI, metadata=metadata)
    return file.getvalue()


def _legend(figure: Figure) -> None:
    """One for all charts, above them: over the points it would hide some."""
    pairs = (zip(*axes.get_legend_handles_labels(), strict=True) for axes in figure.axes)
    named = {label: handle for pair in pairs for handle, label in pair}
    if len(named) > 1:
        figure.legend(
            list(named.values()), list(named), loc="outside upper right", ncols=4, fontsize=8
        )


def _draw(chart: Chart, axes: Axes, figure: Figure) -> None:
    axes.grid(color=LIGHT["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _axis(axes, "x", chart.x)
    _axis(axes, "y", chart.y)
    for layer in chart.layers:
        _layer(layer, chart, axes, figure)
    axes.set_title(chart.title, loc="left", fontsize=11)


def _layer(layer: Layer, chart: Chart, axes: Axes, figure: Figure) -> None:
    match layer:
        case Points():
            _points(layer, chart, axes)
        case Line():
            style: dict[str, Any] = {"drawstyle": "steps-post"} if layer.stepped else {}
            axes.plot(
                _numbers(layer.x, chart.x),
                _numbers(layer.y, chart.y),
                color=LIGHT[layer.colour],
                linewidth=layer.width,
                alpha=layer.opacity,
                linestyle="dotted" if layer.dashed else "solid",
                label=layer.name or None,
                **style,
            )
        case Bars():
            axes.barh(
                _numbers(layer.y, chart.y),
                layer.length,
                left=list(layer.start) or 0.0,
                color=LIGHT[layer.colour],
                edgecolor="white",
                linewidth=0.4,
                label=layer.name,
            )
        case Region():
            axes.axvspan(layer.low, layer.high, color=LIGHT["accent"], alpha=0.13, linewidth=0)
        case Heat():
            x, y = _numbers(layer.x, chart.x), _numbers(layer.y, chart.y)
            colours = "cividis_r" if layer.reversed else "cividis"
            shown = axes.pcolormesh(
                x, y, np.array(layer.values), cmap=colours, shading="nearest", rasterized=True
            )
            figure.colorbar(shown, ax=axes, label=layer.title)
        case Label():
            _label(layer, axes)
        case unreachable:
            assert_never(unreachable)


def _points(layer: Points, chart: Chart, axes: Axes) -> None:
    x, y = _numbers(layer.x, chart.x), _numbers(layer.y, chart.y)
    edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5}
    axes.scatter(
        x,
        y,
        s=layer.size**2 * 0.6,
        color=LIGHT[layer.colour],
        marker=_MARKS[layer.symbol],
        label=layer.name or None,
        zorder=3,
        **({} if layer.symbol == "cross" else edge),
    )
    if layer.error:
        low, high = layer.error
        axes.errorbar(x, y, [[low], [high]], color=LIGHT[layer.colour], capsize=4, zorder=3)


def _label(label: Label, axes: Axes) -> None:
    if label.side == "top":
        place = axes.get_xaxis_transform()
        axes.text(label.x, 0.99, label.text, transform=place, ha="center", va="top", fontsize=8)
        return
    shift = {"above": (0, 3), "below": (0, -3), "right": (4, 0)}[label.side]
    sides = {"above": ("center", "bottom"), "below": ("center", "top"), "right": ("left", "center")}
    ha, va = sides[label.side]
    axes.annotate(
        label.text,
        (label.x, label.y),
        shift,
        textcoords="offset points",
        ha=ha,
        va=va,
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
    )


def _axis(axes: Axes, which: str, axis: Axis) -> None:
    of = axes.xaxis if which == "x" else axes.yaxis
    of.set_label_text(axis.title)
    limit = axes.set_xlim if which == "x" else axes.set_ylim
    if axis.log:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        of.set_minor_locator(NullLocator())
    if axis.categories:
        places = range(len(axis.categories))
        of.set_ticks(list(places), list(axis.categories))
        ends = (-0.5, len(axis.categories) - 0.5)
        limit(*(ends[::-1] if axis.downwards else ends))
    ticks = axis.ticks
    if ticks is None and axis.log and axis.range:
        ticks = tuple((at, f"{at:g}") for at in decades(*axis.range))
    if ticks is not None:
        of.set_ticks([at for at, _ in ticks], [text for _, text in ticks])
    if axis.range:
        low, high = axis.range
        room = (high / low) ** 0.03 if axis.log else (high - low) * 0.03
        limit(low / room, high * room) if axis.log else limit(low - room, high + room)


def _numbers(values: Sequence[Place], axis: Axis) -> list[float]:
    """Categories as their places; None as a gap."""
    if axis.categories:
        places = {name: float(place) for place, name in enumerate(axis.categories)}
        return [places[str(value)] for value in values]
    return [float("nan") if value is None else float(value) for value in values]
