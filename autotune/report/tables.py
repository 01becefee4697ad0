"""What reading commands print for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotune.history import History
from autotune.report import views
from autotune.trial import Goal, State

__all__ = ["best", "number", "params", "studies", "study", "trial"]

_STYLE = {
    State.COMPLETE: "green",
    State.PRUNED: "dim",
    State.FAILED: "red",
    State.RUNNING: "cyan",
    State.WAITING: "yellow",
}
_BARS = "▁▂▃▄▅▆▇█"
_MOST_ROWS = 20


def number(value: float | None) -> str:
    """Four digits that matter, at most: 0.9756, 1.2e-05."""
    return "-" if value is None else f"{value:.4g}"


def params(values: Mapping[str, Any]) -> str:
    """The searched values in one line: lr 0.03, depth 2."""
    shown = []
    for name, value in values.items():
        text = number(value) if isinstance(value, float) else str(value)
        shown.append(f"{name.removesuffix('.name').rpartition('.')[2]} {text}")
    return ", ".join(shown)


def studies(lines: Sequence[Mapping[str, Any]]) -> RenderableType:
    table = _table("study", "state", "trials", "metric", "best", "confirmed")
    for line in lines:
        count = f"{line['trials']}/{line['budget']}" if line["budget"] else str(line["trials"])
        scores = (number(line["best"]), number(line["confirmed"]))
        table.add_row(line["study"], line["state"], count, line["metric"], *scores)
    return table


def study(history: History) -> RenderableType:
    """Counts, the best trials first, and the retrainings."""
    view = views.study(history)
    counts: dict[str, int] = {}
    for row in view["trials"]:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trials yet"
    head = Text(f"study {view['study']}, {view['state']}: {said}", style="bold")
    parts: list[RenderableType] = [head, _trials(history, view["trials"])]
    if len(view["trials"]) > _MOST_ROWS:
        parts.append(Text(f"... and {len(view['trials']) - _MOST_ROWS} more; all: --json"))
    if view["confirmations"]:
        parts.append(_confirmations(view["confirmations"]))
    return Group(*parts)


def _trials(history: History, rows: Sequence[Mapping[str, Any]]) -> Table:
    sign = -1 if history.spec.objective.goal == Goal.MAXIMIZE else 1
    table = _table("trial", "state", history.spec.objective.metric, "steps", "seconds", "params")

    def rank(row: Mapping[str, Any]) -> tuple[bool, float]:
        return row["value"] is None, sign * (row["value"] or 0.0)

    for row in sorted(rows, key=rank)[:_MOST_ROWS]:
        word = f"failed({row['reason']})" if row["reason"] else str(row["state"])
        table.add_row(
            str(row["number"]),
            Text(word, style=_STYLE.get(row["state"], "")),
            number(row["value"]),
            str(row["steps"]),
            f"{row['seconds']:.1f}",
            params(row["params"]),
        )
    return table


def _confirmations(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("retrained trial", "seed", "value", "test")
    for row in rows:
        table.add_row(
            str(row["trial"]), str(row["seed"]), number(row["value"]), number(row["test"])
        )
    return table


def trial(history: History, which: int) -> RenderableType:
    view = views.trial(history, which)
    metric = history.spec.objective.metric
    curve = [metrics[metric] for metrics in view["reports"].values() if metric in metrics]
    lines = [f"trial {view['number']} of study {history.spec.name}: {view['state']}"]
    if view["reason"]:
        lines.append(f"reason     {view['reason']}: {view['message']}")
    lines.append(f"{metric:<10} {number(view['value'])}  {sparkline(curve)}")
    lines.append(f"steps      {view['steps']}, {view['seconds']:.1f} s")
    lines += [f"{name:<28} {value}" for name, value in view["params"].items()]
    lines.append(f"rerun it   autotune train {history.config_file(history.trials[which])}")
    return Text("\n".join(lines))


def sparkline(curve: Sequence[float]) -> str:
    """At most 60 of its points as bars between its lowest and its highest."""
    if not curve:
        return ""
    points = curve if len(curve) <= 60 else [curve[i * len(curve) // 60] for i in range(60)]
    low, span = min(points), (max(points) - min(points)) or 1.0
    return "".join(_BARS[int((point - low) / span * (len(_BARS) - 1))] for point in points)


def best(history: History) -> RenderableType:
    """The winner, with the search's own score beside the confirmed one."""
    found = views.winner(history)
    name, metric = history.spec.name, history.spec.objective.metric
    lines = []
    if found.mean is not None and found.std is not None:
        count = len(found.seeds)
        head = f"best: trial {found.trial}, {metric} {found.mean:.4f} ± {found.std:.4f}"
        seeds = "seed" if count == 1 else "seeds"
        lines.append(f"{head} over {count} fresh {seeds}")
        shrinkage = found.mean - found.value
        lines.append(f"  the search saw {found.value:.4f} ({shrinkage:+.4f} on retraining)")
    else:
        lines.append(f"best: trial {found.trial}, {metric} {found.value:.4f} (not confirmed)")
    if found.test is not None:
        spread = f" ± {found.test_std:.4f}" if found.test_std is not None else ""
        lines.append(f"  test {metric.removeprefix('val_')} {found.test:.4f}{spread}")
    lines.append(f"  {params(found.params)}")
    lines.append(f"export it: autotune export {name} -o best/")
    return Text("\n".join(lines))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
