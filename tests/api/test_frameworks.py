"""Frameworks inside a function: each evaluation is a report, a stop is obeyed, the best is kept."""

from pathlib import Path
from typing import Any

import pytest
import torch

import autotune
from autotune.study.history import load
from autotune.train.artifacts import load as kept

QUIET: dict[str, Any] = {
    "search": {"name": "random"},
    "schedule": {"name": "asha", "grace": 1, "eta": 2},
    "confirm": {"top": 1, "seeds": 1},
    "tracking": {"name": "none"},
    "engine": "inline",
    "view": False,
}
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of the frameworks' own


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return torch.tensor(x[:600]).long(), torch.tensor(y[:600])


def checked(name: str, folder: Path) -> None:
    history = load(name, folder / "runs")
    assert {run.state for run in history.trials} == {"complete", "pruned"}
    best = history.best()
    assert best is not None and best.mean is not None
    found = kept(history.run_folder(best.source))
    assert found is not None and [file.name for file in found.files] == ["model.safetensors"]


def test_hugging_faces_trainer(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from autotune.frameworks.transformers import TrialCallback, training_arguments

    def train(config: dict[str, Any], trial: autotune.Trial) -> None:
        x, y = digits()
        rows = [{"input_ids": a, "labels": b} for a, b in zip(x, y, strict=True)]
        shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        sizes = {"intermediate_size": 32, "vocab_size": 17, "max_position_embeddings": 64}
        model = transformers.BertForSequenceClassification(
            transformers.BertConfig(num_labels=10, **shape, **sizes)
        )
        arguments = training_arguments(config, trial, eval_strategy="epoch", use_cpu=True)
        transformers.Trainer(
            model,
            arguments,
            train_dataset=rows[:400],
            eval_dataset=rows[400:],
            callbacks=[TrialCallback(trial)],
        ).train()

    space = {"learning_rate": autotune.Float(1e-4, 1e-1, log=True)}
    fixed = {"epochs": 2, "per_device_train_batch_size": 100}
    autotune.run(train, space, "eval_loss", name="hf", trials=4, trial=fixed, **QUIET)
    checked("hf", folder)


def test_lightnings_trainer(folder: Path) -> None:
    lightning = pytest.importorskip("lightning.pytorch")
    from autotune.frameworks.lightning import TrialCallback

    class Net(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self, lr: float) -> None:
            super().__init__()
            self.lr, self.layer = lr, torch.nn.Linear(64, 10)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(self.layer(batch[0] / 16), batch[1])

        def validation_step(self, batch: Any, index: int) -> None:
            self.log(
                "val_accuracy", (self.layer(batch[0] / 16).argmax(1) == batch[1]).float().mean()
            )

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), self.lr)

    def train(config: dict[str, Any], trial: autotune.Trial) -> None:
        x, y = digits()
        parts = [
            torch.utils.data.TensorDataset(x[a:b].float(), y[a:b])
            for a, b in ((0, 400), (400, 600))
        ]
        trainer = lightning.Trainer(
            max_epochs=config["epochs"],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[TrialCallback(trial)],
        )
        trainer.fit(Net(config["lr"]), *(torch.utils.data.DataLoader(p, 100) for p in parts))

    space = {"lr": autotune.Float(1e-4, 1, log=True)}
    autotune.run(train, space, "val_accuracy", name="pl", trials=4, trial={"epochs": 2}, **QUIET)
    checked("pl", folder)


def test_accelerate_inside_a_function(folder: Path) -> None:
    accelerate = pytest.importorskip("accelerate")

    def train(config: dict[str, Any], trial: autotune.Trial) -> None:
        x, y = digits()
        model = torch.nn.Linear(64, 10)
        made = accelerate.Accelerator(cpu=True)
        model, optimizer = made.prepare(model, torch.optim.SGD(model.parameters(), config["lr"]))
        for epoch in range(1, config["epochs"] + 1):
            loss = torch.nn.functional.cross_entropy(model(x[:400] / 16), y[:400])
            optimizer.zero_grad()
            made.backward(loss)
            optimizer.step()
            trial.keep(made.unwrap_model(model))
            trial.report(epoch, val_loss=loss)

    space = {"lr": autotune.Float(1e-4, 1, log=True)}
    autotune.run(train, space, "val_loss", name="acc", trials=4, trial={"epochs": 2}, **QUIET)
    checked("acc", folder)
