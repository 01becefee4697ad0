"""What the study's own run in MLflow, the parent of its trials, says beside its metrics."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.tracking.base import AnswerUpdated
from autotune.tracking.bulk import replace_params
from autotune.tracking.mlflow_formatting import experiment_text, metric_key, param_text, tag_text
from autotune.tracking.mlflow_run import MlflowRun
from autotune.tracking.view import TAG, View
from autotune.trial import Scalar

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["PURPOSE", "write_answer", "write_data", "write_winner"]

PURPOSE = {"autotune.purpose": "study"}
_NOTE = "mlflow.note.content"
"""MLflow shows it as the description of a run, and of an experiment."""
_OURS = "autotune.note"
"""The hash of the note that we wrote: a person may have written another one since."""


def write_answer(
    client: "MlflowClient", experiment: str, parent: MlflowRun, answer: AnswerUpdated
) -> None:
    """The note of the run and of its experiment, which people may replace with their own, and what
    a list of the trials is to show."""
    run = client.get_run(parent.id).data.tags
    if tags := _note(run, tag_text(answer.note)):
        parent.write(tags)
    known = client.get_experiment(experiment).tags
    wanted = _note(known, experiment_text(answer.note))
    if answer.view:
        wanted[TAG] = replace(View(**answer.view), parent=parent.id).to_tag()
    for key, text in wanted.items():
        if known.get(key) != text:
            client.set_experiment_tag(experiment, key, text)


def _note(tags: Mapping[str, str], note: str) -> dict[str, str]:
    """Empty where a person has written there."""
    there = tags.get(_NOTE, "")
    if there and tags.get(_OURS) != _hash(there):
        return {}
    return {_NOTE: note, _OURS: _hash(note)}


def _hash(note: str) -> str:
    return hashlib.sha256(note.encode()).hexdigest()[:16]


def write_winner(parent: MlflowRun, params: Mapping[str, Scalar], database: Path | None) -> str:
    """The winner's parameters as those of the study's run; a note where the store keeps others.

    MLflow changes no parameter: where another trial has won since, a file is changed without it.
    """
    told = {metric_key(key): param_text(value) for key, value in params.items()}
    if parent.params == told:
        return ""
    if not parent.params:
        parent.write({}, params)
        return ""
    if database is not None and replace_params(database, parent.id, told):
        parent.params = told
        return ""
    return (
        "the winner is another one than before, and MLflow changes no parameter: those of the "
        "study's run are the former winner's; its description and its tag `winner` are right"
    )


def write_data(parent: MlflowRun, data: Mapping[str, str]) -> None:
    """The data set as an input of the run; the same one again changes nothing."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    found = Dataset(
        name=data["name"],
        digest=data["digest"],
        source_type=data["source_type"],
        source=data["source"],
        profile=data["profile"],
    )
    tags = [InputTag("mlflow.data.context", "training")]
    parent.client.log_inputs(parent.id, [DatasetInput(found, tags)])
