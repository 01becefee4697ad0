"""What every step must keep to: a resume is exact, and the host waits for the device only where it
has to."""

import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from autotune.train import loop, setup
from benchmarks.gpu.epochs import VARIANTS
from benchmarks.gpu.part import Figure, Skipped, Tell, Wrong
from benchmarks.gpu.setting import NETWORKS, images, make, scratch

__all__ = ["resumes", "synchronisations"]

OWN = re.compile(r"autotune[/\\]train[/\\]")


def resumes(dry: bool, tell: Tell) -> None:
    """A training that was interrupted after 2 of 4 epochs, beside one that was not, and beside the
    same once more: where a device does not repeat itself, no resume can be exact."""
    path, wrong = images(scratch(), dry, samples=2_560), []
    for network in ("mlp", "cnn") if dry else NETWORKS:
        for precision in ("fp32",) if dry else ("fp32", "bf16", "fp16"):
            config = make(path, network, dry, epochs=4, precision=precision)
            whole, again, halves = scratch(), scratch(), scratch()
            first = curve(config, whole)
            repeated = apart(first, curve(config, again))
            parts = curve(config, halves, to_step=2) + curve(config, halves, resume=2)
            resumed = apart(first, parts)
            tell(
                {"network": network, "precision": precision, "again": repeated, "resumed": resumed}
            )
            if resumed > 10 * repeated:
                wrong.append(f"{network} in {precision}: {resumed:.3g}, repeated {repeated:.3g}")
    if wrong:
        raise Wrong("; ".join(wrong))


def curve(config: Any, folder: Path, **stretch: int) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in loop.train(config, folder, **stretch)]


def apart(first: list[dict[str, float]], second: list[dict[str, float]]) -> float:
    """The largest difference of any number of two curves: 0.0 is exact."""
    pairs = zip(first, second, strict=True)
    return max(abs(one[name] - other[name]) for one, other in pairs for name in one)


def synchronisations(dry: bool, tell: Tell) -> None:
    """Those of an epoch of 8 steps and of one of 64, by torch.cuda.set_sync_debug_mode: what is
    more is of the steps. fp16 has one a step of torch's own, which looks whether gradients
    overflowed."""
    if dry:
        raise Skipped("needs a GPU, which alone can be waited for")
    path, wrong = images(scratch(), dry, samples=2_048), []
    for network in NETWORKS:
        for variant, given in VARIANTS.items():
            if given.get("compile"):
                continue
            few, many = (waits(path, network, batch, given) for batch in (256, 32))
            by_step = (sum(many.values()) - sum(few.values())) / 56
            places = {place: many[place] for place in many if many[place] > few[place]}
            tell({"network": network, "variant": variant, "by_step": by_step, "places": places})
            if ours := [place for place in places if OWN.search(place)]:
                wrong.append(f"{network} in {variant}: {', '.join(ours)}")
    if wrong:
        raise Wrong("the host waits in each step: " + "; ".join(wrong))


def waits(path: Path, network: str, batch: int, given: Figure) -> Counter[str]:
    """Where the host waited in the second epoch, and how often."""
    config = make(path, network, False, epochs=2, **{**given, "batch_size": batch})
    training = setup.begin(config)
    loop.learn(training, 1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            loop.learn(training, 2)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    root = Path(__file__).parents[2]
    return Counter(
        f"{_short(warning.filename, root)}:{warning.lineno}"
        for warning in said
        if "synchronizing" in str(warning.message)
    )


def _short(file: str, root: Path) -> str:
    """From the root of the checkout, or of the packages."""
    return file.removeprefix(f"{root}/").rpartition("site-packages/")[2]
