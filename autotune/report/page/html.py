"""Sections as one self-contained HTML page: no network, charts drawn by the plotly.js within."""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files

from autotune.report.charts.chart import Cell, Chart, Section, Table
from autotune.report.charts.plotly import figure

__all__ = ["page"]

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""The page cannot ask anything of the network, even where a name in it tried to."""


def page(title: str, sections: Sequence[Section], spec: str = "", foot: str = "") -> str:
    """`spec`: the study file, where it is to be shown; `foot`: a line at the end."""
    figures = {
        f"{section.key}-{n}": figure(chart)
        for section in sections
        for n, chart in enumerate(section.charts)
    }
    links = "".join(f'<li><a href="#{s.key}">{escape(s.title)}</a></li>' for s in sections)
    nav = f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if len(sections) > 1 else ""
    body = "\n".join(part for section in sections for part in _section(section))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>
{_text("page.css")}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{nav}
</header>
<main>
{body}
{_study_file(spec) if spec else ""}</main>
{f"<footer><p>{escape(foot)}</p></footer>" if foot else ""}
<script type="application/json" id="figures">{_json(figures)}</script>
<script type="text/plain" id="plotly">{_plotly()}</script>
<script>
{_text("page.js")}</script>
</body>
</html>
"""


def _study_file(spec: str) -> str:
    return (
        '<section aria-labelledby="study-file"><h2 id="study-file">Study file</h2>'
        f'<details><summary>study.yaml</summary><pre tabindex="0">{escape(spec)}</pre></details>'
        "</section>\n"
    )


def _section(section: Section) -> Iterator[str]:
    yield f'<section id="{section.key}" aria-labelledby="{section.key}-title">'
    yield f'<h2 id="{section.key}-title">{escape(section.title)}</h2>'
    lead = section.key == "answer"
    for n, sentence in enumerate(section.says):
        kind = ' class="lead"' if lead and n == 0 else ""
        yield f"<p{kind}>{escape(sentence)}</p>"
    many = len(section.charts) > 1
    if many:
        yield '<div class="grid">'
    for n, chart in enumerate(section.charts):
        yield from _figure(f"{section.key}-{n}", chart, many)
    if many:
        yield "</div>"
    for table in section.tables:
        if section.key in ("answer", "environment"):
            yield _table(table)
        else:
            summary = f"<summary>Table: {escape(table.title)}</summary>"
            yield f"<details>{summary}{_table(table)}</details>"
    yield "</section>"


def _figure(name: str, chart: Chart, titled: bool) -> Iterator[str]:
    yield "<figure>"
    if titled:
        yield f"<h3>{escape(chart.title)}</h3>"
    label = escape(f"{chart.title}: {chart.alt}", quote=True)
    wide = f' style="min-width:{chart.least_width}px"' if chart.least_width else ""
    plot = (
        f'<div class="plot" data-figure="{name}" role="img" aria-label="{label}"'
        f' style="min-height:{chart.height}px"></div>'
    )
    if chart.least_width:
        yield f'<div class="scroll wide" tabindex="0" role="region" aria-label="{label}">'
        yield f"<div{wide}>{plot}</div></div>"
    else:
        yield plot
    yield "</figure>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    note = f'<p class="sub">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">'
        f"<table><caption>{escape(table.title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _cell(value: Cell) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, bool):
        return f"<td>{str(value).lower()}</td>"
    if isinstance(value, int):
        return f'<td class="n">{value}</td>'
    if isinstance(value, float):
        return f'<td class="n">{value:.6g}</td>'
    return f"<td>{escape(value)}</td>"


def _json(value: object) -> str:
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _text(name: str) -> str:
    return files("autotune.report.page").joinpath(name).read_text()


@cache
def _plotly() -> str:
    """plotly.js, packed: 2 MB of text in place of 5."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 6, mtime=0)).decode()
