"""What a training leaves on disk: where it can go on, and its best weights.

A checkpoint at step 12 is two files: `step-000012.safetensors` (the weights and, unless they are
the same, the best weights so far) and `step-000012.state`. The first is written last, so it
vouches for the other, by step and checksum. Beside them `best.safetensors` and `best.json` hold the
best weights alone, for those who only want the result.
"""

import io
import json
import pickle
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from autotune.errors import AutotuneError
from autotune.files import write_atomically
from autotune.machine_faults import machine_fault

__all__ = ["Best", "Checkpoint", "clear_after", "load", "load_best", "read", "read_best", "write"]

Weights = dict[str, Tensor]

KEPT = 2
NAME = re.compile(r"^step-(\d{6,})\.(safetensors|state)$")
BROKEN = (
    SafetensorError,
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    EOFError,
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class Best:
    """The weights a training is remembered by, and what they scored."""

    step: int
    metrics: Mapping[str, float]
    weights: Weights


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on after `step`. Randomness needs nothing: it has seeds."""

    step: int
    weights: Weights
    state: dict[str, Any]
    """What else learns, by name, such as the optimizer: plain containers of tensors and numbers."""
    best: Best


def write(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint and the best weights; whole or not at all. Older ones go, but two."""
    step, best = checkpoint.step, checkpoint.best
    buffer = io.BytesIO()
    torch.save(checkpoint.state, buffer)
    state = buffer.getvalue()
    tensors = {f"model.{name}": tensor for name, tensor in checkpoint.weights.items()}
    if best.step != step:
        tensors |= {f"best.{name}": tensor for name, tensor in best.weights.items()}
    facts = {"step": step, "state": zlib.crc32(state), "best": _facts(best)}
    write_atomically(folder / f"step-{step:06d}.state", state)
    write_atomically(folder / f"step-{step:06d}.safetensors", _pack(tensors, facts))
    write_atomically(folder / "best.safetensors", _pack(best.weights, _facts(best)))
    write_atomically(folder / "best.json", json.dumps(_facts(best), indent=2) + "\n")
    for old in _steps(folder)[KEPT:]:
        _remove(folder, old)


def load(folder: Path, newest: int) -> Checkpoint | None:
    """The newest checkpoint that is not beyond step `newest` and is whole, or None."""
    for step in _steps(folder):
        if step <= newest:
            try:
                return _read(folder, step)
            except BROKEN as error:
                if machine_fault(error):  # it may be whole all the same
                    raise
    return None


def load_best(folder: Path) -> Best:
    """The best weights in `folder`. best.safetensors alone is asked, so they fit their step."""
    return read_best(folder / "best.safetensors")


def read_best(file: Path) -> Best:
    """Best weights from a file of any name. Raises AutotuneError where they are not whole."""
    try:
        weights, facts = _unpack(file)
        return Best(facts["step"], facts["metrics"], weights)
    except BROKEN as error:
        raise AutotuneError(f"there are no whole weights in {str(file)!r}: {error}") from error


def clear_after(folder: Path, step: int) -> None:
    """Remove the checkpoints beyond `step`: that future is about to be trained anew."""
    for later in _steps(folder):
        if later > step:
            _remove(folder, later)


def _read(folder: Path, step: int) -> Checkpoint:
    tensors, facts = _unpack(folder / f"step-{step:06d}.safetensors")
    raw = (folder / f"step-{step:06d}.state").read_bytes()
    if zlib.crc32(raw) != facts["state"] or facts["step"] != step:
        raise ValueError("the state is not the one that was written")
    weights = _under("model.", tensors)
    best = Best(
        facts["best"]["step"], facts["best"]["metrics"], _under("best.", tensors) or weights
    )
    state = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    return Checkpoint(step, weights, state, best)


def _pack(weights: Weights, facts: Mapping[str, Any]) -> bytes:
    """safetensors with our facts in its header, among them a checksum of the tensors."""
    # Tensors that share memory are refused by safetensors: each gets its own.
    own = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }
    return save(own, {"autotune": json.dumps({**facts, "sum": _sum(own)})})


def _unpack(path: Path) -> tuple[Weights, dict[str, Any]]:
    weights, facts = read(path)
    if facts is None:
        raise ValueError(f"{path.name} is not of a training")
    return weights, facts


def read(path: Path) -> tuple[Weights, dict[str, Any] | None]:
    """A safetensors file, and its facts where a training wrote it: then its checksum must hold.

    Raises one of BROKEN where the file is not whole.
    """
    with safe_open(path, framework="pt") as file:
        said = (file.metadata() or {}).get("autotune")
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    facts = json.loads(said) if said else None
    if facts is not None and _sum(weights) != facts["sum"]:
        raise ValueError("its checksum differs")
    return weights, facts


def _sum(weights: Weights) -> int:
    total = 0
    for name in sorted(weights):
        total = zlib.crc32(weights[name].flatten().view(torch.uint8).numpy().data, total)
    return total


def _facts(best: Best) -> dict[str, Any]:
    return {"step": best.step, "metrics": dict(best.metrics)}


def _under(prefix: str, tensors: Weights) -> Weights:
    start = len(prefix)
    return {name[start:]: tensors[name] for name in tensors if name.startswith(prefix)}


def _steps(folder: Path) -> list[int]:
    """Steps that have files, newest first."""
    names: Iterable[Path] = folder.iterdir() if folder.is_dir() else ()
    found = {int(match[1]) for path in names if (match := NAME.match(path.name))}
    return sorted(found, reverse=True)


def _remove(folder: Path, step: int) -> None:
    for kind in ("safetensors", "state"):
        (folder / f"step-{step:06d}.{kind}").unlink(missing_ok=True)
