"""The winner as files: whole, replaceable, and trained from to the same score."""

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load as parse
from safetensors.torch import load_file

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.app.train_config import train_alone
from autotune.errors import AutotuneError, DataUnavailable, Problem, UserError
from autotune.export.bundle import export
from autotune.study.history import History, load
from autotune.train import checkpoint
from autotune.train.checkpoint import Best

SMALL = (
    "budget.trials=2",
    "trial.epochs=2",
    "confirm.top=1",
    "confirm.seeds=2",
    "tracking.uri=none",
)
FILES = [
    "README.md",
    "SHA256SUMS",
    "best.yaml",
    "config.json",
    "figures",
    "input.json",
    "load.py",
    "metrics.json",
    "model.pt2",
    "model.safetensors",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> History:
    runs = tmp_path_factory.mktemp("export") / "runs"
    history, _ = drive(specs.load(specs.find("quickstart"), SMALL), runs, engine="inline")
    return history


def contents(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_export_is_these_files_and_replaces_a_former_one_if_forced(
    finished: History, tmp_path: Path
) -> None:
    target = tmp_path / "deep" / "best"
    for force in (False, True):
        written = export(finished, target, force)
        assert written.notes == []
        assert contents(target) == FILES
        assert contents(target / "figures") == ["attribution.png", "confusion.png"]
        assert written.files == sorted(path for path in target.rglob("*") if path.is_file())
        assert written.figures == sorted((target / "figures").iterdir())
    assert contents(target.parent) == ["best"]


def test_the_card_tells_the_scores_and_shows_every_figure(
    finished: History, tmp_path: Path
) -> None:
    export(finished, tmp_path / "best")
    text = (tmp_path / "best" / "README.md").read_text()
    best = finished.best()
    assert best is not None and best.mean is not None and best.test is not None
    assert f"| on fresh seeds (2) | {best.mean:.4f} ± {best.std:.4f} |" in text
    assert (
        f"| accuracy on the test split, read once | {best.test:.4f} ± {best.test_std:.4f} |" in text
    )
    shown = {n: f"{v:.4g}" if isinstance(v, float) else v for n, v in best.params.items()}
    assert all(f"| `{name}` | {value} |" in text for name, value in shown.items())
    linked = re.findall(r"!\[\w+\]\((.*)\)", text)
    assert sorted(linked) == ["figures/attribution.png", "figures/confusion.png"]
    assert all((tmp_path / "best" / name).is_file() for name in linked)
    assert f"{best.source.value:.4f} of 287 samples are right" in text
    trainings = len(finished.trials) + len(finished.confirms) + len(finished.verifies)
    assert finished.tests, "readings of the test split are no trainings"
    assert f"| all {trainings} trainings of the study |" in text


@pytest.mark.parametrize(
    ("package", "made", "note"),
    [
        ("matplotlib", [], "no figures without matplotlib"),
        ("captum", ["confusion.png"], "no figure attribution.png: captum is not installed"),
    ],
)
def test_what_is_not_installed_costs_figures_and_nothing_else(
    finished: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package, made, note
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not there
    monkeypatch.setitem(sys.modules, f"{package}.attr", None)
    monkeypatch.delitem(sys.modules, "autotune.interpret.attribution", raising=False)
    monkeypatch.delattr("autotune.interpret.attribution", raising=False)
    written = export(finished, tmp_path / "best")
    assert [path.name for path in written.figures] == made
    assert written.notes == [f"{note}: pip install 'autotune[interpret]'"]
    assert {"best.yaml", "metrics.json", "model.safetensors"} <= set(contents(tmp_path / "best"))


def test_a_readme_of_a_users_own_is_a_strangers(finished: History, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("my project")
    with pytest.raises(UserError, match=r"README\.md.*--force"):
        export(finished, tmp_path)
    assert (tmp_path / "README.md").read_text() == "my project"


def test_the_files_say_the_same_as_the_study(finished: History, tmp_path: Path) -> None:
    export(finished, tmp_path / "best")
    best = finished.best()
    assert best is not None
    assert json.loads((tmp_path / "best" / "config.json").read_text()) == best.config
    metrics = json.loads((tmp_path / "best" / "metrics.json").read_text())
    assert (metrics["confirmed_mean"], metrics["test_mean"]) == (best.mean, best.test)
    assert len(metrics["seeds"]) == 2
    kept = load_file(finished.run_folder(best.source) / "best.safetensors")
    exported = load_file(tmp_path / "best" / "model.safetensors")
    assert kept.keys() == exported.keys()
    assert all(kept[name].equal(exported[name]) for name in kept)


def test_best_yaml_trains_to_the_same_score(finished: History, tmp_path: Path) -> None:
    export(finished, tmp_path / "best")
    metrics = json.loads((tmp_path / "best" / "metrics.json").read_text())
    *_, score, weights = train_alone(tmp_path / "best" / "best.yaml", tmp_path / "again")
    assert score.startswith(f"val_accuracy {metrics['model']['value']:.10g} ")
    assert weights == f"weights: {tmp_path / 'again' / 'best.safetensors'}"
    exported = load_file(tmp_path / "best" / "model.safetensors")
    again = load_file(tmp_path / "again" / "best.safetensors")
    assert all(exported[name].equal(again[name]) for name in exported)


def test_one_trial_by_its_number(finished: History, tmp_path: Path) -> None:
    best = finished.best()
    assert best is not None
    other = next(run for run in finished.trials if run.trial != best.trial)
    export(finished, tmp_path / "won", trial=best.trial)
    assert f"trial {best.trial} of study quickstart" in (tmp_path / "won/best.yaml").read_text()
    weights = finished.run_folder(other) / "best.safetensors"
    if not weights.exists():
        with pytest.raises(UserError, match=r"has left no weights; train it to its end"):
            export(finished, tmp_path / "other", trial=other.trial)
        list(train_alone(finished.config_file(other), weights.parent))
    export(finished, tmp_path / "other", trial=other.trial)
    text = (tmp_path / "other" / "best.yaml").read_text()
    assert f"trial {other.trial} of study quickstart" in text and "(one of 2 trials" in text
    with pytest.raises(UserError, match="has no trial 7: it has trials 0 to 1"):
        export(finished, tmp_path / "none", trial=7)


def test_a_former_export_is_not_replaced_unasked(finished: History, tmp_path: Path) -> None:
    export(finished, tmp_path / "best")
    with pytest.raises(UserError, match=r"holds a former export \(.*--force"):
        export(finished, tmp_path / "best")


def test_neither_the_working_folder_nor_one_above_the_study_is_replaced(
    finished: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for target in (Path("."), finished.folder, finished.folder.parent):
        with pytest.raises(UserError, match="holds more than an export may replace"):
            export(finished, target, force=True)


def test_other_files_are_not_replaced_unless_forced(finished: History, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match=r"thesis\.tex.*--force"):
        export(finished, tmp_path / "mine")
    assert contents(tmp_path / "mine") == ["thesis.tex"]
    export(finished, tmp_path / "mine", force=True)
    assert "thesis.tex" not in contents(tmp_path / "mine")


def test_an_export_that_fails_leaves_the_former_one(finished: History, tmp_path: Path) -> None:
    export(finished, tmp_path / "best")
    before = (tmp_path / "best" / "best.yaml").read_text()
    best = finished.best()
    assert best is not None
    weights = finished.run_folder(best.source) / "best.safetensors"
    hidden = weights.rename(weights.with_suffix(".away"))
    try:
        with pytest.raises(UserError, match="train them again: autotune train"):
            export(finished, tmp_path / "best", force=True)
    finally:
        hidden.rename(weights)
    assert (tmp_path / "best" / "best.yaml").read_text() == before
    assert contents(tmp_path) == ["best"]


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path: Path) -> None:
    """One bit of one weight."""
    raw = bytearray(path.read_bytes())
    raw[-2] ^= 1
    path.write_bytes(raw)


def of_another_network(path: Path) -> None:
    best = checkpoint.read_best(path)
    weights = {name: tensor[:3].clone() for name, tensor in best.weights.items()}
    held = checkpoint.Checkpoint(best.step, weights, {}, Best(best.step, best.metrics, weights))
    checkpoint.write(path.parent, held)


@pytest.mark.parametrize("damage", [truncated, emptied, zeroed, flipped, of_another_network])
def test_damaged_weights_are_not_exported(
    finished: History, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """The command that the message names makes them again, where the next export finds them."""
    shutil.copytree(finished.folder, tmp_path / "runs" / finished.spec.name)
    told = load(finished.spec.name, tmp_path / "runs")
    best = told.best()
    assert best is not None
    weights = told.run_folder(best.source) / "best.safetensors"
    whole = parse(weights.read_bytes())  # of its own: a file that is read is mapped
    damage(weights)
    with pytest.raises(AutotuneError) as caught:
        export(told, tmp_path / "deep" / "best")
    assert caught.value.exit_code == 1 and str(weights) in str(caught.value)
    assert contents(tmp_path) == ["runs"]
    command = str(caught.value).partition("train them again: autotune train ")[2].split()
    assert command[1] == "-o"
    assert list(train_alone(Path(command[0]), Path(command[2])))
    export(told, tmp_path / "deep" / "best")
    exported = load_file(tmp_path / "deep" / "best" / "model.safetensors")
    assert all(exported[name].equal(whole[name]) for name in whole)


def test_weights_are_exported_where_their_data_is_gone(
    finished: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise DataUnavailable([Problem("`data.path`: there is no file 'x.npz'", ("data", "path"))])

    monkeypatch.setattr("autotune.train.setup.prepare", gone)
    written = export(finished, tmp_path / "best")
    assert written.notes[0].startswith("the weights are whole, but were not tried")
    assert "model.safetensors" in contents(tmp_path / "best")


def test_a_file_in_the_way_is_named(finished: History, tmp_path: Path) -> None:
    (tmp_path / "best").write_text("a file")
    with pytest.raises(UserError, match="is a file; give a folder"):
        export(finished, tmp_path / "best")


def test_the_journal_alone_is_enough(finished: History, tmp_path: Path) -> None:
    """Export reads a study that another process ran."""
    read = load(finished.spec.name, finished.folder.parent)
    export(read, tmp_path / "best")
    assert contents(tmp_path / "best") == FILES
