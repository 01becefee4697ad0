"""The usual glue: a function trainable, OptunaSearch, ASHA, MLflowLoggerCallback, a DataLoader.

As the tutorials write it, all defaults on. Only what makes the arms comparable differs: the
points are given to OptunaSearch in advance (`index` names them), and ASHA never gets to a rung.
"""

import time
from typing import Any

import ray
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.glue import bare, plan
from benchmarks.glue.arm import Arguments, Record, arguments


class Recorder(tune.Callback):
    """For the harness alone."""

    def __init__(self) -> None:
        self.record = Record()

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **told: Any) -> None:
        self.record.add(trial.config["index"], result["training_iteration"], result)


def train(config: dict[str, Any]) -> None:
    planned = plan.load(plan.DRAWN)[config["index"]]
    data = bare.load()
    batch_size = planned.batch_size
    loader = DataLoader(TensorDataset(data.x, data.y), batch_size, shuffle=True)
    val_loader = DataLoader(TensorDataset(data.x_val, data.y_val), batch_size)
    model = bare.build(planned)
    optimizer = bare.optimize(planned, model)
    for _ in range(planned.epochs):
        began = time.perf_counter()
        trained = train_epoch(model, optimizer, loader)
        metrics = {**trained, **validate(model, val_loader), "lr": planned.lr}
        tune.report({**metrics, "seconds": time.perf_counter() - began})


def train_epoch(
    model: torch.nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader
) -> dict[str, float]:
    model.train()
    total, right, samples = 0.0, 0, 0
    for x, y in loader:
        optimizer.zero_grad()
        logits = model(x)
        loss = cross_entropy(logits, y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(y)
        right += (logits.argmax(1) == y).sum().item()
        samples += len(y)
    return {"train_loss": total / samples, "train_accuracy": right / samples}


@torch.no_grad()
def validate(model: torch.nn.Module, loader: DataLoader) -> dict[str, float]:
    model.eval()
    total, right, samples = 0.0, 0, 0
    for x, y in loader:
        logits = model(x)
        total += cross_entropy(logits, y, reduction="sum").item()
        right += (logits.argmax(1) == y).sum().item()
        samples += len(y)
    return {"val_loss": total / samples, "val_accuracy": right / samples}


def space() -> dict[str, BaseDistribution]:
    choices = {name: CategoricalDistribution(values) for name, values in plan.SPACE.items()}
    index = CategoricalDistribution(range(plan.DRAWN))
    return {"index": index, **choices, "lr": FloatDistribution(*plan.LR, log=True)}


def tune_config(planned: list[plan.Planned]) -> tune.TuneConfig:
    points = [{"index": one.index, **one.params()} for one in planned]
    return tune.TuneConfig(
        metric="val_loss",
        mode="min",
        search_alg=OptunaSearch(space(), "val_loss", "min", points_to_evaluate=points),
        scheduler=ASHAScheduler(max_t=100, grace_period=100),
        num_samples=len(planned),
        max_concurrent_trials=2,
    )


def run_config(given: Arguments, callbacks: list[tune.Callback]) -> tune.RunConfig:
    return tune.RunConfig(
        name="glue", storage_path=str(given.folder / "ray_results"), callbacks=callbacks
    )


def main() -> None:
    given = arguments()
    ray.init("local", num_cpus=2)
    recorder = Recorder()
    mlflow = MLflowLoggerCallback(given.store, experiment_name="glue")
    results = tune.Tuner(
        train,
        tune_config=tune_config(given.planned),
        run_config=run_config(given, [mlflow, recorder]),
    ).fit()
    assert not results.errors, results.errors
    recorder.record.write(given.folder)


if __name__ == "__main__":
    main()
