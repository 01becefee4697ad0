"""Single plots of a study, as files and as figures of plotly."""

from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UserError, nearest
from autotune.files import write_atomically
from autotune.report.charts.chart import Chart, Section
from autotune.report.charts.kinds import KINDS
from autotune.report.findings.study import Findings
from autotune.study.history import History

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["FORMATS", "figure", "section", "target", "write"]

FORMATS = ("html", "svg", "png")


def section(history: History, kind: str, metric: str | None = None) -> Section:
    """Raises UserError for an unknown kind, and where the study has nothing to show for it."""
    if kind not in KINDS:
        raise UserError(f"there is no plot {kind!r}{nearest(kind, KINDS)}")
    if metric is not None and kind not in ("history", "curves"):
        raise UserError(f"--metric changes the plots history and curves alone, not {kind}")
    found = KINDS[kind](Findings(history, metric))
    if not found.charts:
        raise UserError(f"study {history.spec.name!r} has no plot of {kind}: {found.says[0]}")
    return found


def figure(history: History, kind: str, metric: str | None = None, title: str = "") -> "Figure":
    """The chart of that title, the first one if not given."""
    from plotly.graph_objects import Figure

    from autotune.report.charts.plotly import LIGHT, coloured
    from autotune.report.charts.plotly import figure as made

    charts = section(history, kind, metric).charts
    chart = next((one for one in charts if one.title == title), None) if title else charts[0]
    if chart is None:
        titles = [one.title for one in charts]
        raise UserError(f"{kind} has no plot of {title!r}{nearest(title, titles)}")
    values = coloured(made(chart, title=True), {**LIGHT, "plain": "#ffffff"})
    return Figure(values)


def target(kind: str, out: str | None) -> Path:
    """The file to write: `out`, or KIND.html; html, svg or png alone are KIND.html and so on."""
    path = Path(f"{kind}.{out or 'html'}") if out in (None, *FORMATS) else Path(str(out))
    if path.suffix[1:] not in FORMATS:
        raise UserError(f"-o must end with {', '.join('.' + f for f in FORMATS)}, but got {path}")
    return path


def write(history: History, kind: str, path: Path, metric: str | None, force: bool) -> Section:
    """Writes the plot to `path`, by its ending. Raises UserError for a file in the way."""
    if path.exists() and not force:
        raise UserError(f"{path} exists: give another file, or --force to replace it")
    found = section(history, kind, metric)
    if path.suffix == ".html":
        from autotune.report.page.html import page

        title = f"{found.title} of study {history.spec.name}"
        write_atomically(path, page(title, [found]))
    else:
        write_atomically(path, _image(found.charts, path.suffix[1:]))
    return found


def _image(charts: tuple[Chart, ...], kind: str) -> bytes:
    from autotune.report.charts.matplotlib import image

    return image(charts, kind)
