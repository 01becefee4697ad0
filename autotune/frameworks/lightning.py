"""Lightning's Trainer inside a function of one's own: `pip install autotune[lightning]`.

    def run(config, trial):
        trainer = Trainer(max_epochs=config["epochs"], callbacks=[TrialCallback(trial)])
        trainer.fit(Net(config), train, val)

LightningCLI scripts need no adapter: `command: "python train.py fit --{overrides}"`.
"""

from lightning.pytorch import Callback, LightningModule, Trainer

from autotune.engine.worker.function import FunctionTrial

__all__ = ["TrialCallback"]


class TrialCallback(Callback):  # type: ignore[misc]
    """Reports what the module has logged by the end of each validation, under its own names. It
    stops the Trainer where the study stops the trial, and keeps the weights of the best validation
    for the export."""

    def __init__(self, trial: FunctionTrial, keep: bool = True) -> None:
        self._trial, self._keep, self._count = trial, keep, 0

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        self._count += 1
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        if self._keep:
            self._trial.keep(module)
        if self._trial.should_stop(self._count, **metrics):
            trainer.should_stop = True
