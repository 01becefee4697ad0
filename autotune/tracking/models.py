"""Models in MLflow: saved to a folder, logged to a study's run, registered under a name."""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autotune.address import Address
from autotune.errors import AutotuneError
from autotune.tracking.database import import_quietly
from autotune.tracking.mlflow import LABEL, STUDY, connect

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.tracking import MlflowClient

__all__ = ["CHAMPION", "Interface", "Score", "log_model", "register", "save_model"]

CHAMPION = "champion"
"""The alias of the best version: models:/NAME@champion."""
_NAME = "model"
"""Of a logged model: runs:/RUN/model."""
_HASH = "autotune.sha256"
Kind = Literal["double", "string", "boolean"]


@dataclass(frozen=True)
class Interface:
    """What a model takes and answers."""

    columns: Sequence[tuple[str, Kind, bool]]
    """Name, type, and whether each row must have it. Empty: it takes arrays."""
    sample: Sequence[int]
    """The shape of one sample."""
    answers: Sequence[tuple[str, Kind]]
    example: Any
    """A DataFrame or an array of one sample."""


@dataclass(frozen=True)
class Score:
    """On the test split, by which versions of a registered model are compared."""

    metric: str
    value: float
    greater_is_better: bool
    split: str
    """A hash of the split: scores on others say nothing."""


def save_model(
    target: Path, code: Path, export: Path, interface: Interface, requirements: Sequence[str]
) -> None:
    """An MLflow model (pyfunc) in the new folder `target`: the file `code` runs it, with the folder
    `export` among its artifacts. It holds no pickle."""
    import_quietly()
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow.pyfunc
    from mlflow.models import ModelSignature

    signature = ModelSignature(inputs=_inputs(interface), outputs=_outputs(interface))
    mlflow.pyfunc.save_model(
        path=str(target),
        python_model=str(code),
        artifacts={"export": str(export)},
        signature=signature,
        input_example=interface.example,
        pip_requirements=list(requirements),
    )


def _inputs(interface: Interface) -> Any:
    import numpy as np
    from mlflow.types.schema import ColSpec, Schema, TensorSpec

    if not interface.columns:
        return Schema([TensorSpec(np.dtype(np.float32), (-1, *interface.sample))])
    columns: list[Any] = [ColSpec(kind, n, required=must) for n, kind, must in interface.columns]
    return Schema(columns)


def _outputs(interface: Interface) -> Any:
    from mlflow.types.schema import ColSpec, Schema

    return Schema([ColSpec(kind, name) for name, kind in interface.answers])


def log_model(address: Address, uid: str, saved: Path, tags: Mapping[str, str]) -> str:
    """Logs the saved model to the parent run of a study, once: one with the same `tags` is found
    again. Its id: models:/ID.

    Raises AutotuneError where the study is not in the store.
    """
    client = connect(address.reveal())
    run = _parent(client, uid)
    for model in _logged(client, run):
        if {**model.tags}.items() >= {**tags}.items() and str(model.status) == "READY":
            return str(model.model_id)
    from mlflow.entities import LoggedModelOutput

    model = client.create_logged_model(
        run.info.experiment_id, _NAME, run.info.run_id, tags=dict(tags), model_type="autotune"
    )
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / _NAME
        shutil.copytree(saved, copy)
        client.log_model_artifacts(model.model_id, str(copy))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
    return str(model.model_id)


def _parent(client: "MlflowClient", uid: str) -> Any:
    experiments = [one.experiment_id for one in client.search_experiments()]
    wanted = f"tags.`autotune.uid` = '{uid}' and tags.`{LABEL}` = '{STUDY}'"
    runs = client.search_runs(experiments, wanted) if experiments else []
    if not runs:
        raise AutotuneError("the study is not in its MLflow store yet: autotune sync STUDY")
    return runs[0]


def _logged(client: "MlflowClient", run: Any) -> "list[LoggedModel]":
    found = client.search_logged_models([run.info.experiment_id])
    return [model for model in found if model.source_run_id == run.info.run_id]


def register(address: Address, name: str, model_id: str, score: Score | None) -> str:
    """Makes the logged model the next version of the registered model `name`, and its champion
    where it is not worse than the present one; what was done.

    Versions are compared by their score on the same test split; others keep the alias.
    """
    client = connect(address.reveal())
    _ensure_registered(client, name)
    version = _version(client, name, model_id, score)
    holder = _champion(client, name)
    words = f"registered {name} version {version}"
    if holder is not None and str(holder.version) == version:
        return f"{words}, the {CHAMPION}"
    better, reason = _beats(score, holder)
    if better:
        client.set_registered_model_alias(name, CHAMPION, version)
        return f"{words}, the {CHAMPION} now: {reason}"
    stays = f"version {holder.version} stays the {CHAMPION}" if holder else f"no {CHAMPION} yet"
    return f"{words}; {stays}: {reason}"


def _ensure_registered(client: "MlflowClient", name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            message = " ".join(error.message.split())[:160]
            raise AutotuneError(f"MLflow refuses the name {name!r}: {message}") from error


def _version(client: "MlflowClient", name: str, model_id: str, score: Score | None) -> str:
    model = client.get_logged_model(model_id)
    for known in client.search_model_versions(f"name = '{name}'"):
        if known.source == model.artifact_location:
            return str(known.version)
    tags = {"autotune.study": model.tags.get("autotune.study", "")}
    if score:
        tags |= {
            "autotune.metric": score.metric,
            "autotune.value": repr(score.value),
            "autotune.split": score.split,
        }
    # Not models:/ID, which MLflow looks up in the store that its environment names.
    made = client.create_model_version(
        name, model.artifact_location, model.source_run_id, tags=tags, model_id=model_id
    )
    return str(made.version)


def _champion(client: "MlflowClient", name: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, CHAMPION)
    except MlflowException:  # there is none
        return None


def _beats(score: Score | None, holder: Any) -> tuple[bool, str]:
    """Whether the new version takes the alias, and why."""
    if score is None:
        return False, "its test split was not read"
    if holder is None:
        return True, "it is the first one that was tested"
    tags = holder.tags
    if (tags.get("autotune.metric"), tags.get("autotune.split")) != (score.metric, score.split):
        return False, "the two were not scored on the same test split"
    old, new = float(tags["autotune.value"]), score.value
    there = f"where version {holder.version} has {old:.4g}"
    better = new > old if score.greater_is_better else new < old
    return better, f"{score.metric} {new:.4g} on the same test split, {there}"
