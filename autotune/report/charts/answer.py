"""The answer in front of a report, and what stands at its end: where and how it ran."""

from collections.abc import Iterator
from datetime import UTC, datetime

from autotune.report.charts.chart import Axis, Chart, Points, Section, Table
from autotune.report.charts.words import counted, duration, listed, number, plain, score, state
from autotune.report.findings.answer import Answer, Cost, Rival
from autotune.report.findings.environment import EnvironmentFacts
from autotune.report.findings.study import Findings
from autotune.study.winner import Best, Confirmed

__all__ = ["answer", "environment", "headline"]


def headline(found: Answer) -> str:
    """The answer in one line."""
    best, metric = found.best, found.metric
    if best is None:
        return f"No trial of {found.study} has a value."
    how = "is picked from the Pareto front" if found.picked else "won"
    if best.scored is None:
        how = how if found.picked else "is the best"
        return f"Trial {best.trial} {how}: {metric} {score(best.value)} in the search."
    spread = f" ± {best.std:#.2g}" if best.std is not None else ""
    seeds = counted(len(best.scored.values), "fresh seed")
    return f"Trial {best.trial} {how}: {metric} {score(best.scored.mean)}{spread} over {seeds}."


def answer(findings: Findings) -> Section:
    found = findings.answer
    says = [headline(found), *_sure(found), *_beat(found), _cost(found.cost), *found.cut]
    if found.state != "finished":
        says.insert(1, f"The study is {found.state}: this is the answer so far.")
    tables = [table for table in (_scores(found), _winner(found), _rivals(found)) if table.rows]
    charts = (_seeds(found),) if found.retrained else ()
    return Section("answer", "Answer", tuple(says), charts, tuple(tables))


def _seeds(found: Answer) -> Chart:
    """The retrainings, seed by seed."""
    groups = [(f"trial {group.trial}", group) for group in found.retrained]
    if found.best and found.best.verified:
        groups.insert(0, (f"trial {found.best.trial}, other seeds", found.best.verified))
    rows = [(name, value) for name, group in groups for value in group.values]
    searched = found.best.value if found.best else 0.0
    layers = (
        Points("one seed", [v for _, v in rows], [n for n, _ in rows], "muted", "circle", 8),
        Points(
            "mean", [g.mean for _, g in groups], [n for n, _ in groups], "accent", "diamond", 12
        ),
        Points("the winner in the search", [searched], [groups[0][0]], "second", "cross", 10),
    )
    names = tuple(name for name, _ in groups)
    y = Axis("", categories=names, downwards=True)
    alt = "the score of every retraining by configuration, and their means"
    height = 120 + 34 * len(names)
    return Chart("Retrainings", alt, Axis(found.metric), y, layers, height)


def _sure(found: Answer) -> Iterator[str]:
    best = found.best
    if best is None:
        return
    if best.broken:
        yield f"No trial keeps to the constraints; it breaks them least: {listed(best.broken)}."
    if best.scored is None:
        why = best.progress or "a complete trial"
        yield (
            f"It was not retrained ({why}): the best of {found.cost.trials_begun} noisy scores is "
            "too good, and how much is not known."
        )
    else:
        yield from _spread(found, best, best.scored)
    others = [f"{name} {score(value)}" for name, value in found.others.items()]
    if others:
        yield f"By the other objectives, in the search: {listed(others)}."
    if best.test is not None:
        spread = f" ± {best.test_std:#.2g}" if best.test_std is not None else ""
        name = found.metric.removeprefix("val_")
        yield f"On the test split, read once: {name} {score(best.test)}{spread}."
    elif best.scored:
        yield "There is no test score."


def _spread(found: Answer, best: Best, scored: Confirmed) -> Iterator[str]:
    if best.interval:
        low, high = map(score, best.interval)
        yield f"The 95 % t-interval of that mean is {low} to {high}{scored.failures}."
    elif best.selected:
        much = f", by up to {number(best.bias)} on average" if best.bias is not None else ""
        yield (
            f"These seeds also chose it from {counted(best.among, 'trial')}: the mean is too "
            f"good{much}, and no interval holds."
        )
    elif len(scored.values) > 1:
        yield "All seeds gave the same score, so that there is no interval."
    else:
        yield "One seed says nothing of the spread."
    if best.verified and best.chosen:
        told = best.chosen.told("#.4g", "#.2g")
        yield (
            f"It was chosen from {counted(best.among, 'retrained trial')} by the mean over "
            f"{len(best.chosen.values)} other seeds, {told}."
        )
    fell = found.goal.loss(scored.mean) - found.goal.loss(best.value)
    if round(abs(fell), 12):
        word = "worse" if fell > 0 else "better"
        seen = f"The search saw {score(best.value)}"
        yield f"{seen}: retraining came out {number(abs(fell))} {word}."


def _beat(found: Answer) -> Iterator[str]:
    if found.default:
        yield "It is the default configuration: the search found nothing better."
    searched = [one for one in found.rivals if not one.seeds]
    if searched and found.best:
        told = listed(f"{_name(one)} scored {score(one.value)}" for one in searched)
        yield f"In the search {told}."
    for one in found.rivals:
        if one.seeds:
            yield _by_seeds(one)


def _by_seeds(one: Rival) -> str:
    less, more = "worse" if one.gain > 0 else "better", abs(one.gain)
    told = f"Over {counted(one.seeds, 'seed')} each {_name(one)} came to {score(one.value)}"
    if not one.gain:
        return f"{told}, the same as the winner."
    said = f"{told}, {number(more)} {less} than the winner's {score(one.winner)}"
    if one.spread is not None and more < one.spread:
        said += (
            f": less than one standard deviation over the seeds ({one.spread:.2g}), so that these "
            "seeds do not tell the two apart"
        )
    return said + "."


def _name(one: Rival) -> str:
    return one.what + (f" (trial {one.trial})" if one.trial is not None else "")


def _cost(cost: Cost) -> str:
    states = listed(f"{count} {state(word)}" for word, count in cost.trials.items())
    gpu = f" It used {cost.gpu_hours:.3g} GPU hours." if cost.gpu_hours else ""
    return (
        f"It cost {duration(cost.wall)} of running time: {counted(cost.trials_begun, 'trial')} "
        f"({states}), {duration(cost.search)} of training in the search and "
        f"{duration(cost.confirmation)} in retraining.{gpu}"
    )


def _scores(found: Answer) -> Table:
    best = found.best
    if best is None:
        return Table("Scores", (), ())
    rows = [
        (f"search, trial {best.trial}", None, best.value, None, None, None),
        *_group("chosen by", best.chosen if best.verified else None),
        *_group("confirmed by" if best.verified or best.among < 2 else "chosen by", best.scored),
        *[("test split", None, best.test, best.test_std, None, None)] * (best.test is not None),
    ]
    columns = ("of", "seeds", f"{found.metric}, mean", "std", "95 % t-interval, low", "high")
    return Table("Scores of the winner", columns, tuple(rows))


def _group(what: str, group: Confirmed | None) -> Iterator[tuple[str | float | None, ...]]:
    if group is not None:
        low, high = group.interval or (None, None)
        yield what, len(group.values), group.mean, group.std, low, high


def _winner(found: Answer) -> Table:
    rows = [(name, plain(value)) for name, value in found.params.items()]
    return Table("Parameters of the winner", ("parameter", "value"), tuple(rows))


def _rivals(found: Answer) -> Table:
    rows = [
        (r.what, r.trial, r.value, r.winner, r.gain, f"means over {r.seeds} seeds that chose")
        if r.seeds
        else (r.what, r.trial, r.value, r.winner, r.gain, "scores of the search")
        for r in found.rivals
    ]
    columns = ("compared with", "trial", "its score", "the winner's", "better by", "both are")
    return Table("What the winner beat", columns, tuple(rows))


def environment(findings: Findings) -> Section:
    facts = findings.environment
    says = [f"{facts.headline}."]
    if facts.began:
        says.append(f"It ran from {_date(facts.began)} to {_date(facts.ended)} (UTC).")
    if facts.hosts:
        says.append(f"Workers ran on {listed(facts.hosts)}.")
    if facts.sampler:
        says.append(facts.sampler.rstrip(".") + ".")
    return Section("environment", "Environment and commands", tuple(says), (), _tables(facts))


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _tables(facts: EnvironmentFacts) -> tuple[Table, ...]:
    versions = tuple(facts.versions.items())
    return (
        Table("Commands", ("what", "command"), facts.commands),
        Table("Versions where this report was written", ("package", "version"), versions),
    )
