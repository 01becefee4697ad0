"""What every part of a training config must do: call these for a variant of your own.

The suites of this project run them over each family's union, so a new variant is tested unasked.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from autotune.train import loop
from autotune.train.base import attribute_docs, variants
from autotune.train.config import TrainConfig

__all__ = ["check_documented", "check_optimizer", "check_resumes", "check_schedule", "examples"]


def examples(family: Any, required: dict[str, dict[str, Any]] | None = None) -> list[Any]:
    """One config of each variant of a union; `required` gives, by name, what has no default."""
    given = required or {}
    return [config(**given.get(name, {})) for name, config in variants(family).items()]


def check_documented(config: type[BaseModel]) -> None:
    """Every field but `name` says what it means."""
    docs = attribute_docs(config)
    fields = config.model_fields.items()
    silent = [name for name, field in fields if not (field.description or docs.get(name))]
    assert set(silent) <= {"name"}, f"{config.__name__}: fields without a docstring: {silent}"


def check_optimizer(config: Any) -> None:
    """It descends on a bowl, and a copy restored from its state takes the very same steps."""
    start = [torch.tensor([1.0, -2.0, 3.0]), torch.tensor([[1.0, 0.5], [-2.0, 3.0]])]
    whole, _ = _descend(config, start, 20)
    half, state = _descend(config, start, 10)
    rest, _ = _descend(config, half, 10, state)
    assert _height(whole) < _height(start), f"{config.name} went uphill"
    same = all(torch.equal(a, b) for a, b in zip(whole, rest, strict=True))
    assert same, f"{config.name} does not go on from its state"


def _descend(
    config: Any, start: list[torch.Tensor], steps: int, state: dict[str, Any] | None = None
) -> tuple[list[torch.Tensor], dict[str, Any]]:
    point = [torch.nn.Parameter(part.clone()) for part in start]
    optimizer = config.build(point)
    if state is not None:
        optimizer.load_state_dict(state)
    for step in range(steps):
        if step % 10 == 0:
            loop.turn(optimizer, "train")
        optimizer.zero_grad()
        _height(point).backward()
        optimizer.step()
        if step % 10 == 9:
            loop.turn(optimizer, "eval")
    return [part.detach() for part in point], optimizer.state_dict()


def _height(point: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.stack([part.square().sum() for part in point]).sum()


def check_schedule(config: Any, steps: int = 60, per_epoch: int = 6) -> None:
    """Never negative, never above optimizer.lr, and rising all through a warm-up."""
    warm = config.model_copy(update={"warmup": 0.25}).build(steps, per_epoch)
    factors = [warm(step) for step in range(steps)]
    assert all(0 <= factor <= 1 + 1e-9 for factor in factors), f"{config.name} leaves 0 to 1"
    rise = factors[: steps // 4]
    assert rise == sorted(rise) and rise[0] < rise[-1], f"{config.name} does not warm up"
    assert max(factors) > 0.99, f"{config.name} never reaches optimizer.lr"


def check_resumes(config: TrainConfig, folder: Path) -> None:
    """Interrupted at its middle step, a training gives the curve of a whole one, bit for bit."""
    middle = config.steps // 2
    whole = [report.metrics for report in loop.train(config, folder / "whole")]
    first = [report.metrics for report in loop.train(config, folder / "parts", to_step=middle)]
    torch.manual_seed(torch.seed())  # what the process drew in between must not matter
    rest = [report.metrics for report in loop.train(config, folder / "parts", resume=middle)]
    assert first + rest == whole
    assert loop.test(config, folder / "parts") == loop.test(config, folder / "whole")
