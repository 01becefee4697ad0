"""What a trial costs that does nothing: `autotune` on Ray beside the usual Ray Tune glue.

    python -m benchmarks.orchestration [--repeats 3] [--out FILE]

A trial reports 9 times without working; MLflow, a TPE over five parameters and two workers are on
in both. Printed: milliseconds a trial from the first report of a study to its last.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.glue import harness
from benchmarks.glue.arm import Record

REPORTS = 9
PARAMETERS = ("p0", "p1", "p2", "p3", "p4")


def loss(params: dict[str, Any], step: int) -> float:
    return sum(params[name] for name in PARAMETERS) + 1 / step


def our_trial(config: dict[str, Any], trial: Any) -> None:
    """What the study file of `run_ours` names."""
    for step in range(1, REPORTS + 1):
        trial.report(step, val_loss=loss(config, step))


def run_ours(folder: Path, trials: int) -> None:
    from autotune.app.runner import drive
    from autotune.spec import StudySpec
    from autotune.tracking.base import Event, RunReported

    record = Record()

    def note(event: Event) -> None:
        if isinstance(event, RunReported):
            index, report = int(event.label.removeprefix("trial-")), event.report
            record.add(index, report.step, {**report.metrics, "seconds": report.seconds})

    _, trouble = drive(StudySpec.model_validate(spec(trials)), folder, [note])
    assert not trouble, trouble
    record.write(folder)


def spec(trials: int) -> dict[str, Any]:
    from autotune.space import Space

    one = {"type": "float", "low": 0.0, "high": 1.0}
    return {
        "name": "orchestration",
        "objective": {"metric": "val_loss", "goal": "minimize"},
        "trial": {"function": "benchmarks.orchestration:our_trial", "epochs": REPORTS},
        "space": Space.parse(dict.fromkeys(PARAMETERS, one)),
        "search": {"name": "tpe"},
        "schedule": {"name": "none"},
        "budget": {"trials": trials},
        "worker": {"cpus": 1, "max": 2},
        "confirm": {"top": 0},
    }


def usual_trial(config: dict[str, Any]) -> None:
    from ray import tune

    for step in range(1, REPORTS + 1):
        tune.report({"val_loss": loss(config, step)})


def run_usual(folder: Path, trials: int) -> None:
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    record = Record()
    indices: dict[str, int] = {}

    class Recorder(tune.Callback):
        def on_trial_result(self, *, trial: Any, result: dict[str, Any], **told: Any) -> None:
            index = indices.setdefault(trial.trial_id, len(indices))
            record.add(index, result["training_iteration"], {**result, "seconds": 0.0})

    ray.init("local", num_cpus=2)
    mlflow = MLflowLoggerCallback(f"sqlite:///{folder}/mlflow.db", experiment_name="orchestration")
    results = tune.Tuner(
        usual_trial,
        param_space={name: tune.uniform(0, 1) for name in PARAMETERS},
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            search_alg=OptunaSearch(),
            num_samples=trials,
            max_concurrent_trials=2,
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "ray_results"), callbacks=[mlflow, Recorder()]
        ),
    ).fit()
    assert not results.errors, results.errors
    record.write(folder)


ARMS: dict[str, Callable[[Path, int], None]] = {"ours": run_ours, "usual": run_usual}


def measure(arm: str, trials: int) -> dict[str, float]:
    """One run of one arm in a process of its own."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix=f"orchestration-{arm}-") as name:
        folder = Path(name)
        arguments = ["--arm", arm, "--folder", name, "--trials", str(trials)]
        try:
            watched = harness.watch("benchmarks.orchestration", arguments, folder / "log.txt")
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{arm} failed:\n{error.output}") from None
        told = harness.reports(folder)
        held = harness.points(folder / "mlflow.db")
    assert len(told) == held == trials * REPORTS, f"{len(told)} reports, {held} in MLflow"
    between = told[-1].at - told[0].at
    start = told[0].at - watched.began
    return {
        "ms_a_trial": between / trials * 1000,
        "start_up_s": start,
        "wall_s": watched.wall,
        "load_before": load,
    }


def compare(repeats: int, trials: dict[str, int], out: Path | None) -> None:
    conditions = harness.conditions()
    runs: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for repeat in range(repeats):
        for arm in sorted(ARMS, reverse=bool(repeat % 2)):
            runs[arm].append(measure(arm, trials[arm]))
            print(arm, json.dumps(runs[arm][-1]), flush=True)
    for arm, measured in runs.items():
        values = [one["ms_a_trial"] for one in measured]
        print(
            f"{arm}: {statistics.median(values):.1f} ms a trial"
            f" ({min(values):.1f} to {max(values):.1f}, n = {repeats}, {trials[arm]} trials)"
        )
    if out:
        result = {**conditions, "reports": REPORTS, "trials": trials, "runs": runs}
        out.write_text(json.dumps(result, indent=1) + "\n")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.orchestration")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=200, help="of ours")
    parser.add_argument("--usual-trials", type=int, default=40, help="2 to 3 s each")
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    parser.add_argument("--arm", choices=sorted(ARMS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.arm:
        ARMS[given.arm](given.folder, given.trials)
    else:
        trials = {"ours": given.trials, "usual": given.usual_trials}
        compare(given.repeats, trials, given.out)


if __name__ == "__main__":
    main()
