"""autotune.run: the same study as a file's, in one call."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import autotune
from autotune import spec as specs
from autotune.api.parameters import goal_of
from autotune.errors import InvalidInput, StudyChanged, StudyNotFound, UserError

SPACE = {
    "x": autotune.Float(0, 1),
    "kind": autotune.Categorical(["a", "b"]),
    "y": autotune.Int(1, 8, log=True, when={"kind": "a"}),
}
QUIET: dict[str, Any] = {
    "search": {"name": "random"},
    "schedule": {"name": "none"},
    "confirm": {"top": 1, "seeds": 2},
    "tracking": {"name": "none"},
    "engine": "inline",
    "view": False,
}


def fit(config: dict[str, Any]) -> dict[str, float]:
    return {"acc": 1 - (config["x"] - 0.3) ** 2}


def test_import_is_light() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import autotune; autotune.Float(0, 1);"
        "took = time.perf_counter() - t;"
        "heavy = [m for m in ('torch', 'ray', 'mlflow', 'optuna', 'pydantic') if m in sys.modules];"
        "print(heavy, took < 0.3, sorted(autotune.__all__) == sorted(set(dir(autotune)) &"
        " set(autotune.__all__)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True True\n"


def test_every_public_name_is_there() -> None:
    assert [name for name in autotune.__all__ if getattr(autotune, name).__doc__ is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        autotune.nothing  # noqa: B018


def test_a_study_in_one_call(folder: Path) -> None:
    study = autotune.run(fit, SPACE, autotune.maximize("acc"), trials=6, **QUIET)
    assert study.name == "fit" and study.state == "finished"
    best = study.best
    assert set(best.params) <= set(SPACE) and best.value == max(study.trials["value"])
    assert best.mean is not None and best.test is None
    table = study.trials
    assert list(table.columns)[:5] == ["state", "reason", "value", "steps", "seconds"]
    assert len(table) == 6 and set(table["state"]) == {"complete"}
    assert list(study.curves.columns) == ["trial", "step", "seconds", "acc"]
    assert "6 trials, best acc" in repr(study)
    assert list(autotune.studies().index) == ["fit"]


def test_it_is_the_study_of_its_file(folder: Path) -> None:
    study = autotune.run(fit, SPACE, "acc", trials=2, name="said", **QUIET)
    (folder / "said.yaml").write_text(study.to_yaml())
    read = specs.load(folder / "said.yaml")
    assert not specs.differences(study.spec, read) and read == study.spec
    assert autotune.load("said").spec == read


def test_resume_takes_more(folder: Path) -> None:
    study = autotune.run(fit, SPACE, "acc", trials=2, **QUIET)
    first = study.trials["x"].tolist()
    study.resume(trials="+2", engine="inline", view=False)
    assert study.trials["x"].tolist()[:2] == first and len(study.trials) == 4
    with pytest.raises(UserError, match=r'a number, or "\+40"'):
        study.resume(trials="40 more")


def test_a_closure_is_passed_and_resumed_with_itself_alone(folder: Path) -> None:
    best = 0.7

    def near(config: dict[str, Any]) -> dict[str, float]:
        return {"acc": 1 - abs(config["x"] - best)}

    study = autotune.run(near, {"x": autotune.Float(0, 1)}, "acc", trials=2, **QUIET)
    assert study.spec.trial["function"] == "__main__:near"
    assert len(study.resume(trials="+1", engine="inline", view=False).trials) == 3

    def other(config: dict[str, Any]) -> dict[str, float]:
        return {"acc": config["x"]}

    again = autotune.load("near")
    with pytest.raises(StudyChanged, match="began with another function"):
        again.resume(other, trials="+1", engine="inline", view=False)
    again.resume(other, trials="+1", engine="inline", view=False, changed=True)
    assert len(again.trials) == 4


def test_a_passed_function_cannot_be_resumed_without_it(folder: Path) -> None:
    autotune.run(
        lambda config: {"acc": config["x"]}, SPACE, "acc", name="anonymous", trials=1, **QUIET
    )
    code = "from autotune.cli import main; main(['resume', 'anonymous', '--engine', 'inline'])"
    file = folder / "runs" / "anonymous" / "study.yaml"
    file.write_text(file.read_text().replace("trials: 1", "trials: 2"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 2
    assert "was passed from Python, where it lives in no module: go on with" in done.stderr


def test_a_file_with_sections_set(folder: Path) -> None:
    sections = {**QUIET, "search": {"name": "random"}, "trial": {"epochs": 1}}
    study = autotune.run("quickstart", name="short", trials=1, **sections)
    assert (study.name, study.spec.trial["epochs"], len(study.trials)) == ("short", 1, 1)
    assert study.spec.trial["model"] == {"name": "mlp"}
    assert study.best.config["epochs"] == 1


@pytest.mark.parametrize(
    ("target", "given", "words"),
    [
        (7, {}, "takes a function, a path or a dict, but got int"),
        (fit, {"objective": "closeness"}, r"autotune.maximize\('closeness'\)"),
        (fit, {"space": {"x": {"type": "flaot", "low": 0, "high": 1}}}, "did you mean 'float'"),
        (fit, {"trials": None}, "budget"),
        (fit, {"space": {"x": autotune.Float(1, 0)}}, "low"),
        (fit, {"trial": {"net": object()}}, "`trial.net`: must be text, a number"),
        (fit, {"worker": {"cpu": 1}}, "did you mean 'cpus'"),
        (lambda: 0, {"name": "none"}, r"must take \(config, trial\), or \(config\)"),
    ],
)
def test_what_is_wrong_is_said(target: Any, given: dict[str, Any], words: str) -> None:
    whole = {"space": {"x": autotune.Float(0, 1)}, "objective": "acc", "trials": 1, **QUIET}
    with pytest.raises(UserError, match=words):
        autotune.run(target, **{**whole, **given})


def test_a_study_that_is_not_there() -> None:
    with pytest.raises(StudyNotFound):
        autotune.load("nothing")


def test_all_that_is_wrong_is_said_at_once() -> None:
    space = {"x": autotune.Float(2, 1), "n": autotune.Int(3, 1)}
    with pytest.raises(InvalidInput) as raised:
        autotune.run(fit, space, "acc", trials=0, **QUIET)
    assert len(raised.value.problems) == 3


def test_a_metrics_name_says_which_way() -> None:
    assert goal_of("val_loss")["goal"] == "minimize"
    assert goal_of("test/F1")["goal"] == "maximize"


def unpicklable(config: dict[str, Any]) -> dict[str, float]:
    return {"acc": 1.0}


@pytest.mark.usefixtures("one_ray")
def test_a_closure_reaches_the_workers_of_ray(folder: Path) -> None:
    shift, sections = 0.25, {**QUIET, "engine": "ray"}

    def moved(config: dict[str, Any], trial: Any) -> None:
        for epoch in range(1, 4):
            trial.report(epoch, acc=config["x"] + shift)

    study = autotune.run(moved, {"x": autotune.Float(0, 1)}, "acc", trials=4, **sections)
    assert set(study.trials["state"]) == {"complete"}
    assert (study.curves["acc"] >= shift).all()
    lock = threading.Lock()

    def locked(config: dict[str, Any]) -> dict[str, float]:
        with lock:
            return {"acc": 1.0}

    with pytest.raises(UserError, match=r"cannot be sent to the workers: it uses lock \(lock\)"):
        autotune.run(locked, {"x": autotune.Float(0, 1)}, "acc", trials=1, **sections)
