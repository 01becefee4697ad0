"""What reading commands print for people."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotune import spec as specs
from autotune.report import relevance, views
from autotune.report.columns import Columns
from autotune.spec import StudySpec
from autotune.study import budget
from autotune.study.history import History
from autotune.study.winner import Best, Confirmed
from autotune.trial import Purpose, Share, State

__all__ = [
    "best",
    "chosen",
    "headline",
    "number",
    "params",
    "score",
    "sparkline",
    "studies",
    "study",
    "trial",
]

_STYLE = {
    State.COMPLETE: "green",
    State.PRUNED: "dim",
    State.FAILED: "red",
    State.RUNNING: "cyan",
    State.WAITING: "yellow",
}
_NUMBERS = ("steps", "seconds", "seed")
_LARGEST_COUNT = 1e12
"""Such as FLOPs; a loss beyond it is no count, though every such float is whole."""
_BARS = "▁▂▃▄▅▆▇█"


def number(value: float | None) -> str:
    """Four digits that matter, at most: 0.9756, 0.5, 1.2e-05."""
    return "-" if value is None else f"{value:.4g}"


def score(value: float | None) -> str:
    """Four digits that matter, so that scores stand in columns: 0.9756, 0.5000; counts whole."""
    if value is None:
        return "-"
    counted = 1e4 <= abs(value) < _LARGEST_COUNT and float(value).is_integer()
    return f"{value:.0f}" if counted else f"{value:#.4g}".rstrip(".")


def params(values: Mapping[str, Any]) -> str:
    """The searched values in one line: lr 0.03, depth 2. Names alike are told by their paths."""
    shown = []
    short = {name: name.removesuffix(".name").rpartition(".")[2] for name in values}
    for name, value in values.items():
        text = number(value) if isinstance(value, float) else str(value)
        unique = list(short.values()).count(short[name]) == 1
        shown.append(f"{short[name] if unique else name} {text}")
    return ", ".join(shown)


def headline(spec: StudySpec) -> str:
    """One line: the study, its budget, its space, who proposes, who stops, what a trial gets."""
    budget = specs.plain(spec)["budget"]
    most = [f"{spec.budget.trials} trials"] if spec.budget.trials else []
    most += [f"at most {budget['time']}"] if spec.budget.time else []
    most += [f"at most {spec.budget.gpu_hours:g} GPU hours"] if spec.budget.gpu_hours else []
    sampler = _chosen(spec.search.name, spec.chosen_search().name)
    scheduler = _chosen(spec.schedule.name, spec.chosen_schedule().name)
    worker = " or ".join(map(_share, specs.shares(spec)))
    count = len(spec.space.parameters)
    return (
        f"{spec.name}: {', '.join(most)}; {count} parameter{'s' * (count != 1)}; "
        f"sampler {sampler}, scheduler {scheduler}, {worker} a trial"
    )


def _share(share: Share) -> str:
    one = f"{share.cpus:g} CPU" + f", {share.gpus:g} GPU" * (share.gpus > 0)
    return f"{share.processes} processes of {one}" if share.processes > 1 else one


def _chosen(asked: str, chosen: str) -> str:
    return chosen if asked == chosen else f"{chosen} ({asked})"


def studies(lines: Sequence[Mapping[str, Any]], runs: Path) -> RenderableType:
    if not lines:
        return Text(f"no study under {runs}/ yet: autotune run STUDY.yaml")
    table = _table("study", "state", "trials", "metric", "best", "confirmed")
    for line in lines:
        count = f"{line['trials']}/{line['budget']}" if line["budget"] else str(line["trials"])
        scores = (score(line["best"]), score(line["confirmed"]))
        table.add_row(line["study"], line["state"], count, line["metric"] or "-", *scores)
    problems = [Text(f"{line['study']}: {line['problem']}") for line in lines if line["problem"]]
    return Group(table, *problems)


def study(history: History, most: int | None = None) -> RenderableType:
    """Counts, the `most` best trials (None: all), and the retrainings."""
    view = views.study(history)
    counts: dict[str, int] = {}
    for row in view["trials"]:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trials yet"
    head = Text(f"study {view['study']}, {view['state']}: {said}", style="bold")
    parts: list[RenderableType] = [head]
    if view["handed_over"]:
        parts.append(Text(view["handed_over"], "dim"))
    if view["trials"]:
        parts.append(_trials(history, view["trials"], most))
    if most is not None and len(view["trials"]) > most:
        left = len(view["trials"]) - most
        parts.append(
            Text(
                f"... and {left} more: autotune show {view['study']}{_where(history)} | less", "dim"
            )
        )
    if view["confirmations"]:
        parts += [Text(""), _confirmations(view["confirmations"])]
    parts += _commands(view["commands"])
    parts += [Text(line) for line in view["cut"]]
    if view["state"] == "interrupted":
        parts.append(Text(f"go on with: autotune resume {view['study']}{_where(history)}"))
    return Group(*parts)


def _commands(rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """What people asked for, the last ten times."""
    if not rows:
        return []
    lines = [
        f"{datetime.fromtimestamp(row['at']):%Y-%m-%d %H:%M:%S}  {row['command']}: {row['answer']}"
        for row in rows[-10:]
    ]
    return [Text(""), Text("asked for by hand", "bold"), *map(Text, lines)]


def chosen(found: Columns, most: int | None = None) -> RenderableType:
    """The columns that a person asked for; `most` trials, None: all."""
    table = _table("trial", *found.names)
    for row in found.rows[:most]:
        cells = [row.get(name) for name in found.names]
        shown = [number(c) if isinstance(c, float) else "-" if c is None else str(c) for c in cells]
        table.add_row(str(row["trial"]), *map(Text, shown))
    left = len(found.rows) - len(found.rows[:most])
    return Group(table, *[Text(f"... and {left} more", "dim")] * bool(left))


def _trials(history: History, rows: Sequence[Mapping[str, Any]], most: int | None) -> Table:
    first, *others = [objective.metric for objective in history.spec.objectives]
    kept = ["breaks"] if history.spec.constraints else []
    table = _table("trial", "state", first, *others, *kept, "steps", "seconds", "params")
    best = history.pareto() if others else history.top(len(rows)) if kept else []
    places = {run.trial: place for place, run in enumerate(best)}
    order = relevance.columns(history)

    def rank(row: Mapping[str, Any]) -> tuple[int, bool, float]:
        value = _value(row)
        place = places.get(row["number"], len(places))
        return place, value is None, history.better(value) if value is not None else 0.0

    for row in sorted(rows, key=rank)[:most]:
        reason = row["reason"] or row.get("why")
        word = f"{row['state']}({reason})" if reason else str(row["state"])
        table.add_row(
            str(row["number"]),
            Text(word, style=_STYLE.get(row["state"], "")),
            score(_value(row)),
            *[score(row["values"].get(metric)) for metric in others],
            *[", ".join(row["breaks"]) for _ in kept],
            str(row["steps"]),
            f"{row['seconds']:.1f}",
            # What does not fit is cut: a wrapped row is hard to read as a row.
            Text(params(_in_order(row["params"], order)), no_wrap=True, overflow="ellipsis"),
        )
    return table


def _in_order(values: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    return {name: values[name] for name in order if name in values}


def _value(row: Mapping[str, Any]) -> float | None:
    """Of a trial that has not ended: its value so far."""
    found: float | None = row.get("so_far", row["value"])
    return found


def _confirmations(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("retrained trial", "to", "seed", "value", "test")
    for row in rows:
        to = "choose" if row["purpose"] == Purpose.CONFIRM else "verify"
        whole = row["state"] == State.COMPLETE  # that of one that was cut says nothing
        scores = score(row["value"] if whole else None), score(row["test"])
        table.add_row(str(row["trial"]), to, str(row["seed"]), *scores)
    return table


def trial(history: History, which: int) -> RenderableType:
    view = views.trial(history, which)
    metric = history.spec.objective.metric
    curve = [metrics[metric] for metrics in view["reports"].values() if metric in metrics]
    rows = [("state", view["state"])]
    if view["reason"]:
        rows.append(("reason", f"{view['reason']}: {view['message']}"))
    elif view["message"]:
        rows.append(("note", view["message"]))
    rows += [(metric, f"{score(_value(view))}  {sparkline(curve)}")]
    rows += [("steps", f"{view['steps']}, {view['seconds']:.1f} s"), ("seed", str(view["seed"]))]
    rows += [("asked for", said) for said in [view.get("asked")] if said]
    rows += [(name, str(value)) for name, value in view["params"].items()]
    if view["worker"]:
        rows.append(("worker", view["worker"]))
    rows.append(("rerun it", f"autotune train {history.config_file(history.trials[which])}"))
    width = max(len(name) for name, _ in rows)
    lines = [f"trial {view['number']} of study {history.spec.name}"]
    return Text("\n".join(lines + [f"{name:<{width}}  {value}" for name, value in rows]))


def sparkline(curve: Sequence[float]) -> str:
    """At most 60 of its points as bars between its lowest and its highest."""
    if not curve:
        return ""
    points = curve if len(curve) <= 60 else [curve[i * len(curve) // 60] for i in range(60)]
    low, span = min(points), (max(points) - min(points)) or 1.0
    return "".join(_BARS[int((point - low) / span * (len(_BARS) - 1))] for point in points)


def best(history: History) -> RenderableType:
    """The winner, with the search's own score beside the confirmed one; of several objectives
    the Pareto set before it."""
    found = views.winner(history)
    lines = [*_broken(found), *_scores(history, found)]
    lines.append(f"  {params(found.params)}")
    lines += budget.cut(history)
    if (state := views.state(history)) != "finished":
        lines.append(f"the study is {state}: this is the best so far")
    lines.append(f"export it: autotune export {history.spec.name}{_where(history)} -o best/")
    if len(history.spec.objectives) == 1:
        return Text("\n".join(lines))
    return Group(*_pareto(history), Text("\n".join(lines)))


def _broken(found: Best) -> list[str]:
    if not found.broken:
        return []
    return [f"no trial keeps to the constraints; the one that breaks them least: {found.broken[0]}"]


def _scores(history: History, found: Best) -> list[str]:
    metric, lines = history.spec.objective.metric, list[str]()
    if found.scored is not None:
        lines += _confirmed(metric, found, found.scored)
        # A difference of nothing has no sign.
        shrinkage = round(found.scored.mean - found.value, 4) + 0.0
        more = ", ".join(filter(None, (found.progress, f"{shrinkage:+.4f} on retraining")))
        lines.append(f"  the search saw {found.value:.4f} ({more})")
    else:
        more = ", ".join(filter(None, (found.progress, "not confirmed")))
        lines.append(f"best: trial {found.trial}, {metric} {found.value:.4f} ({more})")
    others = list(history.values(history.trials[found.trial]).items())[1:]
    lines += [f"  {name} {value:.6g}" for name, value in others]
    if found.test is not None:
        spread = f" ± {found.test_std:.4f}" if found.test_std is not None else ""
        lines.append(f"  test {metric.removeprefix('val_')} {found.test:.4f}{spread}")
    return lines


def _confirmed(metric: str, found: Best, scored: Confirmed) -> Iterator[str]:
    """The score of a winner that was retrained, how sure it is, and how the winner was chosen."""
    seeds = f"{len(scored.values)} fresh seed{'s' * (len(scored.values) != 1)}{scored.failures}"
    head = f"best: trial {found.trial}, {metric} {scored.told('.4f', '.4f')} over {seeds}"
    if found.interval:
        head += ", 95 % interval {:.4f} to {:.4f}".format(*found.interval)
    yield head
    if found.selected:
        much = "" if found.bias is None else f", by up to {found.bias:.4f} on average"
        yield f"  these seeds also chose it from {found.among} trials: it is too good{much}"
    elif found.verified and found.chosen:
        words = f"{found.chosen.told('.4f', '.4f')} over {len(found.chosen.values)} other seeds"
        yield f"  chosen from {found.among} trials by {words}"


def _pareto(history: History) -> list[RenderableType]:
    """The trials that none dominates, by the first objective, and how one of them was picked."""
    rows = views.pareto(history)
    if not rows:
        return []
    first = history.spec.objective
    table = _table("", "trial", "state", *rows[0]["values"], "params")
    for row in sorted(rows, key=lambda row: first.loss(row["values"][first.metric])):
        values = [f"{value:.6g}" for value in row["values"].values()]
        sign = "*" if row == rows[0] else ""
        text = Text(params(row["params"]), no_wrap=True, overflow="ellipsis")
        state = Text(row["state"], style=_STYLE.get(row["state"], ""))
        table.add_row(sign, str(row["trial"]), state, *values, text)
    pick = history.spec.pick
    rule = f"{pick.metric} within {pick.within:g} of the best" if pick else "the knee"
    head = f"Pareto set: {len(rows)} of {len(history.trials)} trials; * is picked: {rule}"
    return [Text(head, style="bold"), table]


def _where(history: History) -> str:
    """The option by which a command finds the study; "" in the default runs folder."""
    runs = history.folder.parent
    relative = os.path.relpath(runs)
    shown = runs if relative.startswith("..") else relative
    return "" if relative == "runs" else f" --runs {shown}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        side: Literal["left", "right"] = "right" if column in _NUMBERS else "left"
        # In a narrow terminal the params give way first.
        table.add_column(column, justify=side, no_wrap=column != "params")
    return table
