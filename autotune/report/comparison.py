"""Two studies side by side: what differs in their specs, their winners, curves and costs."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotune import spec as specs
from autotune.report.tables import params, score, sparkline
from autotune.report.views import state
from autotune.study.history import History
from autotune.train.duration import spoken

__all__ = ["as_values", "table"]


def as_values(history: History) -> dict[str, object]:
    """What of a study is compared, as plain values."""
    best, metric = history.best(), history.spec.objective.metric
    run = history.trials[best.trial] if best else None
    curve = history.spec.scoring.curve(run.reports) if run else {}
    return {
        "study": history.spec.name,
        "state": state(history),
        "trials": len(history.trials),
        "metric": metric,
        "best": best.value if best else None,
        "trial": best.trial if best else None,
        "mean": best.mean if best else None,
        "std": best.std if best else None,
        "test": best.test if best else None,
        "params": dict(best.params) if best else {},
        "curve": {step: curve[step] for step in sorted(curve)},
        "seconds": round(sum(run.seconds for run in history.runs()), 3),
        "elapsed": round(history.elapsed(), 3),
    }


def table(one: History, other: History) -> RenderableType:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", one.spec.name, other.spec.name):
        shown.add_column(name, overflow="fold")
    for left, right in zip(_rows(one), _rows(other), strict=True):
        shown.add_row(left[0], left[1], right[1])
    found = specs.differences(one.spec, other.spec)
    head = f"the specs differ in {len(found)} settings" if found else "the specs say the same"
    differences = [Text(f"  {line}") for line in found]
    note = []
    if one.spec.objective != other.spec.objective:
        note = [Text("their objectives differ: the scores are not comparable", "yellow")]
    title = Text(f"{head} (was: {one.spec.name})" if found else head, "bold")
    return Group(shown, *note, Text(""), title, *differences)


def _rows(history: History) -> Iterator[tuple[str, str]]:
    values, best = as_values(history), history.best()
    limit = history.spec.budget.trials
    yield "state", str(values["state"])
    yield "trials", f"{values['trials']}" + (f" of {limit}" if limit else "")
    yield f"best {values['metric']}", score(best.value) if best else "-"
    yield "confirmed", best.scored.told(".4f", ".4f") if best and best.scored else "-"
    yield "test", score(best.test) if best else "-"
    yield "winner", f"trial {best.trial}: {params(best.params)}" if best else "-"
    curve = values["curve"]
    assert isinstance(curve, dict)
    yield "its curve", sparkline(list(curve.values()))
    yield "training time", spoken(round(sum(run.seconds for run in history.runs())))
    yield "running time", spoken(round(history.elapsed()))
