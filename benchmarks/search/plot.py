"""The picture of a suite: mean regret against full trainings, ours thick, each line named at its
end. The same rows give the same bytes."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.search.measure import BUDGETS
from benchmarks.search.methods import METHODS, OURS
from benchmarks.search.score import Array, Row, Table, at, band

__all__ = ["picture"]

_GRID = np.geomspace(1, max(BUDGETS), 60)
_RED = "#d62728"
_COLOURS = {
    "autotune": "#f08a5d",
    "random": "#888888",
    "Optuna": "#1f77b4",
    "SMAC3": "#e6a100",
    "Syne": "#2ca02c",
    "DEHB": "#9467bd",
    "NePS": "#8c564b",
    "HEBO": "#17becf",
}
"""By the first word of a method: one colour a package, whose methods differ by their dashes."""
_DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_STYLE = {"svg.hashsalt": "autotune", "svg.fonttype": "none", "font.size": 9}
_LEAST = 0.1
"""The axis of regret is logarithmic: what is below stands here."""
_GAP = 0.045
"""Between two names, of the height of the axes."""


def picture(pairs: Mapping[str, Table], format: str = "svg") -> bytes:
    """`pairs[name]` holds ours and `name` on the runs that both have; `pairs[OURS]` ours alone.

    Ours and the one that ends nearest to it have bands, the bootstrap 95 % intervals of the mean:
    those of all would hide one another."""
    curves = {name: _curves(runs.rows[name]) for name, runs in pairs.items()}
    means = {name: np.maximum(values.mean(axis=0), _LEAST) for name, values in curves.items()}
    styles = _styles(list(pairs))
    with rc_context(_STYLE):
        figure = Figure(figsize=(10.5, 5))
        axes = figure.add_axes((0.055, 0.1, 0.56, 0.87))
        for name, mean in means.items():
            axes.plot(_GRID, mean, **styles[name])
        for name in sorted(means, key=lambda name: abs(means[name][-1] - means[OURS][-1]))[:2]:
            low, high = np.maximum(band(curves[name], pairs[name].tasks), _LEAST)
            axes.fill_between(_GRID, low, high, color=styles[name]["color"], alpha=0.15, lw=0)
        _frame(axes)
        _names(axes, pairs, {name: float(mean[-1]) for name, mean in means.items()}, styles)
        out = io.BytesIO()
        unsigned = {"Date": None, "Creator": None} if format == "svg" else None
        figure.savefig(out, format=format, metadata=unsigned)
    return out.getvalue()


def _curves(rows: Sequence[Row]) -> Array:
    return np.array([[at(row, budget) for budget in _GRID] for row in rows])


def _styles(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    seen: Counter[str] = Counter()
    styles: dict[str, dict[str, Any]] = {}
    for name in names:
        package = METHODS[name].about.split()[0].strip(",")
        dashes = _DASHES[seen[package] % len(_DASHES)]
        styles[name] = {"color": _COLOURS[package], "linestyle": dashes, "linewidth": 1.1}
        seen[package] += name != OURS
    styles[OURS] = {"color": _RED, "linestyle": "-", "linewidth": 3, "zorder": 3}
    return styles


def _frame(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(_GRID[0], _GRID[-1])
    low, high = axes.get_ylim()
    for axis, ticks in (
        (axes.xaxis, (1, *BUDGETS)),
        (axes.yaxis, [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if tick > low]),
    ):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set_ylim(low, min(high, 110))
    axes.set_xlabel("full trainings")
    axes.set_ylabel("mean normalized regret, %")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _names(
    axes: Axes,
    pairs: Mapping[str, Table],
    ends: Mapping[str, float],
    styles: Mapping[str, Mapping[str, Any]],
) -> None:
    """At the end of each line its last value, its method, and its runs where they are fewer."""
    scale = axes.transScale + axes.transLimits
    heights = {name: float(scale.transform((1, end))[1]) for name, end in ends.items()}
    for name, height in _apart(heights).items():
        few = "" if pairs[name].count == pairs[OURS].count else f" ({pairs[name].count} runs)"
        axes.annotate(
            f"{ends[name]:.1f}  {METHODS[name].short}{few}",
            xy=(_GRID[-1], ends[name]),
            xytext=(1.06, height),
            textcoords="axes fraction",
            va="center",
            color=styles[name]["color"],
            weight="bold" if name == OURS else "normal",
            arrowprops={
                "arrowstyle": "-",
                "color": styles[name]["color"],
                "linewidth": 0.5,
                "relpos": (0, 0.5),
                "shrinkA": 2,
                "shrinkB": 0,
            },
        )


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """None nearer to another than the gap, none above 1; else where they were."""
    gap = min(_GAP, 1 / len(heights))
    names = sorted(heights, key=lambda name: heights[name])
    places = [heights[name] for name in names]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    for i in reversed(range(len(places))):
        places[i] = min(places[i], 1 - gap * (len(places) - 1 - i))
    return dict(zip(names, places, strict=True))
