"""The reader without Optuna sees what Optuna sees, or leaves the file to it."""

import cProfile
import pstats
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autotune.engine import simulate
from autotune.report import tables
from autotune.report.plain import plain
from autotune.spec import StudySpec
from autotune.study.history import load
from autotune.study.journal.journal import Journal, Run, open_storage
from autotune.study.journal.reader import read
from autotune.study.state_machine import start
from autotune.trial import Goal
from benchmarks.read_commands import build

OLD = Path(__file__).parents[2] / "fixtures" / "runs-820179d"


def seen(folder: Path, name: str) -> tuple[str, list[Run], object]:
    """As Optuna's replay has it: uid, runs and a note."""
    journal = Journal(open_storage(None, folder, create=False), name, [Goal.MINIMIZE], create=False)
    return journal.uid, journal.runs(), journal.note("exhausted")


def same(runs: Path, name: str) -> None:
    folder = runs / name
    found = read(folder / "journal.log")
    assert found is not None
    history, (uid, told, exhausted) = load(name, runs), seen(folder, name)
    assert history.uid == uid and history.exhausted == bool(exhausted)
    for mine, theirs in zip(history.runs(), sorted(told, key=order), strict=True):
        theirs.state = mine.state if not theirs.outcome else theirs.state  # waiting, as none drives
        assert mine == theirs
        assert list(mine.params) == list(theirs.params)
        assert [type(v) for v in mine.params.values()] == [type(v) for v in theirs.params.values()]


def order(run: Run) -> int:
    return ["search", "confirm", "verify", "test"].index(run.purpose)


def rising(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    return (({"acc": config["x"] + step / 99}, 1.0) for step in range(9))


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_a_study_of_an_earlier_version(name: str) -> None:
    same(OLD, name)


@pytest.mark.parametrize("most", [None, 1, 7, 20])
def test_a_study_wherever_it_stopped(
    spec: Callable[..., StudySpec], run_to_its_end: Callable, tmp_path: Path, most: int | None
) -> None:
    for schedule in ("asha", "pbt", "none"):
        chosen = spec(f"name={schedule}", f"schedule={{name: {schedule}}}")
        run_to_its_end(chosen, tmp_path / "runs", most)
        same(tmp_path / "runs", schedule)


def test_promotions_pause_and_every_kind_of_value_comes_back(
    spec: Callable[..., StudySpec], tmp_path: Path
) -> None:
    kinds = '{type: categorical, choices: [a, 2, 0.5, true, null, "null"]}'
    chosen = spec(
        "schedule.form=promotion",
        f"space.k={kinds}",
        "space.n={type: int, low: 1, high: 64, log: true}",
        "budget.trials=40",
    )
    driven = start(chosen, tmp_path / "runs")
    simulate.run(driven, 4, simulate.recorded(rising))
    driven.close()
    assert '"pause/' in (tmp_path / "runs/s/journal.log").read_text()
    same(tmp_path / "runs", "s")


def test_what_it_does_not_understand_is_left_to_optuna(
    spec: Callable[..., StudySpec], run_to_its_end: Callable, tmp_path: Path
) -> None:
    run_to_its_end(spec(), tmp_path / "runs")
    path = tmp_path / "runs" / "s" / "journal.log"
    plain_optuna = JournalStorage(JournalFileBackend(str(path)))
    optuna.load_study(study_name="s", storage=plain_optuna).set_user_attr("from", "a dashboard")
    assert (found := read(path)) and found.unchecked == 1
    optuna.create_study(study_name="other", storage=plain_optuna).ask().suggest_float("x", 0, 1)
    assert read(path) is None
    assert len(load("s", tmp_path / "runs").trials) == 8


# -- and quickly


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("large")
    build(runs, 60)
    return runs


@pytest.mark.parametrize("command", [["show", "large"], ["best", "large"], ["list"]])
def test_commands_that_read_import_neither_optuna_nor_numpy(
    large: Path, command: list[str]
) -> None:
    code = (
        "import sys\nfrom autotune.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit as left: code = left.code\n"
        "heavy = ('optuna', 'numpy', 'torch', 'ray', 'mlflow')\n"
        "print(code, [name for name in heavy if name in sys.modules])"
    )
    line = [sys.executable, "-c", code, *command, "--runs", str(large)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n0 []\n"), done.stdout[-200:]


def test_a_trial_costs_few_calls(large: Path) -> None:
    """Counted, not timed: of 15 parameters, 9 reports and 22 lines of the journal each."""
    load("large", large)  # what is built once
    profile = cProfile.Profile()
    history = profile.runcall(load, "large", large)
    shown = profile.runcall(lambda: plain(tables.study(history)))
    assert len(shown.splitlines()) > 60
    calls = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    assert calls / len(history.runs()) < 2_500
