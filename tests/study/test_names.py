"""Studies and the files that they share never meet under the runs folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.cli import main
from autotune.errors import InvalidInput, StudyNotFound
from autotune.spec import StudySpec
from autotune.study.history import find, load
from autotune.study.state_machine import delete

TEXT = """
name: NAME
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 2}
space: [{lr: {type: float, low: 1e-3, high: 1, log: true}}]
search: {name: random}
budget: {trials: 1}
confirm: {top: 0}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., StudySpec]:
    def make(name: str, *overrides: str) -> StudySpec:
        path = tmp_path / "study.yaml"
        path.write_text(TEXT.replace("NAME", name))
        return specs.load(path, overrides)

    return make


SHARED = [
    "mlartifacts",
    "MLArtifacts",
    "mlflow.db",
    "mlflow.db-journal",
    "mlflow.db-wal",
    "MLFLOW.DB-SHM",
    "mlflow.db.broken-1",
    ".mlflow.db.lock",
    ".hidden",
]


@pytest.mark.parametrize("name", SHARED)
def test_a_study_cannot_have_the_name_of_what_all_share(spec: Callable, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"study\.yaml:2: `name` must not begin with '\.'"):
        spec(name)


@pytest.mark.parametrize("name", ["mlflow", "mlartifacts-2", "a.mlflow.db", "x.", "mlruns"])
def test_others_are_free(spec: Callable, name: str) -> None:
    assert spec(name).name == name


@pytest.mark.parametrize("name", SHARED)
def test_what_all_share_is_no_study_though_it_looks_like_one(
    spec: Callable, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an earlier version may have left it."""
    runs = tmp_path / "runs"
    (runs / name).mkdir(parents=True)
    (runs / name / "study.yaml").write_text(TEXT.replace("NAME", name))
    (runs / name / "weights").write_text("of all studies")
    for ask in (find, load, delete):
        with pytest.raises(StudyNotFound):
            ask(name, runs)
    for command in (["delete", "--yes"], ["resume"], ["show"], ["repair"], ["sync"]):
        with pytest.raises(SystemExit) as left:
            main([*command, name, "--runs", str(runs)])
        assert left.value.code == 2 and "no study" in capsys.readouterr().err
    assert (runs / name / "weights").exists()


@pytest.mark.parametrize("name", ["..", ".", "../runs", "s/../s", "", "/"])
def test_a_path_is_no_study(tmp_path: Path, name: str) -> None:
    (tmp_path / "runs" / "s").mkdir(parents=True)
    (tmp_path / "runs" / "s" / "study.yaml").write_text(TEXT.replace("NAME", "s"))
    with pytest.raises(StudyNotFound):
        delete(name, tmp_path / "runs")
    assert (tmp_path / "runs" / "s").exists()


@pytest.mark.parametrize("setting", ["storage", "tracking.uri"])
@pytest.mark.parametrize(
    ("path", "free"),
    [
        ("runs/s/mlflow.db", False),
        ("runs/another/x.db", False),
        ("runs/s", False),
        ("runs/../runs/s/deep/x.db", False),
        ("{folder}/runs/s/x.db", False),
        ("{folder}/link/s/x.db", False),
        ("runs/s/x.db?timeout=3", False),
        ("runs/mlartifacts/x.db", False),
        ("runs/studies.db", True),
        ("s/x.db", True),
        ("{folder}/x.db", True),
    ],
)
def test_a_database_does_not_lie_where_delete_would_remove_it(
    spec: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    path: str,
    free: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    wanted = spec("s", f"{setting}=sqlite:///{path.format(folder=tmp_path)}")
    if free:
        specs.check(wanted, Path("runs"))
        return
    with pytest.raises(InvalidInput, match=rf"{setting}` must not lie in a folder under runs/"):
        specs.check(wanted, Path("runs"))


def test_the_default_store_lies_in_the_runs_folder_whatever_that_is(
    spec: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    specs.check(spec("s"), Path("."))
    specs.check(spec("s"), tmp_path)


def test_all_that_a_study_leaves_beside_itself_is_no_name_of_a_study(
    spec: Callable, tmp_path: Path
) -> None:
    """A new file there must be one that `is_shared` knows."""
    runs = tmp_path / "runs"
    _, notes = drive(spec("s"), runs, engine="inline")
    beside = {path.name for path in runs.iterdir()} - {"s"}
    assert notes == [] and "mlflow.db" in beside
    assert [name for name in beside if not specs.is_shared(name)] == []
    delete("s", runs)
    assert {path.name for path in runs.iterdir()} == beside
