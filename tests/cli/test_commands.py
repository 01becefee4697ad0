"""The commands as a user meets them: output, exit codes, and studies that are interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autotune.cli import app
from autotune.history import load
from autotune.trial import State

SMALL = ("budget.trials=4", "trial.epochs=3", "confirm.top=1", "confirm.seeds=2")
CALL = (sys.executable, "-c", "from autotune.cli import main; main()")


def call(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run((*CALL, *words), cwd=cwd, capture_output=True, text=True, timeout=240)


def run_words(*overrides: str, engine: str = "inline") -> list[str]:
    sets = [word for override in overrides for word in ("--set", override)]
    return ["run", "quickstart", "--engine", engine, *sets]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished study."""
    folder = tmp_path_factory.mktemp("done")
    result = call(*run_words(*SMALL, "tracking.uri=none"), cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "over 2 fresh seeds" in result.stdout and "autotune export quickstart" in result.stdout
    assert result.stderr == ""
    return folder


def answer(folder: Path, *words: str) -> Any:
    result = call(*words, "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_command_has_help_with_an_example() -> None:
    for command in app.registered_commands:
        assert command.callback and command.callback.__doc__
        name = command.name or command.callback.__name__
        last = command.callback.__doc__.strip().splitlines()[-1].strip()
        assert last.startswith(f"Example: autotune {name}"), name


def test_help_and_readers_import_nothing_heavy(done: Path) -> None:
    code = """
import sys
sys.argv[1:] = {words}
from autotune.cli import app
try:
    app()
except SystemExit:
    pass
print([m for m in {heavy} if m in sys.modules], file=sys.stderr)
"""
    light = ["torch", "ray", "mlflow"]
    for words, heavy in (
        (["--help"], [*light, "optuna"]),
        (["list"], light),
        (["best", "quickstart"], light),
    ):
        script = code.format(words=words, heavy=heavy)
        result = subprocess.run(
            (sys.executable, "-c", script), cwd=done, capture_output=True, text=True
        )
        assert result.stderr.strip() == "[]", words


def test_best_and_show_answer_in_json(done: Path) -> None:
    best = answer(done, "best", "quickstart")
    wanted = {"study", "trial", "value", "mean", "std", "seeds", "test", "config"}
    assert wanted <= best.keys() and len(best["seeds"]) == 2 and 0 < best["test"] <= 1
    show = answer(done, "show", "quickstart")
    assert [trial["number"] for trial in show["trials"]] == [0, 1, 2, 3]
    keys = {"number", "state", "reason", "value", "steps", "seconds", "params"}
    assert all(keys <= trial.keys() for trial in show["trials"])
    assert {"trial", "seed", "value", "test"} <= show["confirmations"][0].keys()
    assert show["spec"]["objective"]["metric"] == "val_accuracy"
    assert answer(done, "show", "quickstart", "0")["reports"]["1"]["val_accuracy"] > 0
    (line,) = answer(done, "list")
    assert (line["study"], line["state"], line["trials"]) == ("quickstart", "finished", 4)


def test_a_finished_study_says_so_and_a_changed_one_is_refused(done: Path) -> None:
    again = call(*run_words(*SMALL, "tracking.uri=none"), cwd=done)
    assert again.returncode == 0 and "is finished" in again.stdout
    changed = call(*run_words(*SMALL, "tracking.uri=none", "seed=5"), cwd=done)
    assert changed.returncode == 2 and "autotune delete quickstart" in changed.stderr


def test_an_export_trains_to_the_same_score(done: Path) -> None:
    for _ in range(2):  # a former export is replaced
        result = call("export", "quickstart", "-o", "best", cwd=done)
        assert result.returncode == 0, result.stderr
    names = {path.name for path in (done / "best").iterdir()}
    assert names == {"best.yaml", "metrics.json", "model.safetensors"}
    metrics = json.loads((done / "best/metrics.json").read_text())
    trained = call("train", "best/best.yaml", cwd=done)
    assert trained.returncode == 0, trained.stderr
    assert f"val_accuracy {metrics['model']['value']:.10g} " in trained.stdout.splitlines()[-1]
    (done / "mine").mkdir()
    (done / "mine/thesis.tex").touch()
    refused = call("export", "quickstart", "-o", "mine", cwd=done)
    assert refused.returncode == 2 and "thesis.tex" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "quickstat"], "did you mean 'quickstart'"),
        (["show", "quickstart", "99"], "it has trials 0 to 3"),
        (["run", "nosuch.yaml"], "no study file"),
        (["run", "quickstart", "--set", "budget.trails=3"], "did you mean 'trials'"),
        (["run", "quickstart", "--engine", "rya"], "must be ray or inline"),
        (["train", "nosuch.yaml"], "nosuch.yaml"),
        (["ui", "quickstart"], "is not tracked"),
    ],
)
def test_mistakes_end_with_2_and_one_line(done: Path, words: list[str], said: str) -> None:
    result = call(*words, cwd=done)
    assert result.returncode == 2, result
    assert said in result.stderr and "Traceback" not in result.stderr


def test_init_copies_a_study_that_runs(tmp_path: Path) -> None:
    assert call("init", "mine", cwd=tmp_path).returncode == 0
    assert call("check", "mine/studies/quickstart.yaml", cwd=tmp_path).returncode == 0
    again = call("init", "mine", cwd=tmp_path)
    assert again.returncode == 2 and "exists" in again.stderr


def test_delete_removes_the_study(tmp_path: Path) -> None:
    words = run_words("budget.trials=1", "trial.epochs=1", "confirm.top=0", "tracking.uri=none")
    call(*words, "--set", "schedule.name=none", cwd=tmp_path)
    assert call("delete", "quickstart", "--yes", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "runs/quickstart").exists()


def wait_for_trials(folder: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "runs/quickstart/journal.log").exists():
            done = [run for run in load("quickstart", folder / "runs").trials if run.state.finished]
            if len(done) >= count:
                return
        time.sleep(0.2)
    raise AssertionError(f"no {count} finished trials; exit code {process.poll()}")


def interrupt(folder: Path, words: list[str], how: signal.Signals, after: int) -> int:
    with subprocess.Popen(
        (*CALL, *words), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for_trials(folder, after, process)
        os.kill(process.pid, how)
        return process.wait(60)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_study_goes_on_with_nothing_lost(
    tmp_path: Path, how: signal.Signals
) -> None:
    overrides = ("budget.trials=30", "confirm.top=1", "confirm.seeds=1", "tracking.uri=none")
    code = interrupt(tmp_path, run_words(*overrides), how, 4)
    assert code == (130 if how == signal.SIGINT else -signal.SIGKILL)
    before = load("quickstart", tmp_path / "runs")
    finished = {run.trial: run.outcome["at"] for run in before.trials if run.state.finished}
    assert 4 <= len(finished) < 30
    result = call("resume", "quickstart", "--engine", "inline", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    after = load("quickstart", tmp_path / "runs")
    assert [run.trial for run in after.trials] == list(range(30))
    assert all(run.state.finished and run.state != State.FAILED for run in after.trials)
    assert {n: after.trials[n].outcome["at"] for n in finished} == finished


@pytest.mark.slow
def test_after_kill_9_on_ray_mlflow_holds_every_trial_and_value(tmp_path: Path) -> None:
    """The whole of it: Ray, MLflow, kill -9 in mid-run, resume, and every value compared."""
    words = run_words("budget.trials=60", engine="ray")
    assert interrupt(tmp_path, words, signal.SIGKILL, 12) == -signal.SIGKILL
    before = {r.trial for r in load("quickstart", tmp_path / "runs").trials if r.state.finished}
    result = call("resume", "quickstart", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    history = load("quickstart", tmp_path / "runs")
    assert [run.trial for run in history.trials] == list(range(60))
    assert all(len(history.trials[n].assignments) == 1 for n in before)
    best = history.best()
    assert best and best.mean is not None and best.mean >= 0.97
    assert told_to_mlflow(tmp_path) == journaled(history)


def journaled(history: Any) -> dict[str, dict[str, list[tuple[int, float]]]]:
    runs: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for run in [*history.trials, *history.confirms]:
        metrics = runs.setdefault(run.label, {})
        for step in sorted(run.reports):
            for name, value in run.reports[step].metrics.items():
                metrics.setdefault(name, []).append((step, value))
    return runs


def told_to_mlflow(folder: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "quickstart"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    told = {}
    for run in runs:
        if "mlflow.parentRunId" in run.data.tags:
            names = [n for n in run.data.metrics if "/" not in n and n != "seconds"]
            points = {n: client.get_metric_history(run.info.run_id, n) for n in names}
            told[run.info.run_name] = {
                n: [(p.step, p.value) for p in sorted(ps, key=lambda p: p.step)]
                for n, ps in points.items()
            }
    return told
