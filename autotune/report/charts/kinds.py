"""The kinds of plot by name, and the sections of a whole report."""

from collections.abc import Callable, Iterator, Mapping

from autotune.errors import UserError
from autotune.report.charts import answer, outcomes, parameters, progress
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
    "pareto": outcomes.pareto,
    "timeline": outcomes.timeline,
    "failures": outcomes.failures,
}
"""In the order of a report. Each raises UserError where the study has nothing to show for it."""


def sections(findings: Findings) -> Iterator[Section]:
    """The answer first; what the study has nothing to show for says so in a line, but for the
    Pareto front of one objective."""
    yield answer.answer(findings)
    for kind, make in KINDS.items():
        if kind == "pareto" and len(findings.trials.metrics) < 2:
            continue
        try:
            yield make(findings)
        except UserError as error:
            said = str(error)
            yield Section(kind, kind.capitalize(), (said[0].upper() + said[1:] + ".",))
    yield answer.environment(findings)
