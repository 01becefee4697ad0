import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from autotune.testing.train import check_resumes, examples
from autotune.train import loop, setup
from autotune.train.checkpoint import load_best
from autotune.train.config import METRICS, TrainConfig
from autotune.train.data.base import prepare
from autotune.train.optim.average_config import AverageConfig
from autotune.train.optim.config import OptimizerConfig
from autotune.train.optim.lr_config import LrScheduleConfig


def curve(config: TrainConfig, folder: Path) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in loop.train(config, folder)]


OPTIMIZERS = [config.name for config in examples(OptimizerConfig)]
SCHEDULES = [config.name for config in examples(LrScheduleConfig)]
AVERAGES = [config.name for config in examples(AverageConfig)]


@pytest.mark.parametrize(
    ("optimizer", "schedule", "average"),
    [(optimizer, "cosine", "none") for optimizer in OPTIMIZERS]
    + [("momentum", schedule, "none") for schedule in SCHEDULES]
    + [("adamw", "constant", average) for average in AVERAGES],
)
def test_resume_is_exact(make, tmp_path, optimizer: str, schedule: str, average: str) -> None:
    names = {"optimizer.name": optimizer, "lr_schedule.name": schedule, "average.name": average}
    values = {"model.dropout": 0.3, "lr_schedule.warmup": 0.2, "layer_decay": 0.7}
    check_resumes(make({**names, **values}), tmp_path)


def test_resume_on_a_plateau_is_exact(make, tmp_path) -> None:
    plateau = {"name": "plateau", "patience": 0, "gamma": 0.5}
    config = make({"optimizer.lr": 3.0, "optimizer.name": "sgd"}, lr_schedule=plateau, epochs=8)
    check_resumes(config, tmp_path)
    assert len({metrics["lr"] for metrics in curve(config, tmp_path / "again")}) > 1


def test_resume_with_an_average_of_batch_statistics_is_exact(make, tmp_path) -> None:
    for average in AVERAGES:
        base = {"data": {"name": "digits"}, "model": {"name": "cnn", "channels": 4}, "epochs": 2}
        config = make({"average.name": average}, **base, batch_size=256)
        check_resumes(config, tmp_path / average)


@pytest.mark.parametrize(
    "values",
    [
        {"monitor.at": "last"},
        {"monitor.metric": "val_accuracy", "monitor.goal": "maximize"},
        {"accumulate": 3, "clip_norm": 0.5, "label_smoothing": 0.1},
        {"initializer.name": "orthogonal", "activation.name": "gelu"},
    ],
    ids=str,
)
def test_resume_is_exact_whatever_else_is_set(make, tmp_path, values: dict) -> None:
    check_resumes(make(values), tmp_path)


def test_resume_of_a_cnn_is_exact(make, tmp_path) -> None:
    config = make(data={"name": "digits"}, model={"name": "cnn", "channels": 4}, epochs=2)
    check_resumes(config, tmp_path)


def test_reports_are_what_metrics_promises(make, tmp_path) -> None:
    reports = list(loop.train(make(), tmp_path))
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert all(set(report.metrics) == set(METRICS) for report in reports)
    assert all(report.seconds > 0 for report in reports)
    assert reports[-1].metrics["train_loss"] < reports[0].metrics["train_loss"]


def test_to_step_ends_an_assignment_and_not_the_schedule(make, tmp_path) -> None:
    config = make({"lr_schedule.name": "cosine"})
    whole = curve(config, tmp_path / "a")
    part = [report.metrics for report in loop.train(config, tmp_path / "b", to_step=2)]
    assert part == whole[:2]


def test_the_same_in_another_process(make, tmp_path) -> None:
    config = make({"model.dropout": 0.3})
    code = (
        "import sys, json; from pathlib import Path; from autotune.train import loop;"
        "from autotune.train.config import TrainConfig;"
        "config = TrainConfig.model_validate_json(sys.argv[1]);"
        "print(json.dumps([dict(r.metrics) for r in loop.train(config, Path(sys.argv[2]))]))"
    )
    arguments = [config.model_dump_json(), str(tmp_path / "there")]
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert json.loads(answer.stdout) == curve(config, tmp_path / "here")


def test_the_seed_decides(make, tmp_path) -> None:
    assert curve(make(seed=1), tmp_path / "a") == curve(make(seed=1), tmp_path / "b")
    assert curve(make(seed=1), tmp_path / "a") != curve(make(seed=2), tmp_path / "b")


def test_a_trainings_neighbour_leaves_it_alone(make, tmp_path) -> None:
    config = make({"model.dropout": 0.3})
    alone = curve(config, tmp_path / "alone")
    pairs = zip(
        loop.train(config, tmp_path / "a"), loop.train(make(seed=5), tmp_path / "b"), strict=True
    )
    assert [dict(ours.metrics) for ours, _ in pairs] == alone


def test_nan_ends_the_training_in_its_epoch(make, tmp_path) -> None:
    training = loop.train(make({"optimizer.name": "sgd", "optimizer.lr": 1e30}), tmp_path)
    with pytest.raises(loop.NotFinite, match="epoch 1"):
        list(training)


def test_gd_takes_one_step_an_epoch(make, tmp_path) -> None:
    config = make({"optimizer.name": "gd", "optimizer.lr": 0.3}, epochs=3)
    reports = list(loop.train(config, tmp_path))
    data = prepare(config.data, "cpu").train
    model = setup.build(config, prepare(config.data, "cpu"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for report in reports:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(data.x), data.y)
        loss.backward()
        optimizer.step()
        assert report.metrics["train_loss"] == pytest.approx(loss.item(), rel=1e-5)


def test_parts_of_a_batch_add_up_to_it(make, tmp_path) -> None:
    whole = curve(make({"batch_size": 20}), tmp_path / "whole")
    parts = curve(make({"batch_size": 20, "accumulate": 3}), tmp_path / "parts")
    for a, b in zip(whole, parts, strict=True):
        assert b == pytest.approx(a, rel=1e-4)
    more = curve(make({"batch_size": 20, "accumulate": 1000}), tmp_path / "more")
    assert more[-1]["val_loss"] == pytest.approx(whole[-1]["val_loss"], rel=1e-4)


def test_clip_norm_shortens_the_step(make, tmp_path) -> None:
    config = make({"optimizer.name": "gd", "optimizer.lr": 1.0, "clip_norm": 0.01}, epochs=1)
    before = setup.build(config, prepare(config.data, "cpu")).state_dict()
    list(loop.train(config, tmp_path))
    after = load_best(tmp_path).weights
    moved = sum(float((after[name] - before[name]).square().sum()) for name in before) ** 0.5
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_the_best_epoch_is_kept_and_the_last_where_asked(make, tmp_path) -> None:
    values = {"optimizer.name": "momentum", "optimizer.lr": 0.5, "monitor.metric": "train_loss"}
    worst = make({**values, "monitor.goal": "maximize"})
    losses = [metrics["train_loss"] for metrics in curve(worst, tmp_path / "worst")]
    best = load_best(tmp_path / "worst")
    assert losses[best.step - 1] == max(losses) == best.metrics["train_loss"]
    curve(make({**values, "monitor.at": "last"}), tmp_path / "last")
    assert load_best(tmp_path / "last").step == 4


def test_the_test_split_is_the_last_to_be_read(blobs, make, tmp_path) -> None:
    """Training is the same whatever the test part holds; the test is not."""
    with np.load(blobs) as file:
        x, y = file["x"], file["y"]
    configs = []
    for name, shift in (("a", 0), ("b", 1)):
        path = tmp_path / f"{name}.npz"
        np.savez(path, x=x, y=y, x_test=x, y_test=(y + shift) % 3)
        data = {"name": "arrays", "path": str(path)}
        configs.append(make({"optimizer.lr": 0.03}, data=data, epochs=8))
    first, second = (curve(config, tmp_path / str(at)) for at, config in enumerate(configs))
    assert first == second
    scores = [loop.test(config, tmp_path / str(at)) for at, config in enumerate(configs)]
    assert scores[0]["val_accuracy"] == scores[1]["val_accuracy"]
    assert scores[0]["test_accuracy"] > 0.8 > 0.4 > scores[1]["test_accuracy"]


def test_digits_are_learnt(make, tmp_path) -> None:
    values = {"optimizer.name": "nesterov", "optimizer.lr": 0.1, "lr_schedule.name": "one_cycle"}
    values |= {"model.dropout": 0.2, "initializer.name": "he_normal"}
    config = make(values, data={"name": "digits"}, model={"name": "mlp"}, epochs=20, batch_size=64)
    assert curve(config, tmp_path)[-1]["val_accuracy"] >= 0.97
