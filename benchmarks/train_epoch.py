"""An epoch of autotune's loop beside a bare PyTorch loop over the same tensors.

    python benchmarks/train_epoch.py [--pairs 40] [--epochs 10]

Both train the digits MLP with the same batches in the same order, and evaluate on the validation
split after each epoch. Pairs are interleaved, first one first, then the other. Printed: the median
ratio of the time of one epoch, ours / bare, with its quartiles and the number of pairs.
"""

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from autotune.train import loop, setup
from autotune.train.config import TrainConfig, apply
from autotune.train.data.base import prepare
from autotune.train.seeds import seed_of

BASE = {"data": {"name": "digits"}, "model": {"name": "mlp", "width": 128, "depth": 2}}


def ours(config: TrainConfig) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        reports = list(loop.train(config, Path(folder)))
    # The last epoch also writes the checkpoint, which the bare loop lacks.
    return [report.seconds for report in reports[:-1]], reports[-2].metrics["val_loss"]


def bare(config: TrainConfig) -> tuple[list[float], float]:
    data = prepare(config.data, "cpu")
    train, val, samples = data.train, data.val, len(data.train.y)
    model = setup.build(config, data)
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    seconds = []
    for epoch in range(1, config.epochs):
        began = time.perf_counter()
        model.train()
        order = loop.permutation(samples, seed_of(config.seed, epoch, "order"))
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for rows in order.split(config.batch_size):
            x, y = train.x[rows], train.y[rows]
            logits = model(x)
            loss = cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.detach() * len(rows)
            right += (logits.detach().argmax(1) == y).sum()
        model.eval()
        with torch.no_grad():
            logits = model(val.x)
            val_loss = cross_entropy(logits, val.y).item()
            (logits.argmax(1) == val.y).double().mean().item()
        total.item(), right.item()
        seconds.append(time.perf_counter() - began)
    return seconds, val_loss


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args(arguments)
    loop.warm_up()
    config = apply({**BASE, "epochs": options.epochs + 1}, {})
    assert isinstance(config, TrainConfig)
    ours(config), bare(config)
    ratios, times = [], []
    for pair in range(options.pairs):
        runs = [ours, bare] if pair % 2 else [bare, ours]
        results = {run: run(config) for run in runs}
        (mine, score), (theirs, other) = results[ours], results[bare]
        assert abs(score - other) < 1e-6, "the two loops must train the same model"
        ratios.append(statistics.median(mine) / statistics.median(theirs))
        times.append(statistics.median(theirs))
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"ours / bare: {middle:.3f} (quartiles {low:.3f} to {high:.3f}, n = {options.pairs})")
    print(f"bare epoch: {1e3 * statistics.median(times):.2f} ms, 1 thread, digits MLP 2 x 128")
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")


if __name__ == "__main__":
    main()
