"""The whole of it: Ray, MLflow, kill -9 in mid-run, resume, and every value compared."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotune.study.history import History, load

CALL = (sys.executable, "-c", "from autotune.cli import main; main()")
Curves = dict[str, dict[str, list[tuple[int, float]]]]


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
    """Sends the signal once `after` trials have finished; the exit code."""
    with subprocess.Popen(
        (*CALL, *words), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for_trials(folder, after, process)
        os.kill(process.pid, how)
        return process.wait(60)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SQLAlchemy's, inside MLflow
def test_after_kill_9_on_ray_mlflow_holds_every_trial_and_value(tmp_path: Path) -> None:
    words = ["run", "quickstart", "--set", "budget.trials=24"]
    assert interrupt(tmp_path, words, signal.SIGKILL, 12) == -signal.SIGKILL
    before = {r.trial for r in load("quickstart", tmp_path / "runs").trials if r.state.finished}
    resume = subprocess.run(
        (*CALL, "resume", "quickstart"), cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert resume.returncode == 0, resume.stderr
    history = load("quickstart", tmp_path / "runs")
    assert [run.trial for run in history.trials] == list(range(24))
    assert all(len(history.trials[n].assignments) == 1 for n in before)
    best = history.best()
    assert best and best.mean is not None and best.mean >= 0.96
    assert told_to_mlflow(tmp_path) == journaled(history)


def journaled(history: History) -> Curves:
    runs: Curves = {}
    for run in [*history.trials, *history.confirms, *history.verifies]:
        metrics = runs.setdefault(run.label, {})
        for step in sorted(run.reports):
            for name, value in run.reports[step].metrics.items():
                metrics.setdefault(name, []).append((step, value))
    return runs


def told_to_mlflow(folder: Path) -> Curves:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")
    (experiment,) = [e for e in client.search_experiments() if e.name == "quickstart"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    told = {}
    for run in runs:
        if "mlflow.parentRunId" in run.data.tags:
            names = [n for n in run.data.metrics if "/" not in n and not n.endswith("seconds")]
            points = {n: client.get_metric_history(run.info.run_id, n) for n in names}
            told[run.info.run_name] = {
                n: [(p.step, p.value) for p in sorted(ps, key=lambda p: p.step)]
                for n, ps in points.items()
            }
    return told
