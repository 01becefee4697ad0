"""A chart as values, which any library can draw, and the section of a report around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autotune.trial import Scalar

__all__ = [
    "Axis",
    "Bars",
    "Cell",
    "Chart",
    "Colour",
    "Heat",
    "Label",
    "Layer",
    "Line",
    "Points",
    "Region",
    "Section",
    "Table",
]

Colour = Literal["accent", "second", "third", "bad", "muted", "ink"]
"""Roles; what draws gives each a colour that the colour-blind tell apart, by day and by night."""
Symbol = Literal["circle", "diamond", "cross", "star", "square", "triangle"]
Place = float | str | None
Cell = Scalar


@dataclass(frozen=True, slots=True)
class Axis:
    title: str
    log: bool = False
    categories: tuple[str, ...] = ()
    """In their order; empty for numbers."""
    range: tuple[float, float] | None = None
    """As values, also of a logarithmic axis."""
    ticks: tuple[tuple[float, str], ...] | None = None
    """None: as usual; empty: none."""
    downwards: bool = False
    """Of categories: the first one stands at the top."""


@dataclass(frozen=True, slots=True)
class Points:
    name: str
    """In the legend; "": not there."""
    x: Sequence[Place]
    y: Sequence[Place]
    colour: Colour
    symbol: Symbol = "circle"
    size: float = 7
    hover: Sequence[str] = ()
    """A text a point."""
    error: tuple[float, float] | None = None
    """Of the only point: how far its interval reaches below and above."""


@dataclass(frozen=True, slots=True)
class Line:
    """None in `x` and `y` ends one stroke, and the next begins."""

    name: str
    x: Sequence[Place]
    y: Sequence[Place]
    colour: Colour
    width: float = 2
    opacity: float = 1.0
    stepped: bool = False
    dashed: bool = False
    hover: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """Lying ones, a row for each of `y`."""

    name: str
    y: Sequence[str]
    length: Sequence[float]
    colour: Colour
    start: Sequence[float] = ()
    """Where each begins; empty: at 0."""
    hover: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Region:
    """The whole height between two values of x, shaded; of a chart of categories: rows of it."""

    low: float
    high: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Heat:
    x: Sequence[Place]
    y: Sequence[Place]
    values: Sequence[Sequence[float]]
    title: str
    reversed: bool
    """Lower is better: the best is always the lightest."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text in the plane."""

    x: float
    y: float
    text: str
    side: Literal["above", "below", "right", "top"] = "right"
    """top: at the upper edge, whatever `y` is."""


Layer = Points | Line | Bars | Region | Heat | Label


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    alt: str
    """What it shows, for those who do not see it."""
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    height: int = 360
    """In pixels."""
    least_width: int = 0
    """Narrower pages scroll the chart sideways."""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    """The kind of plot, as `autotune plot` names it."""
    title: str
    says: tuple[str, ...]
    """Sentences made of the data."""
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
