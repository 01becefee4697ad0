"""`autotune report`: what a user gets, and what mistakes are told."""

import json
from collections.abc import Callable
from pathlib import Path


def test_report_writes_one_file_and_each_run_has_one(autotune: Callable, runs: Path) -> None:
    assert (runs / "small" / "report.html").read_text().startswith("<!doctype html>")
    said = autotune("report", "small", "--runs", runs)
    assert said.code == 0 and said.out == "report.html\n" and said.err == ""
    page = Path("report.html").read_text()
    assert "<h1>Study small</h1>" in page
    again = autotune("report", "small", "--runs", runs)
    assert again.code == 2
    assert again.err == "report.html exists: give another file, or --force to replace it\n"
    told = json.loads(autotune("report", "small", "--runs", runs, "--force", "--json").out)
    assert told == {"file": "report.html", "state": "finished", "notes": []}


def test_mistakes_are_one_line(autotune: Callable, runs: Path) -> None:
    unknown = autotune("report", "smal", "--runs", runs)
    assert unknown.code == 2 and "did you mean 'small'?" in unknown.err
    folder = autotune("report", "small", "--runs", runs, "-o", ".")
    assert folder.code == 2 and "is a folder; give a file" in folder.err
