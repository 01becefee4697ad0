"""What the parameters did: importance, slices, parallel coordinates, contour."""

from collections.abc import Mapping, Sequence

from autotune.errors import UserError
from autotune.report.charts.chart import (
    Axis,
    Bars,
    Cell,
    Chart,
    Heat,
    Label,
    Layer,
    Line,
    Points,
    Region,
    Section,
    Table,
)
from autotune.report.charts.words import counted, listed, number, percent, plain, score
from autotune.report.findings.importance import SHUFFLES, Importance
from autotune.report.findings.slices import Slice
from autotune.report.findings.study import Findings
from autotune.report.findings.trials import TrialFacts
from autotune.search.encode import encode
from autotune.space import Categorical, Parameter
from autotune.trial import Goal, Scalar

__all__ = ["contour", "importance", "parallel", "slices"]

_MOST_SLICES = 12
_MOST_LINES = 200


def importance(findings: Findings) -> Section:
    facts = findings.importance
    if not facts.parameters:
        few = facts.scored < facts.fewest
        why = f"{facts.fewest} are needed" if few else "their scores, or parameters, are all alike"
        says = (f"{counted(facts.scored, 'trial')} have a score: {why} to ask what mattered.",)
        return Section("importance", "Importance", says)
    shown = facts.parameters[:20]
    names = [one.parameter for one in shown]
    layers: list[Layer] = []
    for name, colour, wanted in (
        ("above luck", "accent", True),
        ("not above luck", "muted", False),
    ):
        own = [one for one in shown if one.matters == wanted]
        if own:
            texts = [_told(one) for one in own]
            rows, values = [one.parameter for one in own], [one.value for one in own]
            layers.append(Bars(name, rows, values, colour, hover=texts))  # type: ignore[arg-type]
    most = 1.15 * max(one.value for one in shown)
    floors = [min(one.floor, most) for one in shown]
    texts = [f"{one.parameter}\nluck gives up to {number(one.floor)}" for one in shown]
    layers.append(Points("limit of luck", floors, names, "second", "diamond", 10, texts))
    alt = "the importance of each parameter, and the limit of luck"
    axis = Axis("importance (share of all)", range=(0, most))
    height = 150 + 28 * len(shown)
    y = Axis("", categories=tuple(names), downwards=True)
    chart = Chart("Importance by PED-ANOVA", alt, axis, y, tuple(layers), height)
    return Section("importance", "Importance", _says(findings), (chart,), (_table(findings),))


def _told(one: Importance) -> str:
    return f"{one.parameter}: {number(one.value)}\nluck gives up to {number(one.floor)}"


def _says(findings: Findings) -> tuple[str, ...]:
    facts = findings.importance
    matter = [one for one in facts.parameters if one.matters]
    rest = len(facts.parameters) - len(matter)
    how = (
        f"PED-ANOVA compares the best {percent(facts.quantile, 1)} of {facts.scored} trials with "
        f"all of them; {facts.stopped} did not run to the end and count by what they reached."
    )
    luck = (
        f"The limit of luck is what 1 in 100 of {SHUFFLES} shuffles of the scores exceeds, for "
        "each parameter by itself."
    )
    if not matter:
        no = "No parameter can be called important: none exceeds what luck gives."
        return no, how, luck
    told = listed(f"{one.parameter} ({number(one.value)})" for one in matter)
    said = f"What mattered: {told}."
    if rest:
        said += f" Of the other {rest} nothing can be said: they are not above luck."
    return said, how, luck


def _table(findings: Findings) -> Table:
    model = findings.surrogate
    rows = [
        (
            one.parameter,
            one.value,
            one.floor,
            "yes" if one.matters else "no",
            one.trials,
            model.rates.get(one.parameter) if model else None,
        )
        for one in findings.importance.parameters
    ]
    columns = (
        "parameter",
        "importance",
        "limit of luck",
        "above luck",
        "trials",
        "rate in the model",
    )
    note = (
        "trials: those with a score in which the parameter is active. Rate in the model: how fast "
        "the sampler's own model lets the score change along the whole range; near 0: hardly."
    )
    return Table("Importance", columns, tuple(rows), note)


def slices(findings: Findings) -> Section:
    """Raises UserError where nothing is searched that any trial with a value has."""
    found = findings.slices
    if not found:
        raise UserError(f"no trial of study {findings.trials.study!r} has a value yet")
    charts = tuple(_slice(one, findings) for one in found[:_MOST_SLICES])
    says = [_region(one, findings) for one in found if one.parameter in findings.importance.order]
    if not says:
        says = ["No parameter is above luck, so that no region can be called the best."]
    says.append("Shaded: where the best tenth of the trials lies.")
    if len(found) > _MOST_SLICES:
        says.append(f"Drawn: {_MOST_SLICES} of {len(found)} parameters.")
    return Section("slices", "Parameters one by one", tuple(says), charts, (_regions(found),))


def _slice(one: Slice, findings: Findings) -> Chart:
    facts = findings.trials
    best = set(one.best)
    layers: list[Layer] = []
    if one.span:
        low, high = one.span
        layers.append(Region(low, high, "best tenth"))
    for name, colour, symbol, inside in (
        ("other trials", "muted", "circle", False),
        ("best tenth", "accent", "diamond", True),
    ):
        own = [facts.trials[number] for number in one.trials if (number in best) == inside]
        if own:
            xs = [_x(t.params[one.parameter], one) for t in own]
            texts = [
                f"trial {t.number}: {score(t.value)}\n{plain(t.params[one.parameter])}" for t in own
            ]
            ys = [t.value for t in own]
            layers.append(Points(name, xs, ys, colour, symbol, 6, texts))  # type: ignore[arg-type]
    axis = Axis(one.parameter, one.log, tuple(map(plain, one.choices)))
    if not one.choices:
        axis = Axis(one.parameter, one.log, range=(one.low, one.high))
    alt = f"{facts.metric} of each trial by its {one.parameter}"
    return Chart(one.parameter, alt, axis, Axis(facts.metric), tuple(layers), 280)


def _x(value: Scalar, one: Slice) -> float | str:
    return plain(value) if one.choices else float(value)  # type: ignore[arg-type]


def _region(one: Slice, findings: Findings) -> str:
    of = f"the best {len(one.best)} trials"
    whole = len(one.trials)
    if one.span:
        low, high = number(one.span[0]), number(one.span[1])
        where = f"at {low}" if low == high else f"from {low} to {high}"
        return f"{one.parameter}: {of} lie {where}, where {one.inside} of {whole} trials lie."
    told = listed(f"{plain(choice)} ({count})" for choice, count in one.counts)
    return f"{one.parameter}: {of} have {told}."


def _regions(found: Sequence[Slice]) -> Table:
    rows = [
        (
            one.parameter,
            "log" if one.log else "choices" if one.choices else "linear",
            *(one.span or (None, None)),
            ", ".join(f"{plain(choice)} {count}" for choice, count in one.counts),
            len(one.best),
            one.inside,
            len(one.trials),
        )
        for one in found
    ]
    columns = (
        "parameter",
        "scale",
        "lowest",
        "highest",
        "choices",
        "best",
        "in the region",
        "trials",
    )
    return Table("Where the best tenth lies", columns, tuple(rows))


def parallel(findings: Findings) -> Section:
    """Raises UserError where no trial has a value."""
    facts, space = findings.trials, findings.history.spec.space
    known = facts.with_value
    if not known:
        raise UserError(f"no trial of study {facts.study!r} has a value yet")
    names = [name for name in findings.names if any(name in t.params for t in known)]
    best = {t.number for t in facts.best_tenth}
    shown = known if len(known) <= _MOST_LINES else _thinned(known, best)
    layers: list[Layer] = []
    heights = _heights(findings)
    first = findings.answer.best.trial if findings.answer.best else -1
    for name, colour, width, opacity, own in (
        ("other trials", "muted", 0.8, 0.35, [t for t in shown if t.number not in best | {first}]),
        ("best tenth", "accent", 1.6, 0.9, [t for t in shown if t.number in best - {first}]),
        (f"winner, trial {first}", "second", 3.5, 1.0, [t for t in shown if t.number == first]),
    ):
        if own:
            strokes = [_stroke(t, names, space.parameters, heights[t.number]) for t in own]
            xs = [float(x) if x is not None else None for s in strokes for x in s[0]]
            ys = [y for s in strokes for y in s[1]]
            texts = [text for s in strokes for text in s[2]]
            layers.append(Line(name, xs, ys, colour, width, opacity, hover=texts))  # type: ignore[arg-type]
    layers += [label for x, n in enumerate(names) for label in _ends(x, space.parameters[n])]
    values = [t.value for t in known if t.value is not None]
    place = float(len(names))
    layers += [
        Label(place, 1.0, score(_pick(facts.goal, values)), "above"),
        Label(place, 0.0, score(_pick(facts.goal, values, worst=True)), "below"),
    ]
    words = [name.replace(".", "\n.").replace("_", "_\n") for name in (*names, facts.metric)]
    ticks = [(float(x), word) for x, word in enumerate(words)]
    x = Axis("", ticks=tuple(ticks), range=(-0.3, place + 0.3))
    y = Axis("", ticks=((-0.25, "inactive"),), range=(-0.32, 1.12))
    alt = "each trial as a line through its parameters' values, ending at its score"
    width = 90 * (len(names) + 1)
    chart = Chart("Parallel coordinates", alt, x, y, tuple(layers), 460, width)
    says = _agree(findings, len(shown), len(known))
    return Section("parallel", "Parallel coordinates", says, (chart,), (_params(findings, names),))


def _pick(goal: Goal | None, values: Sequence[float], worst: bool = False) -> float:
    down = goal == Goal.MINIMIZE
    return min(values) if down != worst else max(values)


def _thinned(known: Sequence[TrialFacts], best: set[int]) -> list[TrialFacts]:
    rest = [t for t in known if t.number not in best]
    room = max(_MOST_LINES - len(best), 1)
    step = len(rest) / room
    spaced = {rest[int(i * step)].number for i in range(room)} if rest else set()
    return [t for t in known if t.number in best | spaced]


def _heights(findings: Findings) -> dict[int, float]:
    """By trial: how good its value is, from 0 (the worst) to 1, by rank."""
    facts = findings.trials
    known = facts.with_value
    order = sorted(known, key=lambda t: -_loss(facts.goal, t.value or 0.0))
    last = max(len(order) - 1, 1)
    return {t.number: rank / last for rank, t in enumerate(order)}


def _loss(goal: Goal | None, value: float) -> float:
    return goal.loss(value) if goal else value


_Stroke = tuple[list[float | None], list[float | None], list[str]]


def _stroke(
    trial: TrialFacts, names: Sequence[str], parameters: Mapping[str, Parameter], height: float
) -> _Stroke:
    ys: list[float | None] = []
    texts = []
    for name in names:
        inactive = name not in trial.params
        value = trial.params.get(name)
        ys.append(-0.25 if inactive else _unit(parameters[name], value))
        texts.append(f"trial {trial.number}\n{name} {'inactive' if inactive else plain(value)}")
    texts += [f"trial {trial.number}: {score(trial.value)}", ""]
    return [*map(float, range(len(names) + 1)), None], [*ys, height, None], texts


def _unit(parameter: Parameter, value: Scalar) -> float:
    if isinstance(parameter, Categorical):
        last = max(len(parameter.choices) - 1, 1)
        return parameter.choices.index(value) / last
    return min(max(encode(parameter, float(value)), 0.0), 1.0)  # type: ignore[arg-type]


def _ends(x: int, parameter: Parameter) -> list[Label]:
    if isinstance(parameter, Categorical):
        last = max(len(parameter.choices) - 1, 1)
        return [Label(x, i / last, plain(c)[:14]) for i, c in enumerate(parameter.choices[:12])]
    ends = ((0.0, parameter.low, "below"), (1.0, parameter.high, "above"))
    return [Label(x, y, number(float(end)), side) for y, end, side in ends]  # type: ignore[arg-type]


def _agree(findings: Findings, shown: int, there: int) -> tuple[str, ...]:
    """What the best tenth have in common, of the parameters that matter."""
    best = findings.trials.best_tenth
    same = []
    for one in findings.slices:
        if one.parameter not in findings.importance.order or len(one.best) < len(best):
            continue
        if one.span and one.inside <= 0.5 * len(one.trials):
            low, high = number(one.span[0]), number(one.span[1])
            same.append(f"{one.parameter} {low}" + (f" to {high}" if low != high else ""))
        elif len(one.counts) == 1:
            same.append(f"{one.parameter} {plain(one.counts[0][0])}")
    told = (
        f"The best {len(best)} trials share {listed(same)}."
        if same
        else (f"The best {len(best)} trials share no value of a parameter that mattered.")
    )
    said = [told, "The last axis is the rank of the score, the best at the top."]
    if shown < there:
        said.append(f"Drawn: {shown} of {there} trials, the best tenth and others evenly spaced.")
    return tuple(said)


def _params(findings: Findings, names: Sequence[str]) -> Table:
    facts = findings.trials
    order = [facts.trials[number] for number in facts.top]
    rows = [(t.number, t.value, *(t.params.get(name) for name in names)) for t in order]
    return Table("Trials, the best first", ("trial", facts.metric, *names), tuple(rows))


def contour(findings: Findings) -> Section:
    """Raises UserError where the model, or a pair of parameters, is missing."""
    facts, found = findings.trials, findings.contour
    if found is None:
        raise UserError(
            f"a contour needs a winner with two parameters, and a model of at least 8 scores and 3 "
            f"different values of whole trainings: study {facts.study!r} has not got them"
        )
    metric, goal = findings.answer.metric, findings.answer.goal
    space = findings.history.spec.space
    x, y = (_scale(space.parameters[name], name) for name in (found.x, found.y))
    told = [value for row in found.values for value in row]
    xs, ys = _values(found.xs, x), _values(found.ys, y)
    layers: list[Layer] = [Heat(xs, ys, found.values, metric, goal == Goal.MINIMIZE)]
    own = [t for t in facts.trials if found.x in t.params and found.y in t.params]
    at = [(_values([t.params[found.x]], x)[0], _values([t.params[found.y]], y)[0]) for t in own]
    texts = [f"trial {t.number}: {score(t.value)}" for t in own]
    layers.append(
        Points("trials", [a for a, _ in at], [b for _, b in at], "ink", "circle", 4, texts)
    )
    params = facts.trials[found.trial].params
    here = _values([params[found.x]], x), _values([params[found.y]], y)
    layers.append(Points(f"winner, trial {found.trial}", *here, "second", "star", 14))
    alt = f"{metric} that the model predicts over {found.x} and {found.y}"
    chart = Chart(f"Predicted {metric}", alt, x, y, tuple(layers), 420)
    rows: list[tuple[Cell, ...]] = [
        (plain(b), *row) for b, row in list(zip(found.ys, found.values, strict=True))[::4]
    ]
    columns = (f"{found.y} \\ {found.x}", *map(plain, found.xs))
    best_x, best_y, best = found.best
    says = (
        f"The model expects the best {metric}, {score(best)}, at {found.x} {plain(best_x)} and "
        f"{found.y} {plain(best_y)}, all else as in trial {found.trial}.",
        "This is a prediction by the sampler's own model, fitted to all trials; nobody trained it. "
        f"The darkest is {score(_pick(goal, told, worst=True))}, the worst of the complete trials "
        "that it may predict, or worse.",
    )
    table = Table("Predictions", columns, tuple(rows), "Every fourth row.")
    return Section("contour", "The two that matter most", says, (chart,), (table,))


def _scale(parameter: Parameter, name: str) -> Axis:
    if isinstance(parameter, Categorical):
        return Axis(name, categories=tuple(map(plain, parameter.choices)))
    return Axis(name, parameter.log, range=(float(parameter.low), float(parameter.high)))


def _values(values: Sequence[Scalar], axis: Axis) -> list[float | str | None]:
    if axis.categories:
        return [plain(value) for value in values]
    return [float(value) for value in values]  # type: ignore[arg-type]
