"""The page of the search benchmarks: who is compared on which runs, and what has an interval."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.search import __main__ as command
from benchmarks.search.plot import _apart, picture
from benchmarks.search.report import document, pictured, summary
from benchmarks.search.score import band, interval, reached

Row = dict[str, Any]
OURS, TPE, GP, DEHB = "auto", "tpe", "gp", "dehb"


def runs(method: str, last: float, tasks: Sequence[str], seeds: int) -> Iterator[Row]:
    """Regret falls to 50 at once and to `last`, 1 more for each seed, at 10 trainings."""
    for task in tasks:
        for seed in range(seeds):
            found = {"trainings": [0.5, 10.0], "regret": [50.0, last + seed]}
            job = {"suite": "lcbench", "task": task, "method": method, "seed": seed, "workers": 4}
            yield {**job, **found, "trials": 30, "trial_ms": 2.0}


def table_rows(text: str, about: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith(f"| {about} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


ABC = ("a", "b", "c")


@pytest.fixture
def rows() -> list[Row]:
    """Ours and TPE with all runs, GP with 12 of them, DEHB with 3, NePS elsewhere."""
    return [
        *runs(OURS, 10, ABC, 5),
        *runs(TPE, 20, ABC, 5),
        *runs(GP, 12, ABC, 4),
        *runs(DEHB, 30, ABC, 1),
        *runs("neps-auto", 30, ("d",), 1),
    ]


def test_each_method_is_compared_on_the_runs_that_both_have(rows: list[Row]) -> None:
    text = summary(rows)
    first, second = table_rows(text, "Optuna GP, whole trainings")
    assert first[1:7] == ["3 × 4", "50.0", "50.0", "13.5", "13.5", "13.5"]
    assert second[1] == "3 × 4" and second[4] == "-2.0 (-2.0 to -2.0)"
    _, second = table_rows(text, "Optuna TPE, whole trainings")
    assert second[1] == "3 × 5" and second[-2] == "-10.0 (-10.0 to -10.0)"
    assert second[-1] == "10.0 (10.0 to 10.0)"
    assert "No run in common with ours: NePS, as it chooses." in text


def test_few_runs_have_no_interval_and_come_last(rows: list[Row]) -> None:
    text = summary(rows)
    _, second = table_rows(text, "DEHB")
    assert second == ["DEHB", "3 × 1", "+0.0", "+0.0", "-20.0", "-20.0", "-20.0", "10.0"]
    places = [text.rindex(name) for name in ("Optuna GP", "Optuna TPE", "DEHB")]
    assert places == sorted(places)


def test_ranks_are_among_those_that_have_all_our_runs(rows: list[Row]) -> None:
    text = summary(rows)
    assert "mean rank among the 2 methods that have all 3 × 5" in text
    assert table_rows(text, "autotune, as it comes")[0][-1] == "1.0 (1.0 to 1.0)"
    assert table_rows(text, "Optuna TPE, whole trainings")[0][-1] == "2.0 (2.0 to 2.0)"
    assert table_rows(text, "Optuna GP, whole trainings")[0][-3:] == ["", "", ""]


def test_where_there_is_one_task_three_seeds_have_an_interval() -> None:
    rows = [*runs(OURS, 10, "a", 5), *runs(TPE, 11, "a", 3), *runs(GP, 10, "a", 2)]
    text = summary(rows)
    assert table_rows(text, "Optuna TPE, whole trainings")[1][-2] == "-1.0 (-1.0 to -1.0)"
    assert table_rows(text, "Optuna GP, whole trainings")[1][-2] == "+0.0"


def test_other_methods_alone_are_shown_alone(rows: list[Row]) -> None:
    text = summary([row for row in rows if row["method"] != OURS])
    assert "rank" not in text and len(table_rows(text, "DEHB")) == 1
    assert summary([]) == "No run."


def test_the_page_begins_with_an_overview(rows: list[Row]) -> None:
    text = document({("lcbench", 1): list(runs(OURS, 5, ABC, 1)), ("lcbench", 4): rows})
    lines = [line for line in text.splitlines() if line.startswith("| lcbench |")]
    assert lines == [
        "| lcbench | 1 | 3 × 1 | – | – | – | – |",
        "| lcbench | 4 | 3 × 5 | **1.0**; 2.0 Optuna TPE | **1.0**; 2.0 Optuna TPE | "
        "**1.0**; 2.0 Optuna TPE | Optuna GP: -2.0 (-2.0 to -2.0), n = 3 × 4 |",
    ]
    assert "](images/search-lcbench-w4.svg)" in text
    assert "](images/search-lcbench-w1.svg)" not in text


def test_a_picture_shows_those_with_an_interval_and_names_them(rows: list[Row]) -> None:
    name, shown = pictured("lcbench", 4, rows)
    drawn = picture(shown)
    assert name == "search-lcbench-w4.svg" and drawn == picture(shown)
    ElementTree.fromstring(drawn)
    said = re.findall(r"<text[^>]*>([^<]*)</text>", drawn.decode())
    assert {"12.0  autotune", "13.5  Optuna GP (3 × 4 runs)", "22.0  Optuna TPE"} <= set(said)
    assert not any("DEHB" in text for text in said)
    assert len(drawn) < 50_000 and b"date" not in drawn.lower()


def test_names_at_one_height_do_not_cover_each_other() -> None:
    heights = {"a": 0.5, "b": 0.5, "c": 0.99, "d": 1.0, "e": 0.1}
    places = _apart(heights)
    assert sorted(places, key=places.__getitem__) == ["e", "a", "b", "c", "d"]
    steps = np.diff(sorted(places.values()))
    assert steps.min() > 0.04 and max(places.values()) == 1.0 and places["e"] == 0.1


def test_the_command_writes_the_page_and_its_pictures(tmp_path: Path, rows: list[Row]) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "lcbench-w4.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "docs").mkdir()
    command._report(results, tmp_path / "docs" / "page.md")
    text = (tmp_path / "docs" / "page.md").read_text()
    for name in re.findall(r"\]\((images/[^)]*)\)", text):
        assert (tmp_path / "docs" / name).read_bytes().startswith(b"<?xml")


def test_intervals_draw_tasks_then_runs() -> None:
    tasks = ["a"] * 8 + ["b"] * 2
    values = np.array([0.0] * 8 + [1.0, 3.0])
    low, high = interval(values, tasks)
    # b twice is a quarter of the draws; then 3, 3, 3, 3 is 1/16 of them and three 3s are another 4
    assert (low, high) == (0.0, 2.5)
    within = np.array([1.0, 2.0, 3.0, 4.0])
    draws = np.random.default_rng(1).choice(within, size=(20_000, 4)).mean(axis=1)
    expected = np.quantile(draws, [0.025, 0.975])
    assert np.allclose(interval(within, ["a"] * 4), expected, atol=0.26)
    columns = np.stack([values, 2 * values], axis=1)
    assert np.allclose(band(columns, tasks), [[low, 2 * low], [high, 2 * high]])


def test_a_regret_is_reached_or_not() -> None:
    (row,) = runs(OURS, 10, "a", 1)
    assert [reached(row, regret, 50) for regret in (60, 50, 10, 9)] == [0.5, 0.5, 10.0, 100]
