"""Single plots: every kind in every format, and what cannot be drawn says why."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from autotune.api.study import Study
from autotune.errors import UserError
from autotune.report import plots
from autotune.report.charts.kinds import KINDS
from autotune.study.history import History


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn(kind: str, plain: History, pareto: History, here: Path) -> None:
    history = pareto if kind == "pareto" else plain
    found = plots.write(history, kind, here / "plot.svg", None, False)
    assert found.key == kind and found.says and found.tables and found.charts[0].alt
    ET.parse(here / "plot.svg")
    figure = plots.figure(history, kind)
    assert figure.data and figure.layout.title.text


def test_png_and_html(plain: History, here: Path) -> None:
    plots.write(plain, "history", here / "a.png", None, False)
    assert (here / "a.png").read_bytes().startswith(b"\x89PNG")
    plots.write(plain, "curves", here / "a.html", "train_loss", False)
    assert "Learning curves: train_loss" in (here / "a.html").read_text()


def test_python_has_each_kind_as_a_method(plain: History) -> None:
    study = Study("plain", plain.folder.parent)
    assert {f"plot_{kind}" for kind in KINDS} <= set(dir(study))
    shown = study.plot_slices("depth")
    assert shown.layout.title.text == "depth"
    values = {run.params["depth"] for run in plain.trials if plain.value(run) is not None}
    assert {x for trace in shown.data for x in trace.x} == values
    with pytest.raises(UserError, match="slices has no plot of 'dept'; did you mean 'depth'"):
        study.plot_slices("dept")


@pytest.mark.parametrize(
    ("kind", "metric", "said"),
    [
        ("pareto", None, "a Pareto front needs two objectives: study 'plain' has one"),
        ("curvs", None, "there is no plot 'curvs'; did you mean 'curves'"),
        ("curves", "train_los", "no trial of study 'plain' reported 'train_los'; did you mean"),
        ("slices", "train_loss", "--metric changes the plots history and curves alone"),
    ],
)
def test_what_cannot_be_drawn(plain: History, kind: str, metric: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        plots.section(plain, kind, metric)


def test_files(plain: History, here: Path) -> None:
    assert plots.target("curves", None) == Path("curves.html")
    assert plots.target("curves", "svg") == Path("curves.svg")
    with pytest.raises(UserError, match=r"-o must end with \.html, \.svg, \.png, but got x\.pdf"):
        plots.target("curves", "x.pdf")
    (here / "there.svg").touch()
    with pytest.raises(UserError, match="there.svg exists"):
        plots.write(plain, "history", here / "there.svg", None, False)
