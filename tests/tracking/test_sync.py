"""A broken database from the command line: it is set aside, and `sync --all` tells all studies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.cli import main
from autotune.study.history import load
from autotune.study.state_machine import take_lock
from autotune.testing.tracking import Picture, read_mlflow
from autotune.tracking import database

STUDY = """
name: NAME
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 3}
space: {lr: {type: float, low: 0.1, high: 1}}
search: {name: random}
schedule: {name: none}
budget: {trials: 2}
confirm: {top: 1, seeds: 1}
"""


@pytest.fixture
def said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Exit code, output and errors of a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOTUNE_RUNS", raising=False)
    monkeypatch.setattr(database, "_QUIET", 0.0)

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(words)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(left.value.code or 0), out, err

    return call


@pytest.fixture
def pictures(
    said: object, new_database: Callable[[Path], str]
) -> Callable[[], dict[str, dict[str, Picture]]]:
    """Two studies in one database, and what it shows of each."""
    uri = new_database(Path("runs"))
    for name in ("one", "two"):
        Path(f"{name}.yaml").write_text(STUDY.replace("NAME", name))
        drive(specs.load(f"{name}.yaml"), Path("runs"), engine="inline")
    uids = {name: load(name, Path("runs")).uid for name in ("one", "two")}
    return lambda: {name: read_mlflow(uri, uid) for name, uid in uids.items()}


def test_a_broken_database_is_told_all_studies_again(
    said: Callable[..., tuple[int, str, str]],
    pictures: Callable[[], dict[str, dict[str, Picture]]],
) -> None:
    before = pictures()
    assert all(len(picture) == 4 for picture in before.values())
    Path("runs/mlflow.db").write_bytes(b"nonsense" * 9_000)
    code, _, err = said("resume", "one", "--engine", "inline")
    assert code == 0
    note, *more = err.splitlines()
    assert more == [] and note.startswith(f"note: {Path.cwd()}/runs/mlflow.db was broken (file is")
    assert note.endswith("`autotune sync --all` writes all studies to it again")
    assert pictures() == {"one": before["one"], "two": {}}
    assert said("sync", "--all") == (
        0,
        "study one is in MLflow: autotune ui one\nstudy two is in MLflow: autotune ui two\n",
        "",
    )
    assert pictures() == before


def test_one_study_never_keeps_the_others_from_mlflow(
    said: Callable[..., tuple[int, str, str]],
    pictures: Callable[[], dict[str, dict[str, Picture]]],
) -> None:
    Path("none.yaml").write_text(STUDY.replace("NAME", "none"))
    drive(specs.load("none.yaml", ["tracking.uri=none"]), Path("runs"), engine="inline")
    lock = take_lock(Path("runs/one").absolute())
    code, out, err = said("sync", "--all")
    lock.release()
    assert code == 0 and out == "study two is in MLflow: autotune ui two\n"
    untracked, busy = err.splitlines()
    assert untracked.startswith("note: study 'none' is not tracked: its spec says `tracking:")
    assert busy.startswith("note: study 'one' is being run by process ")
    assert said("sync", "none")[0] == 2
    Path("runs/one/study.yaml").write_text("name: [")
    code, out, err = said("sync", "--all")
    assert code == 1 and out == "study two is in MLflow: autotune ui two\n"
    assert "note: runs/one/study.yaml:1: not valid YAML" in err
    assert said("sync")[0] == said("sync", "two", "--all")[0] == 2


def test_advice_names_the_runs_folder(said: Callable[..., tuple[int, str, str]]) -> None:
    Path("one.yaml").write_text(STUDY.replace("NAME", "one"))
    Path("elsewhere").mkdir()
    Path("elsewhere/mlflow.db").mkdir()
    code, _, err = said("run", "one.yaml", "--engine", "inline", "--runs", "elsewhere")
    assert code == 0
    sync = f"autotune sync --runs {Path.cwd()}/elsewhere one"
    assert err.splitlines()[-1].endswith(f"; `{sync}` sends them.")
    Path("elsewhere/mlflow.db").rmdir()
    assert said(*sync.split()[1:])[0] == 0
