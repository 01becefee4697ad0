import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import metrics as theirs
from torchmetrics.functional import regression

from autotune.errors import InvalidInput
from autotune.train import loop, setup
from autotune.train import metrics as ours
from autotune.train.config import apply, metrics
from autotune.train.data.base import prepare
from autotune.train.losses.classes import CrossEntropy

DRAW = torch.Generator().manual_seed(0)


def guesses(samples: int, classes: int, missing: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are right more often than not; `missing` classes have no sample."""
    y = torch.randint(classes - missing, (samples,), generator=DRAW)
    output = torch.randn(samples, classes, generator=DRAW)
    output[torch.arange(samples), y] += 1.0
    return output, y


@pytest.mark.parametrize(("classes", "missing"), [(2, 0), (5, 0), (6, 2)])
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_of_classification_they_are_scikit_learns(classes: int, missing: int) -> None:
    output, y = guesses(200, classes, missing)
    chances, guess = output.double().softmax(1).numpy(), output.argmax(1)
    there = range(classes - missing)
    wanted = {
        "balanced_accuracy": theirs.balanced_accuracy_score(y, guess),
        "f1": theirs.f1_score(y, guess, average="macro"),
        "auroc": np.mean([theirs.roc_auc_score(y == c, chances[:, c]) for c in there]),
        "log_loss": theirs.log_loss(y, chances, labels=range(classes)),
        "ece": calibration_error(chances, y.numpy()),
    }
    for name, value in wanted.items():
        assert float(ours.FUNCTIONS[name](output, y)) == pytest.approx(value, abs=1e-5), name


def calibration_error(chances: np.ndarray, y: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, word for word."""
    sure, right = chances.max(1), chances.argmax(1) == y
    bins = np.clip(np.ceil(sure * ours.BINS) - 1, 0, ours.BINS - 1)
    return sum(
        (bins == b).mean() * abs(right[bins == b].mean() - sure[bins == b].mean())
        for b in np.unique(bins)
    )


def test_of_regression_they_are_scikit_learns_and_torchmetrics() -> None:
    y = 50 + 7 * torch.randn(200, generator=DRAW).double()
    output = y + 3 * torch.randn(200, generator=DRAW)
    pairs = {
        "rmse": (theirs.root_mean_squared_error, regression.mean_squared_error(output, y) ** 0.5),
        "mae": (theirs.mean_absolute_error, regression.mean_absolute_error(output, y)),
        "r2": (theirs.r2_score, regression.r2_score(output, y)),
    }
    for name, (function, value) in pairs.items():
        mine = float(ours.FUNCTIONS[name](output, y))
        assert mine == pytest.approx(function(y, output)) == pytest.approx(float(value))


def test_one_class_alone_has_no_order() -> None:
    assert float(ours.auroc(torch.randn(5, 3), torch.ones(5, dtype=torch.int64))) == 0.5


def test_the_parts_of_a_split_make_the_whole() -> None:
    output, y = guesses(90, 4)
    data = SimpleNamespace(classes=4)
    scores = ours.Scores(CrossEntropy().total, data, ["f1", "grad_norm"])
    whole, parts = scores([output], y), scores(list(output.split(40)), y)
    assert whole == pytest.approx(parts) and set(whole) == {"loss", "accuracy", "f1"}


def test_all_that_a_config_promises_is_reported(make, tmp_path) -> None:
    asked = ["balanced_accuracy", "f1", "auroc", "log_loss", "ece", "grad_norm", "memory"]
    config = make(metrics=asked, epochs=2)
    reports = [dict(report.metrics) for report in loop.train(config, tmp_path)]
    assert all(set(report) == set(metrics(config)) for report in reports)
    last = reports[-1]
    assert last["val_log_loss"] == pytest.approx(last["val_loss"], rel=1e-5)
    assert last["memory"] > 50 and 0 <= last["val_ece"] <= 1
    tested = loop.test(config, tmp_path)
    assert {"test_f1", "test_auroc", "val_f1"} <= set(tested) and "test_memory" not in tested


def test_the_gradient_is_measured_before_it_is_clipped(make, tmp_path) -> None:
    values = {"optimizer.name": "gd", "clip_norm": 1e-3}
    config = make(values, metrics=["grad_norm"], epochs=1)
    (report,) = loop.train(config, tmp_path)
    data = prepare(config.data, "cpu")
    model = setup.build(config, data)
    torch.nn.functional.cross_entropy(model(data.train.x), data.train.y).backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in model.parameters()))
    assert report.metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)


BASE = {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 3}


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        (
            {"monitor": {"metric": "val_f1"}},
            ("monitor", "metric"),
            "`monitor.metric` 'val_f1' is not reported: add `f1` to `metrics`",
        ),
        ({"monitor": {"metric": "val_rmse"}}, ("monitor", "metric"), "(valid: "),
        ({"metrics": ["r2"]}, ("metrics",), "r2 does not fit a classification"),
        ({"metrics": ["f1"], "loss": {"name": "mse"}}, ("metrics",), "does not fit a regression"),
        ({"metrics": ["auc"]}, ("metrics", 0), "'auroc'"),
        (
            {"loss": {"name": "mse"}, "monitor": {"metric": "val_accuracy"}},
            ("monitor", "metric"),
            "is not reported",
        ),
        (
            {"loss": {"name": "huber"}, "label_smoothing": 0.1},
            ("label_smoothing",),
            "no effect with loss huber",
        ),
        ({"loss": {"name": "mse", "delta": 1.0}}, ("loss", "delta"), "unknown key `loss.delta`"),
    ],
)
def test_mistakes(given: dict, path: tuple, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply({**BASE, **given}, {})
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert words in found[path]
