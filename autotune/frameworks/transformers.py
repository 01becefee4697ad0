"""Hugging Face's Trainer inside a function of one's own: `pip install autotune[transformers]`.

def run(config, trial):
    args = training_arguments(config, trial, eval_strategy="epoch")
    trainer = Trainer(model, args, train_dataset=train, eval_dataset=val,
                      callbacks=[TrialCallback(trial)])
    trainer.train()
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from autotune.engine.worker.function import FunctionTrial

__all__ = ["TrialCallback", "training_arguments"]


class TrialCallback(TrainerCallback):  # type: ignore[misc]
    """Reports each evaluation of a training, its metrics under the Trainer's own names: eval_loss
    and so on. It stops the Trainer where the study stops the trial, and keeps the model of the best
    evaluation for the export."""

    def __init__(self, trial: FunctionTrial, keep: bool = True) -> None:
        self._trial, self._keep = trial, keep
        self._count, self._over = 0, False

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> TrainerControl:
        if self._over:
            return control
        self._count += 1
        metrics = {key: float(value) for key, value in given["metrics"].items() if key != "epoch"}
        if self._keep and given.get("model") is not None:
            self._trial.keep(given["model"])
        if self._trial.should_stop(self._count, **metrics):
            control.should_training_stop = self._over = True
        return control

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """What is evaluated from now on is no step of the training."""
        self._over = True


def training_arguments(
    config: Mapping[str, Any], trial: FunctionTrial, **fixed: Any
) -> TrainingArguments:
    """TrainingArguments of the config's keys that are such arguments, such as learning_rate, in the
    trial's folder and with its seed; `fixed` go before. `epochs` is num_train_epochs."""
    known = {field.name for field in fields(TrainingArguments) if field.init} - {"seed"}
    given = {key: value for key, value in config.items() if key in known}
    if config.get("epochs"):
        given.setdefault("num_train_epochs", config["epochs"])
    given |= {"output_dir": str(trial.folder / "trainer"), "seed": trial.seed % 2**32}
    quiet = {"report_to": "none", "disable_tqdm": True, "save_strategy": "no"}
    return TrainingArguments(**{**quiet, **given, **fixed})
