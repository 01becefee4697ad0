"""An exported folder, opened to predict with; its files are checked first.

A built-in network is rebuilt from config.json and model.safetensors, which any later version reads
and which hold no code. A user's own network runs from model.pt2, without its code. If one way
fails, the other is tried, with a note.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from autotune.errors import AutotuneError, UserError
from autotune.export.input import FORMAT, Input, made_by
from autotune.export.program import INPUT, PROGRAM, Predictor, predictor, why
from autotune.export.source import FOLDER, references
from autotune.export.sums import verify
from autotune.export.verify import on_cpu
from autotune.train import weights
from autotune.train.config import TrainConfig, is_own
from autotune.train.function import search_first
from autotune.train.missing_path import absent
from autotune.train.setup import shaped

__all__ = ["ExportedModel", "open_export", "rebuilt"]

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class ExportedModel:
    folder: Path
    input: Input
    model: nn.Module
    """Raw samples (B, ...) to logits (B, classes), or to (B, 1) numbers."""
    notes: list[str]


def open_export(folder: Path) -> ExportedModel:
    """Raises UserError if `folder` is no export, or is incomplete; AutotuneError if its network
    cannot run here."""
    config, input = _described(folder)
    notes = _other_versions(input)
    ways: list[Callable[[Path, Input], nn.Module]] = [rebuilt, _program]
    if references(config):  # user code, which the program does not need
        ways.reverse()
    if not (folder / PROGRAM).exists():
        ways.remove(_program)
    failures: list[str] = []
    for way in ways:
        try:
            return ExportedModel(folder, input, way(folder, input), [*notes, *failures])
        except Exception as error:  # torch's, or those of a user's code
            failures.append(str(error) if isinstance(error, AutotuneError) else why(error))
    raise AutotuneError("; ".join([f"the network in {folder} cannot be run", *failures, *notes]))


def _described(folder: Path) -> tuple[dict[str, Any], Input]:
    if not folder.is_dir():
        raise UserError(absent(folder, "folder"))
    cure = "autotune export STUDY -o DIR makes one"
    if not (folder / _CONFIG).is_file():
        raise UserError(f"{folder} is no export (it has no {_CONFIG}): {cure}")
    verify(folder, [_CONFIG])
    config: dict[str, Any] = json.loads((folder / _CONFIG).read_text())
    if is_own(config):
        named = config.get("function") or config.get("command")
        what = "what it kept is in kept/" if (folder / "kept").is_dir() else "it kept nothing"
        rule = f"{folder} is of your own code {named}, which alone knows how to predict"
        raise UserError(f"{rule}: {what}")
    if not (folder / INPUT).is_file():
        cause = "an older version wrote it, or its data was gone"
        raise UserError(f"{folder} has no {INPUT} to predict by ({cause}): export it again")
    used = [INPUT, _WEIGHTS, *[PROGRAM] * (folder / PROGRAM).exists()]
    verify(folder, used)
    return config, _read(folder / INPUT)


def _read(file: Path) -> Input:
    raw = json.loads(file.read_text())
    if raw.get("format", 0) > FORMAT:
        by = raw.get("made_by", {}).get("autotune", "of a later version")
        raise UserError(f"{file} was written by autotune {by}, which this one cannot read: update")
    try:
        return Input.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{file}: `{place}`: {first['msg']}: export it again") from error


def _other_versions(input: Input) -> list[str]:
    here, there = made_by(), input.made_by
    pairs = [(name, getattr(there, name), getattr(here, name)) for name in ("autotune", "torch")]
    told = [f"{name} {then} (this is {now})" for name, then, now in pairs if then != now]
    return [f"exported with {' and '.join(told)}"] if told else []


def rebuilt(folder: Path, input: Input) -> Predictor:
    """The network from its config, with its weights. Raises AutotuneError."""
    config = on_cpu(weights.exported_config(folder, ("config",)))
    network = _network(config, folder, input)
    weights.fill(network, weights.exported_weights(folder, ("weights",)), ("weights",))
    return predictor(input, network)


def _network(config: TrainConfig, folder: Path, input: Input) -> nn.Module:
    if (folder / FOLDER).is_dir():
        search_first(folder / FOLDER)
    return shaped(config, input.network_shape, input.outputs, input.categories)


def _program(folder: Path, input: Input) -> nn.Module:
    load: Callable[..., Any] = torch.export.load
    model: nn.Module = load(folder / PROGRAM).module()
    return model
