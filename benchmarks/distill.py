"""Whether a teacher helps a small student on few labels, and whether the temperature matters.

    python benchmarks/distill.py [--seeds 10] [--epochs 60] [--out benchmarks/distill.json]

216 labelled digits, 862 to validate, 719 to test. A small perceptron learns from the labels alone,
and taught by a convolutional network that was trained on the same 216; both with the same seed,
on the same split. Each seed draws another split, and has a teacher of its own. Then the same
student at temperatures 1, 2, 4, 8 and 16, on the same splits.

Everything is judged on the test part, by the last epoch. Intervals are 95 %, of paired
differences (Student's t). That temperature matters is tested by Friedman's test over the splits
and by the difference of the best temperature to 1, where the best is the one that validates best
on the other splits.
"""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev

import torch
from scipy.stats import friedmanchisquare, t

from autotune.train import loop
from autotune.train.config import TrainConfig, apply

TEMPERATURES = (1.0, 2.0, 4.0, 8.0, 16.0)
TEACHER = {
    "name": "trained",
    "model": {"name": "cnn", "channels": 32, "blocks": 3},
    "optimizer": {"name": "adamw", "lr": 3e-3},
    "lr_schedule": {"name": "cosine"},
}
STUDENT = {
    "model": {"name": "mlp", "width": 32, "depth": 2},
    "optimizer": {"name": "adamw", "lr": 5e-3},
    "lr_schedule": {"name": "cosine"},
    "monitor": {"metric": "val_accuracy", "goal": "maximize", "at": "last"},
}
STRATEGIES = {
    "alone": {"name": "none"},
    **{
        f"T={heat:g}": {"name": "soft_targets", "temperature": heat, "alpha": 0.9}
        for heat in TEMPERATURES
    },
    "falling from 8": {
        "name": "soft_targets",
        "temperature": 8.0,
        "temperature_schedule": "linear",
    },
    "learned": {"name": "soft_targets", "temperature_schedule": "learned"},
    "decoupled": {"name": "decoupled", "beta": 4.0},
    "relational": {"name": "relational"},
}
Scores = dict[str, list[dict[str, float]]]


def score(distill: dict[str, object], seed: int, epochs: int) -> dict[str, float]:
    data = {"name": "digits", "seed": seed, "test_fraction": 0.4, "val_fraction": 0.8}
    teacher = {"teacher": {**TEACHER, "epochs": epochs}}
    taught = distill if distill["name"] == "none" else {**distill, **teacher}
    config = apply({**STUDENT, "epochs": epochs, "data": data, "seed": seed, "distill": taught}, {})
    assert isinstance(config, TrainConfig)
    return _trained(config)


def teacher_score(seed: int, epochs: int) -> dict[str, float]:
    data = {"name": "digits", "seed": seed, "test_fraction": 0.4, "val_fraction": 0.8}
    own = {key: value for key, value in TEACHER.items() if key != "name"}
    config = apply({**own, "epochs": epochs, "data": data}, {})
    assert isinstance(config, TrainConfig)
    return _trained(config)


def _trained(config: TrainConfig) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        for _ in loop.train(config, Path(folder)):
            pass
        return loop.test(config, Path(folder))


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval."""
    n = len(differences)
    return fmean(differences), float(t.ppf(0.975, n - 1)) * stdev(differences) / n**0.5


def against(scores: Scores, one: str, other: str, metric: str) -> str:
    pairs = zip(scores[one], scores[other], strict=True)
    mean, half = interval([a[metric] - b[metric] for a, b in pairs])
    return f"{mean:+.4f} ± {half:.4f}"


def chosen_against_one(scores: Scores) -> tuple[float, float]:
    """The test accuracy of the temperature that validates best, less that of temperature 1."""
    names = [f"T={heat:g}" for heat in TEMPERATURES]
    differences = []
    for seed in range(len(scores["T=1"])):
        others = [s for s in range(len(scores["T=1"])) if s != seed]
        best = max(names, key=lambda name: fmean(scores[name][s]["val_accuracy"] for s in others))
        mine, one = scores[best][seed], scores["T=1"][seed]
        differences.append(mine["test_accuracy"] - one["test_accuracy"])
    return interval(differences)


def report(scores: Scores, teachers: list[dict[str, float]]) -> list[str]:
    n = len(teachers)
    lines = [f"teacher: test accuracy {fmean(s['test_accuracy'] for s in teachers):.4f}, n = {n}"]
    for name, found in scores.items():
        accuracy, loss = (
            fmean(s[metric] for s in found) for metric in ("test_accuracy", "test_loss")
        )
        lines.append(
            f"{name:>15}: accuracy {accuracy:.4f}, less alone "
            f"{against(scores, name, 'alone', 'test_accuracy') if name != 'alone' else '':>17}; "
            f"loss {loss:.4f}, less alone "
            f"{against(scores, name, 'alone', 'test_loss') if name != 'alone' else ''}"
        )
    for metric in ("test_accuracy", "test_loss"):
        columns = [[s[metric] for s in scores[f"T={heat:g}"]] for heat in TEMPERATURES]
        lines.append(
            f"temperature, {metric}: Friedman p = {friedmanchisquare(*columns).pvalue:.2g}"
        )
    mean, half = chosen_against_one(scores)
    lines.append(f"temperature chosen on the other splits, less T=1: {mean:+.4f} ± {half:.4f}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    loop.warm_up()
    with tempfile.TemporaryDirectory() as cache:
        os.environ.setdefault("AUTOTUNE_CACHE", cache)
        scores: Scores = {name: [] for name in STRATEGIES}
        teachers = []
        for seed in range(options.seeds):
            teachers.append(teacher_score(seed, options.epochs))
            for name, distill in STRATEGIES.items():
                scores[name].append(score(distill, seed, options.epochs))
    lines = report(scores, teachers)
    about = f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}"
    lines.append(f"{about}, 1 thread, {datetime.now(UTC).date()}")
    print("\n".join(lines))
    if options.out:
        said = {"report": lines, "scores": scores, "teachers": teachers}
        options.out.write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
