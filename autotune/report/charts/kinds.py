"""The kinds of plot by name, and the sections of a whole report."""

from collections.abc import Callable, Iterator, Mapping

from autotune.errors import UserError
from autotune.report.charts import ablation, answer, outcomes, parameters, progress
from autotune.report.charts.chart import Section
from autotune.report.findings.study import Findings

__all__ = ["KINDS", "sections"]

KINDS: Mapping[str, Callable[[Findings], Section]] = {
    "history": progress.history,
    "curves": progress.curves,
    "importance": parameters.importance,
    "slices": parameters.slices,
    "parallel": parameters.parallel,
    "contour": parameters.contour,
    "ablation": ablation.ablation,
    "pareto": outcomes.pareto,
    "timeline": outcomes.timeline,
    "failures": outcomes.failures,
}
"""In the order of a report. Each raises UserError where the study has nothing to show for it."""


def sections(findings: Findings) -> Iterator[Section]:
    """The answer first, then the Pareto front of several objectives. What the study has nothing to
    show for says so in a line."""
    yield answer.answer(findings)
    several = len(findings.trials.metrics) > 1
    for kind, make in sorted(KINDS.items(), key=lambda one: several and one[0] != "pareto"):
        if kind == "pareto" and not several:
            continue
        try:
            yield make(findings)
        except UserError as error:
            said = str(error)
            yield Section(kind, kind.capitalize(), (said[0].upper() + said[1:] + ".",))
    yield answer.environment(findings)
