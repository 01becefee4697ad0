"""How the search went: scores by trial, learning curves, and where trials were stopped."""

from collections.abc import Sequence

from autotune.report.charts.chart import Axis, Chart, Label, Layer, Line, Points, Section, Table
from autotune.report.charts.words import counted, duration, listed, params, score, state
from autotune.report.findings.study import Findings
from autotune.report.findings.trials import TrialFacts, TrialsFacts
from autotune.trial import State

__all__ = ["curves", "history"]

_MOST_CURVES = 120
_MOST_POINTS = 200
"""Of a curve; longer ones are thinned evenly."""
_LOOKS: tuple[tuple[str, tuple[State, ...], str, str], ...] = (
    ("stopped early", (State.PRUNED, State.PAUSED), "muted", "circle"),
    ("complete", (State.COMPLETE,), "accent", "circle"),
    ("running", (State.RUNNING, State.WAITING), "third", "triangle"),
)


def history(findings: Findings) -> Section:
    facts = findings.trials
    layers: list[Layer] = []
    for name, states, colour, symbol in _LOOKS:
        own = [t for t in facts.with_value if t.state in states]
        if own:
            layers.append(
                Points(
                    name,
                    [float(t.number) for t in own],
                    [t.value for t in own],
                    colour,  # type: ignore[arg-type]
                    symbol,  # type: ignore[arg-type]
                    hover=[_told(t, facts) for t in own],
                )
            )
    if facts.best:
        last = float(facts.trials[-1].number)
        xs = [float(number) for number, _ in facts.best] + [last]
        ys = [value for _, value in facts.best] + [facts.best[-1][1]]
        layers.append(Line("best so far", xs, ys, "second", stepped=True))
    layers += _confirmed(findings)
    alt = f"{facts.metric} of each trial by its number, and the best so far"
    title = f"{facts.metric} by trial"
    chart = Chart(title, alt, Axis("trial"), Axis(facts.metric), tuple(layers))
    return Section("history", "Search history", _history_says(facts), (chart,), (_all(facts),))


def _confirmed(findings: Findings) -> list[Layer]:
    best, facts = findings.answer.best, findings.trials
    if best is None or best.scored is None or facts.metric != findings.answer.metric:
        return []
    mean, low, high = best.scored.mean, 0.0, 0.0
    if best.interval:
        low, high = mean - best.interval[0], best.interval[1] - mean
    text = f"trial {best.trial} retrained: {score(mean)}"
    at = [float(best.trial)]
    error = (low, high) if best.interval else None
    return [Points("winner, retrained", at, [mean], "bad", "star", 13, [text], error)]


def _told(trial: TrialFacts, facts: TrialsFacts) -> str:
    how = f"{state(trial.state)}, {facts.unit} {trial.step}, {duration(trial.seconds)}"
    return f"trial {trial.number}: {score(trial.value)}\n{how}\n{params(trial.params)}"


def _history_says(facts: TrialsFacts) -> tuple[str, ...]:
    ended = listed(f"{count} {state(word)}" for word, count in facts.counts.items())
    first = f"{counted(len(facts.trials), 'trial')} began: {ended}."
    if not facts.best:
        return (first,)
    number, value = facts.best[-1]
    last = facts.trials[-1].number
    after = last - number
    then = f"the {after} trials after it did not beat it" if after > 1 else "it came last"
    if after == 1:
        then = "the trial after it did not beat it"
    said = f"Trial {number} has the search's best {facts.metric}, {score(value)}; {then}."
    if not facts.trials[number].values or len(facts.metrics) == 1:
        return first, said
    return first, said + " This is the first objective alone."


def _all(facts: TrialsFacts) -> Table:
    several = facts.metrics if len(facts.metrics) > 1 else (facts.metric,)
    rows = [
        (
            t.number,
            f"{t.state} ({t.reason})" if t.reason else str(t.state),
            *(
                t.values
                if len(several) > 1 and t.values
                else [t.value, *[None] * (len(several) - 1)]
            ),
            t.step,
            round(t.seconds, 3),
            params(t.params),
        )
        for t in facts.trials
    ]
    columns = ("trial", "state", *several, facts.unit + "s", "seconds", "parameters")
    return Table("All trials", columns, tuple(rows))


def curves(findings: Findings) -> Section:
    facts = findings.trials
    with_curve = [t for t in facts.trials if t.curve]
    shown = _chosen(with_curve, facts)
    best = findings.answer.best.trial if findings.answer.best else None
    layers: list[Layer] = []
    for name, states, colour in (
        ("stopped early", (State.PRUNED, State.PAUSED), "muted"),
        ("failed", (State.FAILED,), "bad"),
        ("running", (State.RUNNING, State.WAITING), "third"),
        ("complete", (State.COMPLETE,), "accent"),
    ):
        own = [t for t in shown if t.state in states and t.number != best]
        if own:
            opacity = 0.75 if colour == "muted" else 0.85
            layers.append(_strokes(name, own, colour, facts, 1.2, opacity))
    ends = [t for t in shown if t.state in (State.PRUNED, State.PAUSED)]
    if ends:
        xs, ys = [float(max(t.curve)) for t in ends], [t.curve[max(t.curve)] for t in ends]
        texts = [f"trial {t.number} stopped at {facts.unit} {t.step}" for t in ends]
        layers.append(Points("stopped here", xs, ys, "muted", "cross", 6, texts))
    if best is not None and facts.trials[best].curve:
        layers.append(
            _strokes(f"winner, trial {best}", [facts.trials[best]], "second", facts, 3, 1)
        )
    layers += [Label(rung.step, 0.0, str(rung.reached), "top") for rung in facts.rungs[:12]]
    log = bool(facts.rungs) and facts.rungs[-1].step >= 9 * facts.rungs[0].step
    alt = f"{facts.metric} of each trial by {facts.unit}; crosses mark where trials were stopped"
    places = tuple((float(rung.step), str(rung.step)) for rung in facts.rungs[:12])
    ticks = places if len(places) > 2 else None
    x = Axis(f"{facts.unit} (numbers above: trials that got so far)", log, ticks=ticks)
    y = Axis(facts.metric, range=_worth_seeing(facts))
    chart = Chart(f"Learning curves: {facts.metric}", alt, x, y, tuple(layers))
    says = _curves_say(facts, len(shown), len(with_curve))
    if y.range:
        says = (*says, "The picture shows the range of the better half of the trials.")
    return Section("curves", "Learning curves", says, (chart,), (_rungs(facts), _by_trial(facts)))


def _worth_seeing(facts: TrialsFacts) -> tuple[float, float] | None:
    """The range of the better half's curves, where all curves would press them flat."""
    half = [facts.trials[number] for number in facts.top[: -(-len(facts.top) // 2)]]
    near = [value for t in half for value in t.curve.values()]
    every = [value for t in facts.trials for value in t.curve.values()]
    if not near or max(near) - min(near) > (max(every) - min(every)) / 3:
        return None
    return min(near), max(near)


def _chosen(trials: Sequence[TrialFacts], facts: TrialsFacts) -> list[TrialFacts]:
    """All, or the best half of what may be drawn and others evenly spaced."""
    if len(trials) <= _MOST_CURVES:
        return list(trials)
    best = set(facts.top[: _MOST_CURVES // 2])
    rest = [t for t in trials if t.number not in best]
    step = len(rest) / (_MOST_CURVES - len(best))
    spaced = {rest[int(i * step)].number for i in range(_MOST_CURVES - len(best))}
    return [t for t in trials if t.number in best | spaced]


def _strokes(
    name: str, trials: Sequence[TrialFacts], colour: str, facts: TrialsFacts, *look: float
) -> Line:
    width, opacity = look
    xs: list[float | str | None] = []
    ys: list[float | str | None] = []
    texts: list[str] = []
    for trial in trials:
        steps = _thinned(list(trial.curve))
        xs += [*map(float, steps), None]
        ys += [*(trial.curve[step] for step in steps), None]
        texts += [f"trial {trial.number}, {facts.unit} {step}" for step in steps] + [""]
    return Line(name, xs, ys, colour, width, opacity, hover=texts)  # type: ignore[arg-type]


def _thinned(steps: list[int]) -> list[int]:
    if len(steps) <= _MOST_POINTS:
        return steps
    share = (len(steps) - 1) / (_MOST_POINTS - 1)
    return [steps[round(i * share)] for i in range(_MOST_POINTS)]


def _curves_say(facts: TrialsFacts, shown: int, there: int) -> tuple[str, ...]:
    stops = [f"{rung.stopped} at {facts.unit} {rung.step}" for rung in facts.rungs if rung.stopped]
    complete = facts.counts.get(State.COMPLETE, 0)
    if stops:
        more = stops[:6] + [f"{len(stops) - 6} more steps"] * (len(stops) > 6)
        told = f"Stopped early: {listed(more)}. {counted(complete, 'trial')} ran to the end."
    else:
        told = f"No trial was stopped early; {counted(complete, 'trial')} ran to the end."
    said = [told]
    if steps := [step for t in facts.trials for step in [len(t.curve)] if step]:
        full = (facts.last_step or max(steps)) * len(facts.trials)
        spent = sum(steps)
        if full > spent:
            said.append(
                f"The trials ran {counted(spent, facts.unit)}; all of them to the end would have "
                f"been {counted(full, facts.unit)}."
            )
    if shown < there:
        said.append(f"Drawn: {shown} of {there} curves, the best and others evenly spaced.")
    return tuple(said)


def _rungs(facts: TrialsFacts) -> Table:
    rows = [(rung.step, rung.reached, rung.stopped) for rung in facts.rungs]
    return Table(
        "Who was stopped where", (facts.unit, "trials that reached it", "stopped"), tuple(rows)
    )


def _by_trial(facts: TrialsFacts) -> Table:
    pick = facts.goal.best if facts.goal else max
    rows = [
        (t.number, str(t.state), max(t.curve), pick(t.curve.values()), t.curve[max(t.curve)])
        for t in facts.trials
        if t.curve
    ]
    what = "best" if facts.goal else "highest"
    columns = ("trial", "state", f"last {facts.unit}", what, "last")
    return Table(f"Curves of {facts.metric}", columns, tuple(rows))
