"""Studies on disk outlive the code: runs/ as commit 820179d left it still shows, resumes, exports.

`expected/` holds what that commit's own `show --json` and `best --json` said, before and after the
interrupted study was resumed by it.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autotune.cli import app

FIXTURE = Path(__file__).parents[1] / "fixtures" / "runs-820179d"
WEIGHTS = "cb8c9da8b052a798931c3972fbb5a2090e70380bc34a82f2ceb04ff141056edf"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    copy = tmp_path / "runs"
    shutil.copytree(FIXTURE, copy, ignore=shutil.ignore_patterns("expected"))
    for file in copy.glob("*/study.yaml"):
        file.write_text(file.read_text().replace("sqlite:///runs/mlflow.db", "none"))
    return copy


def ask(*arguments: object) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def expected(name: str) -> Any:
    return json.loads((FIXTURE / "expected" / f"{name}.json").read_text())


def told(shown: Any) -> list[Any]:
    keys = ("number", "state", "reason", "value", "steps", "params")
    trials = [{key: trial[key] for key in keys} for trial in shown["trials"]]
    return [*trials, *({"trial": c["trial"], "value": c["value"]} for c in shown["confirmations"])]


def answered(best: Any) -> Any:
    return {key: best[key] for key in ("trial", "value", "mean", "std", "test", "test_std")}


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_it_shows_what_it_showed(runs: Path, name: str) -> None:
    assert told(ask("show", name, "--runs", runs)) == told(expected(f"{name}-show"))
    assert answered(ask("best", name, "--runs", runs)) == answered(expected(f"{name}-best"))


def test_an_interrupted_study_ends_as_it_would_have(runs: Path) -> None:
    again = ["resume", "interrupted", "--engine", "inline", "--runs", str(runs)]
    done = CliRunner().invoke(app, again, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert told(ask("show", "interrupted", "--runs", runs)) == told(expected("resumed-show"))
    assert answered(ask("best", "interrupted", "--runs", runs)) == answered(
        expected("resumed-best")
    )


def test_a_finished_study_stays_finished_and_exports_the_same_weights(
    runs: Path, tmp_path: Path
) -> None:
    before = (runs / "finished" / "journal.log").read_bytes()
    again = ["resume", "finished", "--engine", "inline", "--runs", str(runs)]
    done = CliRunner().invoke(app, again, catch_exceptions=False)
    assert done.exit_code == 0 and "all 12 trials were run before" in done.output
    # what a version adds about the study is appended; nothing is trained again
    assert (runs / "finished" / "journal.log").read_bytes()[: len(before)] == before
    assert told(ask("show", "finished", "--runs", runs)) == told(expected("finished-show"))
    out = tmp_path / "out"
    told_files = ["export", "finished", "-o", str(out), "--runs", str(runs)]
    assert CliRunner().invoke(app, told_files, catch_exceptions=False).exit_code == 0
    assert hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest() == WEIGHTS
