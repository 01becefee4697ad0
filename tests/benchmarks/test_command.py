"""The command of the search benchmark: what it leaves out, it names."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.search import __main__ as command
from benchmarks.search import again
from benchmarks.search.methods import BELIEFS, METHODS
from benchmarks.search.report import document
from benchmarks.search.suites import SUITES


def test_peers_without_their_environment_are_named_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOTUNE_BENCH_VENVS", str(tmp_path))
    monkeypatch.delenv("AUTOTUNE_BENCH_DATA", raising=False)
    monkeypatch.setattr(command, "find_spec", lambda module: object())  # [test] lacks onnxruntime
    assert command.main(["run", "--quick", "--methods", "random", "dehb", "smac-mf"]) == 0
    said = capsys.readouterr().err
    assert "skipped: AUTOTUNE_BENCH_DATA must name a folder with lcbench/model.onnx" in said
    assert "skipped, not in AUTOTUNE_BENCH_VENVS: dehb, smac-mf\n" in said


def test_where_there_are_no_curves_nothing_stops_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOTUNE_BENCH_VENVS", str(tmp_path))
    suite = SUITES["tables"]
    assert command._methods(["tpe", "tpe-sha", "hebo"], False, suite) == ["tpe"]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "skipped, not in AUTOTUNE_BENCH_VENVS: hebo",
        "skipped, nothing can be stopped early here: tpe-sha",
    ]


def test_a_quick_run_leaves_out_what_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOTUNE_BENCH_VENVS", raising=False)
    chosen = command._methods(None, True, SUITES["lcbench"])
    assert chosen == [
        n for n, m in METHODS.items() if m.venv is None and not m.slow and n not in BELIEFS
    ]


def test_environments_need_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["venvs"])
    assert "venvs needs --folder" in capsys.readouterr().err


def test_the_report_has_a_section_for_each_suite_and_number_of_workers(tmp_path: Path) -> None:
    for name in ("tables-w4", "lcbench-w16", "lcbench-w1"):
        suite, workers = name.split("-w")
        rows = [_row(suite, int(workers), method) for method in ("auto", "random")]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = document(command._results(tmp_path))
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads[1:] == ["## lcbench, 1 worker", "## lcbench, 16 workers", "## tables, 4 workers"]
    assert text.count(SUITES["lcbench"].about) == 2 and text.count(SUITES["tables"].about) == 1
    assert (
        "| autotune, as it comes | 1 × 1 | 100.0 | 20.0 | 20.0 | 10.0 | 10.0 | 30 | 2.5 |" in text
    )


def _row(suite: str, workers: int, method: str) -> dict[str, Any]:
    job = {"suite": suite, "task": "a", "method": method, "seed": 0, "workers": workers}
    found = {"trainings": [3.0, 15.0], "regret": [20.0, 10.0], "trials": 30, "trial_ms": 2.5}
    return {**job, **found}


def test_stored_runs_need_their_data_to_be_run_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AUTOTUNE_BENCH_DATA", raising=False)
    assert again.main(["--suite", "tables", "--rows", "1"]) == 0
    assert "skipped: AUTOTUNE_BENCH_DATA must name a folder" in capsys.readouterr().err


def test_a_stored_run_is_the_same_again(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cocoex", reason="needs autotune[bench]")
    assert again.main(["--suite", "bbob-mixint", "--rows", "1"]) == 0
    assert capsys.readouterr().out.endswith("1 of 1 stored rows are equal\n")
