"""The Pareto front, who worked when, and why trials failed."""

from collections.abc import Callable
from functools import partial

from autotune.errors import UserError
from autotune.report.charts.chart import (
    Axis,
    Bars,
    Cell,
    Chart,
    Colour,
    Layer,
    Line,
    Points,
    Section,
    Table,
)
from autotune.report.charts.words import counted, duration, listed, params, percent, plain, score
from autotune.report.findings.failures import Common, FailureGroup
from autotune.report.findings.study import Findings
from autotune.report.findings.workers import Span, WorkersFacts
from autotune.trial import Goal, Purpose

__all__ = ["failures", "pareto", "timeline"]

_MOST_MESSAGES = 10


def pareto(findings: Findings) -> Section:
    """Raises UserError for one objective, and where no trial has all values."""
    facts, history = findings.trials, findings.history
    if len(facts.metrics) < 2:
        raise UserError(
            f"a Pareto front needs two objectives: study {facts.study!r} has one, {facts.metric}"
        )
    front = history.pareto()
    if not front:
        raise UserError(f"no trial of study {facts.study!r} has a value by every objective")
    picked, numbers = front[0].trial, {run.trial for run in front}
    charts = tuple(
        _plane(findings, 0, other, numbers, picked) for other in range(1, len(facts.metrics))
    )
    rows: list[tuple[Cell, ...]] = [
        (run.trial, str(run.state), *history.values(run).values(), params(run.params))
        for run in front
    ]
    columns = ("trial", "state", *facts.metrics, "parameters")
    return Section(
        "pareto",
        "Pareto front",
        _pareto_says(findings, picked),
        charts,
        (Table("The Pareto front, the picked trial first", columns, tuple(rows)),),
    )


def _plane(findings: Findings, x: int, y: int, front: set[int], picked: int) -> Chart:
    facts = findings.trials
    known = [t for t in facts.trials if t.values]
    layers: list[Layer] = []
    looks: tuple[tuple[str, Colour, float, bool], ...] = (
        ("dominated", "muted", 6, False),
        ("Pareto front", "accent", 9, True),
    )
    for name, colour, size, inside in looks:
        own = [t for t in known if (t.number in front) == inside and t.number != picked]
        if own:
            texts = [f"trial {t.number}\n{params(t.params)}" for t in own]
            xs, ys = [t.values[x] for t in own], [t.values[y] for t in own]
            layers.append(Points(name, xs, ys, colour, "circle", size, texts))
    if len(facts.metrics) == 2:
        line = sorted(t.values for t in known if t.number in front)
        layers.append(
            Line("", [v[x] for v in line], [v[y] for v in line], "accent", 1, dashed=True)
        )
    one = facts.trials[picked].values
    layers.append(Points(f"picked, trial {picked}", [one[x]], [one[y]], "second", "star", 14))
    names = [facts.metrics[x], facts.metrics[y]]
    better = [_towards(facts.goals[axis]) for axis in (x, y)]
    alt = f"{names[1]} against {names[0]} of every trial; the Pareto front is marked"
    across, up = (Axis(f"{n} ({way} is better)") for n, way in zip(names, better, strict=True))
    return Chart(f"{names[1]} against {names[0]}", alt, across, up, tuple(layers))


def _towards(goal: Goal) -> str:
    return "lower" if goal == Goal.MINIMIZE else "higher"


def _pareto_says(findings: Findings, picked: int) -> tuple[str, ...]:
    facts, history = findings.trials, findings.history
    front, known = history.pareto(), sum(bool(t.values) for t in facts.trials)
    pick = history.spec.pick
    rule = f"within {pick.within:g} of the best {pick.metric}" if pick else "the knee of the front"
    spans = []
    for place, metric in enumerate(facts.metrics):
        values = [facts.trials[run.trial].values[place] for run in front]
        spans.append(f"{metric} from {score(min(values))} to {score(max(values))}")
    no = "no other trial is better by every objective"
    return (
        f"{len(front)} of {counted(known, 'trial')} are on the Pareto front: {no}.",
        f"The front spans {listed(spans)}.",
        f"Trial {picked} is picked: {rule}.",
    )


def timeline(findings: Findings) -> Section:
    """Raises UserError where nothing was reported."""
    facts = findings.workers
    if not facts.lanes:
        raise UserError(f"no trial of study {findings.trials.study!r} has reported anything yet")
    groups: tuple[tuple[str, Colour, tuple[str, ...]], ...] = (
        ("complete", "accent", ("complete",)),
        ("stopped early or paused", "muted", ("pruned", "paused")),
        ("failed", "bad", ("failed",)),
        ("running", "third", ("running", "waiting")),
    )
    layers: list[Layer] = []
    for name, colour, states in groups:
        layers += _spans(name, colour, facts, partial(_searched, states))
    layers += _spans("retraining and test", "second", facts, _retrained)
    lanes = tuple(lane.worker for lane in facts.lanes)
    alt = "what each worker did when; gaps are idle time"
    height = 140 + 34 * min(len(lanes), 40)
    x = Axis("seconds of the study's running time", range=(0.0, facts.wall))
    chart = Chart(
        "Workers", alt, x, Axis("", categories=lanes, downwards=True), tuple(layers), height
    )
    return Section("timeline", "Workers", _timeline_says(facts), (chart,), (_lanes(facts),))


def _searched(states: tuple[str, ...], span: Span) -> bool:
    return span.purpose == Purpose.SEARCH and span.state in states


def _retrained(span: Span) -> bool:
    return span.purpose != Purpose.SEARCH


def _spans(
    name: str, colour: Colour, facts: WorkersFacts, wanted: Callable[[Span], bool]
) -> list[Layer]:
    own = [(lane.worker, span) for lane in facts.lanes for span in lane.spans if wanted(span)]
    if not own:
        return []
    texts = [
        f"{span.label}, {span.state}\n{duration(span.length)}, of which {duration(span.trained)} "
        "training"
        for _, span in own
    ]
    return [
        Bars(
            name,
            [worker for worker, _ in own],
            [span.length for _, span in own],
            colour,
            [span.begin for _, span in own],
            texts,
        )
    ]


def _timeline_says(facts: WorkersFacts) -> tuple[str, ...]:
    whole = facts.wall * facts.count
    was = "was" if facts.count == 1 else "were"
    said = [
        f"{counted(facts.count, 'worker')} {was} busy {percent(min(facts.busy, whole), whole)} of "
        f"{duration(facts.wall)}; {duration(facts.idle)} of worker time was idle."
    ]
    if facts.trained <= facts.busy:  # else the user's own reports are not by the clock
        said.append(
            f"Training steps were {percent(facts.trained, facts.busy)} of the busy time; the rest "
            "went into starting, loading data, reporting and proposing."
        )
    return tuple(said)


def _lanes(facts: WorkersFacts) -> Table:
    rows = [
        (
            lane.worker,
            len(lane.spans),
            round(lane.busy, 3),
            round(max(facts.wall - lane.busy, 0.0), 3),
            round(sum(span.trained for span in lane.spans), 3),
        )
        for lane in facts.lanes
    ]
    columns = ("worker", "pieces of work", "busy, s", "idle, s", "training steps, s")
    return Table("Workers", columns, tuple(rows))


def failures(findings: Findings) -> Section:
    groups, facts = findings.failures, findings.trials
    if not groups:
        return Section("failures", "Failures", ("No trial failed.",))
    count = sum(len(group.trials) for group in groups)
    by = [f"{len(group.trials)} {group.reason}" for group in groups]
    said = [f"{count} of {counted(len(facts.trials), 'trial')} failed: {listed(by)}."]
    said += [_common(group.reason, group.common) for group in groups if group.common]
    if not any(group.common for group in groups):
        said.append("No parameter sets them apart from the others by more than luck.")
    reasons = [group.reason for group in groups]
    bars = Bars("failed trials", reasons, [float(len(group.trials)) for group in groups], "bad")
    chart = Chart(
        "Failed trials by reason",
        "how many trials failed for each reason",
        Axis("trials"),
        Axis("", categories=tuple(reasons), downwards=True),
        (bars,),
        120 + 40 * len(groups),
    )
    return Section("failures", "Failures", tuple(said), (chart,), (_messages(groups),))


def _common(reason: str, common: Common) -> str:
    value, sign = plain(common.value), {"is": "="}.get(common.sign, common.sign)
    return (
        f"{common.failed} of the {common.of} that failed by {reason} have {common.parameter} "
        f"{sign} {value}, as {common.there} of all ended trials have "
        f"(by luck: {max(100 * common.chance, 0.01):.2g} % at most)."
    )


def _messages(groups: list[FailureGroup]) -> Table:
    rows = [
        (group.reason, times, message)
        for group in groups
        for message, times in group.messages[:_MOST_MESSAGES]
    ]
    rows += [(group.reason, len(group.trials), "") for group in groups if not group.messages]
    which = [f"{g.reason}: {', '.join(map(str, g.trials[:50]))}" for g in groups]
    return Table("Messages", ("reason", "trials", "message"), tuple(rows), "; ".join(which))
