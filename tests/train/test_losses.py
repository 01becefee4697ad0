import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from autotune.testing.train import check_documented, examples
from autotune.train import loop
from autotune.train.base import variants
from autotune.train.batch import Batch
from autotune.train.data.base import prepare
from autotune.train.data.config import DiabetesData, DigitsData
from autotune.train.losses.config import CrossEntropyLoss, HuberLoss, LossConfig, task_of


def batch(y: torch.Tensor, target: torch.Tensor | None = None) -> Batch:
    rows = torch.arange(len(y))
    return Batch(rows, torch.zeros(len(y), 1), y, y if target is None else target, 1)


def data_of(config):
    kind = DigitsData() if config.task == "classification" else DiabetesData()
    return prepare(kind, "cpu", config.task)


@pytest.mark.parametrize("config", examples(LossConfig), ids=lambda config: config.name)
def test_the_contract(config) -> None:
    """Learning follows the mean, judging adds up, and both agree where nothing is set."""
    check_documented(type(config))
    data = data_of(config)
    loss = config.build(data, 0.0)
    y = data.train.y[:30]
    output = torch.randn(30, data.outputs, generator=torch.Generator().manual_seed(0))
    output.requires_grad_()
    mean, total = loss(output, batch(y)), loss.total(output, y)
    assert mean.ndim == 0 and mean.item() == pytest.approx(total.item() / 30, rel=1e-5)
    mean.backward()
    assert output.grad is not None and output.grad.abs().sum() > 0
    parts = sum(loss(output[a : a + 10], batch(y[a : a + 10])) / 3 for a in (0, 10, 20))
    assert parts.item() == pytest.approx(mean.item(), rel=1e-5)
    assert task_of(config.name) == config.task


def test_numbers_are_compared_as_numpy_does() -> None:
    data = data_of(HuberLoss())
    y, output = data.train.y[:50], torch.linspace(-3, 3, 50)[:, None]
    error = (output.squeeze(1) - y).abs().double().numpy()
    huber = np.where(error < 0.5, error**2 / 2, 0.5 * (error - 0.25))
    wanted = {"mse": (error**2).mean(), "mae": error.mean(), "huber": huber.mean()}
    for name, value in wanted.items():
        config = variants(LossConfig)[name](**({"delta": 0.5} if name == "huber" else {}))
        assert config.build(data, 0.0)(output, batch(y)).item() == pytest.approx(value, rel=1e-5)


def test_balanced_weights_are_scikit_learns_and_average_one() -> None:
    data = data_of(CrossEntropyLoss())
    y = data.train.y
    loss = CrossEntropyLoss(class_weights="balanced").build(data, 0.0)
    theirs = compute_class_weight("balanced", classes=np.arange(10), y=y.numpy())
    np.testing.assert_allclose(loss.weights, theirs, rtol=1e-6)
    assert loss.weights[y].mean().item() == pytest.approx(1, abs=1e-6)
    output = torch.randn(len(y), 10)
    each = functional.cross_entropy(output, y, reduction="none") * loss.weights[y]
    assert loss(output, batch(y)).item() == pytest.approx(each.mean().item(), rel=1e-5)
    assert loss.state_dict() == {}  # they follow from the data
    soft = functional.one_hot(y, 10).float()
    assert loss(output, batch(y, soft)).item() == pytest.approx(each.mean().item(), rel=1e-5)


def test_the_judge_knows_neither_smoothing_nor_weights() -> None:
    data = data_of(CrossEntropyLoss())
    loss = CrossEntropyLoss(class_weights="balanced").build(data, 0.3)
    y, output = data.val.y, torch.randn(len(data.val.y), 10)
    assert loss.total(output, y) == functional.cross_entropy(output, y, reduction="sum")
    assert loss(output, batch(y)).item() != pytest.approx(loss.total(output, y).item() / len(y))


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_a_regression_learns_in_its_own_units(make, tmp_path, name: str) -> None:
    config = make(
        {"loss.name": name, "optimizer.lr": 0.01},
        data={"name": "diabetes"},
        epochs=20,
        metrics=["mae"],
    )
    reports = [dict(report.metrics) for report in loop.train(config, tmp_path)]
    names = {"train_loss", "val_loss", "val_rmse", "val_r2", "val_mae", "lr"}
    assert set(reports[-1]) == names
    data = prepare(config.data, "cpu", "regression")
    last = reports[-1]
    spread = data.val.y.double() * data.y_std
    assert last["val_r2"] == pytest.approx(
        1 - last["val_rmse"] ** 2 / spread.var(correction=0).item(), abs=1e-4
    )
    assert last["val_r2"] > 0.3 and 40 < last["val_mae"] < last["val_rmse"] < 70
    if name == "mse":
        assert last["val_loss"] ** 0.5 * data.y_std == pytest.approx(last["val_rmse"], rel=1e-4)
    tested = loop.test(config, tmp_path)
    assert {"test_rmse", "test_r2", "test_mae", "test_loss", "val_rmse"} <= set(tested)
