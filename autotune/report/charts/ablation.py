"""The path from the default configuration to the winner, as the model sees it."""

from autotune.errors import UserError
from autotune.report.charts.chart import Axis, Cell, Chart, Line, Points, Section, Table
from autotune.report.charts.words import counted, number, plain, score
from autotune.report.findings.ablation import AblationFacts, Change
from autotune.report.findings.study import Findings

__all__ = ["ablation"]


def ablation(findings: Findings) -> Section:
    """Raises UserError where there is no model, or the winner is the default configuration."""
    facts, study = findings.ablation, findings.trials.study
    if facts is None:
        raise UserError(
            f"an ablation path needs a winner beside the default configuration, and a model of at "
            f"least 8 scores and 3 different values of whole trainings: study {study!r} has not "
            "got them"
        )
    begin = "default" if facts.believed else "middle of every range"
    names = (begin, *(_named(change) for change in facts.changes))
    values = [facts.predicted, *(change.predicted for change in facts.changes)]
    metric = findings.answer.metric
    layers = (
        Line("", values, names, "muted", 1.5),
        Points("by the model", values, names, "accent", "diamond", 10, list(map(score, values))),
    )
    y = Axis("", categories=names, downwards=True)
    alt = f"{metric} by the model after each change, from the default to the winner"
    height = 130 + 30 * len(names)
    chart = Chart("Ablation path", alt, Axis(f"{metric}, predicted"), y, layers, height)
    says = _says(facts, begin, metric)
    return Section("ablation", "From the default to the winner", says, (chart,), (_table(facts),))


def _named(change: Change) -> str:
    """The parameter that was changed, and its new value."""
    name = next((n for n in change.parameters if n in change.after), change.parameters[0])
    more = len(change.parameters) - 1
    said = f"{name} → {plain(change.after[name])}" if name in change.after else f"no {name}"
    return said + f" (+{more})" * bool(more)


def _says(facts: AblationFacts, begin: str, metric: str) -> tuple[str, ...]:
    end = facts.changes[-1].predicted
    path = counted(len(facts.changes), "change")
    said = [
        f"By the model, {path} lead from the {begin} ({metric} {score(facts.predicted)}) to trial "
        f"{facts.winner} ({score(end)})."
    ]
    best = max(facts.changes, key=lambda change: change.gain)
    if best.gain > 0:
        said.append(f"The most gains {_named(best)}: {number(best.gain)}.")
    else:
        said.append("No change on the path gains anything by the model.")
    said.append("These are predictions: nobody trained what lies between the two ends.")
    return tuple(said)


def _table(facts: AblationFacts) -> Table:
    rows: list[tuple[Cell, ...]] = [("", "", "", facts.predicted, None)]
    for change in facts.changes:
        rows.append(
            (
                ", ".join(change.parameters),
                ", ".join(plain(v) for v in change.before.values()),
                ", ".join(plain(v) for v in change.after.values()),
                change.predicted,
                change.gain,
            )
        )
    columns = ("parameter", "from", "to", "predicted", "better by")
    return Table("Ablation path by the model", columns, tuple(rows))
