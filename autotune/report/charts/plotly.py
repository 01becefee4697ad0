"""Charts as figures of plotly: plain values, colours being names such as @accent until a palette
is chosen."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, assert_never

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

__all__ = ["DARK", "LIGHT", "coloured", "decades", "figure"]

LIGHT: Mapping[str, str] = {
    "accent": "#0060a8",
    "second": "#b84a00",
    "third": "#007a5a",
    "bad": "#a3246f",
    "muted": "#7d8590",
    "ink": "#1b1f24",
    "grid": "#dfe3e8",
    "shade": "rgba(0,96,168,0.13)",
    "plain": "rgba(0,0,0,0)",
    "card": "#ffffff",
}
DARK: Mapping[str, str] = {
    "accent": "#5cb3ff",
    "second": "#ffa04d",
    "third": "#3fcfa0",
    "bad": "#f28fc7",
    "muted": "#8b949e",
    "ink": "#e8ebef",
    "grid": "#343b44",
    "shade": "rgba(92,179,255,0.20)",
    "plain": "rgba(0,0,0,0)",
    "card": "#171b21",
}
"""Okabe and Ito's colours, darker by day and lighter by night, for a contrast of 4.5 and more."""

_SYMBOLS = {"cross": "x-thin-open", "triangle": "triangle-up"}
_SIDES: Mapping[str, Mapping[str, Any]] = {
    "right": {"xanchor": "left", "yanchor": "middle", "xshift": 4},
    "above": {"xanchor": "center", "yanchor": "bottom", "yshift": 3},
    "below": {"xanchor": "center", "yanchor": "top", "yshift": -3},
    "top": {"xanchor": "center", "yanchor": "top", "yref": "paper"},
}
_DIGITS = 6


def figure(chart: Chart, title: bool = False) -> dict[str, Any]:
    """`data` and `layout`. `title`: for a figure that stands alone."""
    drawn = [_trace(layer) for layer in chart.layers if not isinstance(layer, Label | Region)]
    named = sum(bool(trace.get("name")) and trace.get("showlegend", True) for trace in drawn)
    layout = {
        "height": chart.height,
        "margin": {"l": 56, "r": 16, "t": 56 if title else 34, "b": 48},
        "paper_bgcolor": "@plain",
        "plot_bgcolor": "@plain",
        "font": {"color": "@ink", "size": 13, "family": "system-ui, sans-serif"},
        "hoverlabel": {"align": "left", "bgcolor": "@card", "font": {"color": "@ink"}},
        "hovermode": "closest",
        "barmode": "overlay",
        "showlegend": named > 1,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "xaxis": _axis(chart.x),
        "yaxis": _axis(chart.y),
        "shapes": [_region(r, chart.x) for r in chart.layers if isinstance(r, Region)],
        "annotations": [_label(one, chart.x) for one in chart.layers if isinstance(one, Label)],
    }
    if title:
        layout["title"] = {"text": escape(chart.title), "x": 0.01, "xanchor": "left"}
    return {"data": drawn, "layout": layout}


def coloured(value: Any, palette: Mapping[str, str]) -> Any:
    """The same figure with the palette's colours in place of their names."""
    if isinstance(value, str):
        return palette[value[1:]] if value.startswith("@") and value[1:] in palette else value
    if isinstance(value, Mapping):
        return {key: coloured(inner, palette) for key, inner in value.items()}
    if isinstance(value, list):
        return [coloured(inner, palette) for inner in value]
    return value


def _trace(layer: Layer) -> dict[str, Any]:
    match layer:
        case Points():
            return _points(layer)
        case Line():
            shape = {"shape": "hv"} if layer.stepped else {}
            dash = {"dash": "dot"} if layer.dashed else {}
            look = {"color": f"@{layer.colour}", "width": layer.width, **shape, **dash}
            return {
                **_scatter(layer, "lines"),
                "line": look,
                "opacity": layer.opacity,
                "showlegend": bool(layer.name),
            }
        case Bars():
            return _bars(layer)
        case Heat():
            return _heat(layer)
        case Region() | Label():
            raise TypeError("a region is a shape, and a label an annotation")
        case unreachable:
            assert_never(unreachable)


def _scatter(layer: Points | Line, mode: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": escape(layer.name),
        "x": _places(layer.x),
        "y": _places(layer.y),
        **_hover(layer.hover),
    }


def _hover(texts: Sequence[str]) -> dict[str, Any]:
    if not texts:
        return {"hoverinfo": "x+y"}
    return {"hoverinfo": "text", "hovertext": [escape(t).replace("\n", "<br>") for t in texts]}


def _points(layer: Points) -> dict[str, Any]:
    symbol = _SYMBOLS.get(layer.symbol, layer.symbol)
    edge = "@card" if layer.symbol != "cross" else f"@{layer.colour}"
    line = {"width": 1.5 if layer.symbol == "cross" else 1, "color": edge}
    look = {"color": f"@{layer.colour}", "symbol": symbol, "size": layer.size, "line": line}
    trace = {**_scatter(layer, "markers"), "marker": look, "showlegend": bool(layer.name)}
    if layer.error:
        low, high = layer.error
        bars = {"type": "data", "symmetric": False, "array": [high], "arrayminus": [low]}
        trace["error_y"] = {**bars, "color": f"@{layer.colour}", "thickness": 2, "width": 6}
    return trace


def _bars(layer: Bars) -> dict[str, Any]:
    start = {"base": _places(layer.start)} if layer.start else {}
    return {
        "type": "bar",
        "orientation": "h",
        "name": escape(layer.name),
        "y": _places(layer.y),
        "x": _places(layer.length),
        **start,
        "marker": {"color": f"@{layer.colour}", "line": {"width": 0.5, "color": "@card"}},
        **_hover(layer.hover),
    }


def _heat(layer: Heat) -> dict[str, Any]:
    numbers = not any(isinstance(v, str) for v in (*layer.x, *layer.y))
    return {
        "type": "contour" if numbers else "heatmap",
        "x": _places(layer.x),
        "y": _places(layer.y),
        "z": [_places(row) for row in layer.values],
        "colorscale": "Cividis",
        "reversescale": layer.reversed,
        "colorbar": {"title": {"text": escape(layer.title), "side": "right"}, "thickness": 12},
        **({"contours": {"coloring": "heatmap"}, "line": {"width": 0.5}} if numbers else {}),
        "hoverinfo": "x+y+z",
    }


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": {"text": escape(axis.title), "standoff": 8},
        "automargin": True,
        "gridcolor": "@grid",
        "linecolor": "@grid",
        "zeroline": False,
    }
    if axis.categories:
        names = [escape(name) for name in axis.categories]
        edges = [-0.5, len(names) - 0.5]
        found |= {"type": "category", "categoryorder": "array", "categoryarray": names}
        found["range"] = edges[::-1] if axis.downwards else edges
    elif axis.log:
        found["type"] = "log"
    if axis.range:
        low, high = axis.range
        room = (math.log10(high / low) if axis.log else high - low) * 0.03
        ends = (math.log10(low), math.log10(high)) if axis.log else (low, high)
        found["range"] = [ends[0] - room, ends[1] + room]
    ticks = axis.ticks
    if ticks is None and axis.log and axis.range:
        ticks = tuple((at, f"{at:g}") for at in decades(*axis.range))
    if ticks is not None:
        found["tickvals"] = [at for at, _ in ticks]
        found["ticktext"] = [escape(text).replace("\n", "<br>") for _, text in ticks]
        found |= {"tickangle": 0, "ticklabeloverflow": "allow"}
    return found


def decades(low: float, high: float) -> list[float]:
    """Powers of ten within; where these are few, 2 and 5 times them as well."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [f * 10.0**p for p in powers for f in factors]
        found = [at for at in found if low * 0.999 <= at <= high * 1.001]
        if len(found) >= 3:
            break
    return found


def _region(region: Region, axis: Axis) -> dict[str, Any]:
    low, high = region.low, region.high
    if low == high:  # it must be seen
        low, high = (low / 1.01, high * 1.01) if axis.log else (low - 0.01, high + 0.01)
    height = {"xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    look = {"fillcolor": "@shade", "line": {"width": 0}, "layer": "below"}
    return {"type": "rect", "x0": low, "x1": high, **height, **look}


def _label(label: Label, axis: Axis) -> dict[str, Any]:
    place = _SIDES[label.side]
    return {
        "x": math.log10(label.x) if axis.log else label.x,
        "y": 1 if label.side == "top" else label.y,
        "text": escape(label.text),
        "showarrow": False,
        "font": {"size": 11, "color": "@ink"},
        "bgcolor": "@card",
        "opacity": 0.9,
        **place,
    }


def _places(values: Sequence[Place]) -> list[Any]:
    return [_rounded(value) for value in values]


def _rounded(value: Place) -> Any:
    if isinstance(value, str):
        return escape(value)
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
