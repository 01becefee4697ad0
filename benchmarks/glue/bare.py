"""The training that all arms share: the digits MLP in a bare loop, no tuner in it.

Same split, same seeds and same arithmetic as autotune's own loop, so that the same trial gives the
same numbers in every arm (one thread, CPU). Written by hand to depend on nothing but torch.

Shapes: N samples of the train split, B of a batch.
"""

import hashlib
import time
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.glue.plan import Planned

__all__ = ["Data", "build", "epoch_seed", "evaluate", "load", "optimize", "train", "warm_up"]

CLASSES, FEATURES = 10, 64


class Data(NamedTuple):
    x: Tensor
    """(N, 1, 8, 8), normalised"""
    y: Tensor
    """(N,)"""
    x_val: Tensor
    y_val: Tensor


@cache
def load() -> Data:
    digits = load_digits()
    x, y = digits.images[:, None].astype(np.float32), digits.target.astype(np.int64)
    kept, _ = _stratified(y, seed=0)  # without the test split
    x, y = x[kept], y[kept]
    train, val = _stratified(y, seed=1)
    mean = x[train].mean(dtype=np.float64).astype(np.float32)
    std = x[train].std(dtype=np.float64).astype(np.float32)
    x = (x - mean) / std
    parts = (x[train], y[train], x[val], y[val])
    return Data(*(torch.from_numpy(part).contiguous() for part in parts))


def _stratified(y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What is kept, and a fifth of every class that is held out."""
    generator = np.random.Generator(np.random.PCG64(seed))
    held = []
    for label in range(CLASSES):
        members = generator.permutation(np.flatnonzero(y == label))
        held.append(members[: round(len(members) * 0.2)])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(y)), out), out


def epoch_seed(planned: Planned, epoch: int, purpose: str) -> int:
    text = f"{planned.seed}/{epoch}/{purpose}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def build(planned: Planned) -> nn.Module:
    torch.manual_seed(epoch_seed(planned, 0, "weights"))
    layers: list[nn.Module] = [nn.Flatten()]
    features = FEATURES
    for _ in range(planned.depth):
        layers += [nn.Linear(features, planned.width), nn.ReLU()]
        if planned.dropout:
            layers.append(nn.Dropout(planned.dropout))
        features = planned.width
    return nn.Sequential(*layers, nn.Linear(features, CLASSES))


def optimize(planned: Planned, model: nn.Module) -> torch.optim.Optimizer:
    parameters, lr = model.parameters(), planned.lr
    if planned.optimizer == "momentum":
        return torch.optim.SGD(parameters, lr=lr, momentum=0.9)
    if planned.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr)
    # As autotune does: AdamW decays by default, and biases are not decayed.
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    biases = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    return torch.optim.AdamW([{"params": weights}, {"params": biases, "weight_decay": 0.0}], lr=lr)


def warm_up() -> None:
    """What the first trial of a process would pay: the imports of the first optimizer, the data."""
    torch.set_num_threads(1)
    load()
    torch.optim.SGD([nn.Parameter(torch.zeros(1))])


def train(planned: Planned) -> Iterator[dict[str, float]]:
    """The metrics of each epoch, with the `seconds` it took."""
    data, model = load(), build(planned)
    optimizer = optimize(planned, model)
    for epoch in range(1, planned.epochs + 1):
        began = time.perf_counter()
        torch.manual_seed(epoch_seed(planned, epoch, "dropout"))
        generator = torch.Generator().manual_seed(epoch_seed(planned, epoch, "order"))
        order = torch.randperm(len(data.y), generator=generator)
        trained = _train_epoch(model, optimizer, data, order.split(planned.batch_size))
        metrics = {**trained, **evaluate(model, data), "lr": planned.lr}
        yield {**metrics, "seconds": time.perf_counter() - began}


def _train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, data: Data, batches: tuple[Tensor, ...]
) -> dict[str, float]:
    model.train()
    losses, right = [], []
    for rows in batches:
        x, y = data.x.index_select(0, rows), data.y.index_select(0, rows)
        logits = model(x)  # (B, 10)
        loss = cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach() * len(rows))
        right.append((logits.detach().argmax(1) == y).sum())
    samples = len(data.y)
    return {
        "train_loss": float(torch.stack(losses).sum() / samples),
        "train_accuracy": int(torch.stack(right).sum()) / samples,
    }


@torch.no_grad()
def evaluate(model: nn.Module, data: Data) -> dict[str, float]:
    model.eval()
    logits = model(data.x_val)
    samples = len(data.y_val)
    loss = cross_entropy(logits, data.y_val, reduction="sum")
    right = (logits.argmax(1) == data.y_val).sum()
    return {"val_loss": float(loss) / samples, "val_accuracy": int(right) / samples}
