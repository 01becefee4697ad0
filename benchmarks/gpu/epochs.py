"""An epoch of autotune's loop beside one of a bare loop over the same tensors.

The two take turns, epoch by epoch, so that a machine that slows down slows both. The bare loop is
what one writes by hand for the same network, batches, precision and number of metrics; it has no
watch for NaN, keeps no best weights, and writes nothing.
"""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from autotune.train import loop, setup
from autotune.train.config import TrainConfig
from autotune.train.data.base import Dataset, Split
from autotune.train.seeds import seed_of
from benchmarks.gpu.part import Figure, Tell, Wrong
from benchmarks.gpu.setting import data_of, images, make, scratch

__all__ = ["VARIANTS", "epochs"]

VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {},
    "tf32": {"precision": "tf32"},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "bf16 channels_last": {"precision": "bf16", "channels_last": True},
    "bf16 compile": {"precision": "bf16", "compile": True},
}
GPU_ONLY = ("tf32", "fp16", "bf16 compile")
"""tf32 and fp16 are of GPUs; on a CPU compiling takes longer than all the rest."""
AIM = {("cnn", "fp32"): 1.05, ("resnet", "fp32"): 1.05}
"""(network, variant) -> the ratio that is aimed at, at most."""
PAIRS = 12


def epochs(network: str, dry: bool, tell: Tell) -> None:
    """A figure for each variant, in the order of what they need: compiling comes last."""
    path = images(scratch(), dry)
    for variant, given in VARIANTS.items():
        if dry and variant in GPU_ONLY:
            tell({"variant": variant, "skipped": "needs a GPU"})
            continue
        pairs = 1 if dry else PAIRS
        config = make(path, network, dry, epochs=pairs + 2, **given)
        figure = compared(config, pairs)
        if not dry and (aim := AIM.get((network, variant))):
            figure |= {"aim": aim, "met": figure["ratio"] <= aim}
        tell({"variant": variant, **figure})
        ours, bares = figure["val_loss"]
        if abs(ours - bares) > 0.05 * bares:
            raise Wrong(f"{variant}: the loops train different networks: {ours}, {bares}")


def compared(config: TrainConfig, pairs: int) -> Figure:
    mine, theirs = loop.train(config, scratch()), bare(config, data_of(config))
    # Not counted: the first epoch, which compiles, and the last, which writes a checkpoint.
    first = next(mine).seconds, next(theirs)[0]
    ours, bares = [], []
    scores = 0.0, 0.0
    for pair in range(pairs):
        if pair % 2:
            report, (seconds, loss) = next(mine), next(theirs)
        else:
            (seconds, loss), report = next(theirs), next(mine)
        ours.append(report.seconds)
        bares.append(seconds)
        scores = report.metrics["val_loss"], loss
    ratios = [a / b for a, b in zip(ours, bares, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if pairs > 1 else ratios * 3
    figure: Figure = {"ratio": middle, "quartiles": [low, high], "n": pairs}
    figure |= {"ours_ms": 1e3 * statistics.median(ours), "bare_ms": 1e3 * statistics.median(bares)}
    return figure | {"first_s": list(first), "val_loss": list(scores), "pairs": ratios}


def bare(config: TrainConfig, data: Dataset) -> Iterator[tuple[float, float]]:
    """Seconds and validation loss of each epoch."""
    x, y = data.train.x, data.train.y
    forward, model = called(config, data)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.optimizer.lr)
    scaler = torch.amp.GradScaler(x.device.type, enabled=config.precision == "fp16")
    for epoch in range(1, config.epochs + 1):
        began = time.perf_counter()
        model.train()
        order = loop.permutation(len(y), seed_of(config.seed, epoch, "order")).to(x.device)
        total = torch.zeros((), device=x.device)
        right = torch.zeros((), dtype=torch.int64, device=x.device)
        for rows in order.split(config.batch_size):
            logits = forward(x[rows])
            loss = cross_entropy(logits, y[rows])
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            total += loss.detach() * len(rows)
            right += (logits.detach().argmax(1) == y[rows]).sum()
        val_loss, _ = judged(config, data.val, called(config, data, model)[0], model)
        total.item(), right.item()
        yield time.perf_counter() - began, val_loss


def called(config: TrainConfig, data: Dataset, model: nn.Module | None = None) -> Any:
    """(how the network is called in its precision, the network); one that is given is judged, and
    is not compiled."""
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)
    device = data.train.x.device
    call: Any = model
    if model is None:
        model = setup.build(config, data).to(device)
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
        call = torch.compile(model) if config.compile else model

    def forward(x: Tensor) -> Tensor:
        if config.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, kind, enabled=kind is not None):
            output: Tensor = call(x)
        return output.float()

    return forward, model


@torch.no_grad()
def judged(config: TrainConfig, split: Split, forward: Any, model: nn.Module) -> tuple[float, int]:
    """Loss and hits, in pieces as large as ours."""
    model.eval()
    pieces = split.x.split(max(1, loop.EVAL_ELEMENTS // split.x[0].numel()))
    logits = torch.cat([forward(piece) for piece in pieces])
    hits = (logits.argmax(1) == split.y).sum()
    return cross_entropy(logits, split.y).item(), int(hits.item())
