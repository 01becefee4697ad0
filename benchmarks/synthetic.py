"""Whether generated samples help on a small data set: digits, of which few are trained on.

    python benchmarks/synthetic.py [--seeds 10] [--held 0.9] [--epochs 80] [--steps 3000]

Each seed draws another split (145 of the digits to train on, 1,293 to be judged by, at 0.9), trains
the generator on its train part alone, and then a small CNN without and with generated samples, on
images as they are and under the basic policy. A network is judged by its last epoch, so that
nothing is chosen by what it is judged with. Printed: the mean accuracy of each arm, and the mean
difference that a ratio makes within a seed, with its 95 % interval (Student's t). Before it, for
the first seed's split: how far images of one class vary, and how near a generated one has a real
neighbour.

    python benchmarks/synthetic.py --seeds 0 --held 0.2

tells that alone, of a generator of the whole train split.

Generators are kept in the cache: a second run takes the trainings alone.
"""

import argparse
import platform
import statistics
import tempfile
from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import torch
from scipy.stats import t as student

from autotune.train import loop
from autotune.train.augment.pixels import pixels_of
from autotune.train.augment.synthetic import pool as pools
from autotune.train.augment.synthetic.config import SyntheticConfig
from autotune.train.config import TrainConfig, apply
from autotune.train.data.base import prepare
from autotune.train.data.builtin_config import DigitsData

BASE = {
    "model": {"name": "cnn", "blocks": 2, "channels": 32},
    "batch_size": 32,
    "optimizer": {"name": "adamw", "lr": 3e-3},
    "lr_schedule": {"name": "cosine"},
    "monitor": {"metric": "val_accuracy", "goal": "maximize", "at": "last"},
}
POLICIES = {
    "as they are": {"name": "none"},
    "basic": {"name": "basic", "crop_pad": 0.125, "rotate": 10.0, "scale": 0.1},
}
RATIOS = (0.0, 0.25, 0.5)


def accuracy(policy: str, ratio: float, seed: int, options: argparse.Namespace) -> float:
    data = {"name": "digits", "seed": seed, "val_fraction": options.held}
    synthetic = {"ratio": ratio, "steps": options.steps}
    augment = {"policy": POLICIES[policy], "synthetic": synthetic}
    config = apply(
        {**BASE, "epochs": options.epochs, "data": data, "augment": augment, "seed": seed}, {}
    )
    assert isinstance(config, TrainConfig)
    with tempfile.TemporaryDirectory() as folder:
        reports = list(loop.train(config, Path(folder)))
    return reports[-1].metrics["val_accuracy"]


def variety(seed: int, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Of generated and of real images, pixels from 0 to 1: the standard deviation of a pixel within
    a class, and how far an image is from the nearest real one of its class, as a share of how far a
    real one is from the nearest other."""
    config = DigitsData(seed=seed, val_fraction=options.held)
    data = prepare(config, "cpu")
    pool = pools.build(SyntheticConfig(steps=options.steps), data)
    pixels = pixels_of(data).enter(data.train.x).flatten(1)
    made = pool.images.float().div(255).flatten(2)
    found: dict[str, list[tuple[float, float]]] = {"real": [], "generated": []}
    for label in range(data.classes):
        real, fake = pixels[data.train.y == label], made[label]
        apart = torch.cdist(real, real)
        among = apart.fill_diagonal_(torch.inf).amin(1).mean()
        near = torch.cdist(fake, real).amin(1).mean() / among
        found["real"].append((float(real.std(0).mean()), 1.0))
        found["generated"].append((float(fake.std(0).mean()), float(near)))
    pairs = {name: list(zip(*of, strict=True)) for name, of in found.items()}
    return {name: (statistics.mean(a), statistics.mean(b)) for name, (a, b) in pairs.items()}


def interval(values: list[float]) -> str:
    mean = statistics.mean(values)
    half = student.ppf(0.975, len(values) - 1) * statistics.stdev(values) / sqrt(len(values))
    return f"{100 * mean:+.2f} ({100 * (mean - half):+.2f} to {100 * (mean + half):+.2f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--held", type=float, default=0.9)
    parser.add_argument("--epochs", type=int, default=80)
    parser.add_argument("--steps", type=int, default=3_000, help="of the generator")
    options = parser.parse_args(arguments)
    for name, (spread, near) in variety(1, options).items():
        print(f"{name} images of a class: a pixel's standard deviation {spread:.3f}, ", end="")
        print(f"nearest real neighbour at {near:.2f} of a real one's")
    scores: dict[tuple[str, float], list[float]] = {}
    for seed in range(1, options.seeds + 1):
        for policy in POLICIES:
            for ratio in RATIOS:
                score = accuracy(policy, ratio, seed, options)
                scores.setdefault((policy, ratio), []).append(score)
        found = ", ".join(f"{100 * values[-1]:.2f}" for values in scores.values())
        print(f"seed {seed}: {found}", flush=True)
    for policy in POLICIES if scores else ():
        bare = scores[policy, 0.0]
        for ratio in RATIOS:
            own = scores[policy, ratio]
            line = f"{policy:12} ratio {ratio:4}: {100 * statistics.mean(own):.2f} % right"
            gains = [a - b for a, b in zip(own, bare, strict=True)]
            print(line + (f", difference {interval(gains)} points" if ratio else ""))
    print(f"n = {options.seeds} seeds, torch {torch.__version__}, Python ", end="")
    print(f"{platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()
