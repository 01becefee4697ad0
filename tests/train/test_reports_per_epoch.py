"""Several reports an epoch: the same training, told, stopped and resumed more often."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from autotune.errors import InvalidInput
from autotune.testing.train import check_resumes, examples
from autotune.train import loop, setup
from autotune.train.batch import Batch
from autotune.train.checkpoint import load, load_best
from autotune.train.config import TrainConfig, apply, pace
from autotune.train.optim.average_config import AverageConfig
from autotune.train.optim.config import OptimizerConfig
from autotune.train.optim.lr_config import LrScheduleConfig
from autotune.train.seeds import seed_of

SCHEDULES = [config.name for config in examples(LrScheduleConfig)]
AVERAGES = [config.name for config in examples(AverageConfig)]
OPTIMIZERS = [c.name for c in examples(OptimizerConfig) if not c.full_batch]
LAST = {"metric": "val_loss", "at": "last"}
SHORT = {
    "step": {"step_size": 1},
    "warm_restarts": {"period": 1},
    "plateau": {"patience": 0, "gamma": 0.5},
}
"""Schedules that do something within a few epochs."""
CNN: dict[str, Any] = {
    "data": {"name": "digits"},
    "model": {"name": "cnn", "channels": 4},
    "augment": {"policy": {"name": "basic"}, "mix": {"name": "mixup"}},
    "batch_size": 128,
}


def curve(config: TrainConfig, folder: Path) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in loop.train(config, folder)]


def seen(config: TrainConfig) -> list[list[torch.Tensor]]:
    """The places in the train split of each batch, by step."""
    batches: list[torch.Tensor] = []
    run = replace(setup.begin(config), augment=lambda b, _: (batches.append(b.rows), b)[1])
    found = []
    for step in range(1, config.steps + 1):
        loop.learn(run, step)
        found.append(batches.copy())
        batches.clear()
    return found


# What the code of before `reports_per_epoch` gave for the val_loss of each epoch (torch 2.14, CPU);
# there the checkpoints were the same to the last byte. Another processor may round otherwise.
BEFORE: list[tuple[dict[str, Any], list[float]]] = [
    (
        {"model.dropout": 0.3, "lr_schedule.name": "cosine", "lr_schedule.warmup": 0.2},
        [1.1829756686561985, 1.1779234032881887, 1.1750960099069696, 1.1745454888594777],
    ),
    (
        {"average.name": "swa", "average.start": 0.5},
        [1.1809927287854647, 1.174962093955592, 1.1690305408678556, 1.166093625520405],
    ),
    (
        {"prune.name": "magnitude", "monitor.at": "last", "optimizer.name": "momentum"},
        [1.1029735364412006, 1.034176374736585, 0.9958601499858656, 0.9968089053505346],
    ),
]


@pytest.mark.parametrize(("values", "losses"), BEFORE, ids=["dropout", "swa", "prune"])
def test_one_report_an_epoch_is_what_it_was(make, tmp_path, values: dict, losses: list) -> None:
    config = make({"model.depth": 2, **values})
    assert config.reports_per_epoch == 1
    found = [metrics["val_loss"] for metrics in curve(config, tmp_path)]
    assert found == pytest.approx(losses, rel=1e-5)
    assert max(int(path.stem[5:]) for path in tmp_path.glob("step-*.state")) == 4


def test_seeds_are_those_of_before() -> None:
    """By step and by epoch, which are the same where an epoch is a step."""
    told = [seed_of(3, 7, purpose) for purpose in ("order", "dropout", "augment")]
    assert told == [6444545471184818973, 3863236202243061128, 2009526649172612002]


@pytest.mark.parametrize("reports", [1, 2, 3, 5])
def test_an_epoch_is_the_same_pass_in_shares(make, reports: int) -> None:
    whole = seen(make(epochs=2))
    config = make(epochs=2, reports_per_epoch=reports)
    steps = seen(config)
    assert len(steps) == config.steps == 2 * reports
    for epoch in range(2):
        shares = steps[epoch * reports : (epoch + 1) * reports]
        rows = [rows for share in shares for rows in share]
        assert len(rows) == len(whole[epoch]), "as many optimizer steps"
        assert all(torch.equal(a, b) for a, b in zip(rows, whole[epoch], strict=True))
        samples = torch.cat(rows).sort().values
        assert torch.equal(samples, torch.arange(len(samples))), "each sample once"
        sizes = [len(share) for share in shares]
        assert max(sizes) - min(sizes) <= 1, sizes
    assert [config.epoch(step) for step in range(1, config.steps + 1)] == sorted([1, 2] * reports)


COURSES: list[dict[str, Any]] = [
    *({"lr_schedule": {"name": name, **SHORT.get(name, {})}} for name in SCHEDULES),
    *({"average": {"name": name}} for name in AVERAGES),
    {"average": {"name": "swa", "start": 0.3}},
    {"prune": {"name": "magnitude", "sparsity": 0.5}, "monitor": LAST},
    {
        "distill": {
            "name": "soft_targets",
            "alpha_schedule": "linear",
            "alpha_end": 0.1,
            "teacher": {"name": "trained", "model": {"name": "mlp"}, "epochs": 1},
        }
    },
    {"distill": {"name": "soft_targets", "teacher": {"name": "self"}}},
]


@pytest.mark.parametrize("course", COURSES, ids=str)
def test_how_often_it_is_told_changes_nothing_of_a_training(make, tmp_path, course: dict) -> None:
    """But for what is drawn within an epoch, dropout and augmentation."""
    fixed = {"optimizer": {"name": "momentum", "lr": 0.3}, "model": {"name": "mlp"}, **course}
    fixed.setdefault("monitor", LAST)
    whole = curve(make(**fixed), tmp_path / "whole")
    steps = curve(make(**fixed, reports_per_epoch=3), tmp_path / "shares")
    kept = ("val_loss", "val_accuracy", "lr")
    told = [{key: metrics[key] for key in kept} for metrics in steps[2::3]]
    assert told == [{key: metrics[key] for key in kept} for metrics in whole]
    ours, theirs = (load_best(tmp_path / name).weights for name in ("shares", "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    if course.get("lr_schedule", {}).get("name") == "plateau":
        assert len({metrics["lr"] for metrics in steps}) > 1


def test_no_two_steps_draw_the_same(make) -> None:
    drawn: list[tuple[float, float]] = []

    def look(batch: Batch, draws: torch.Generator) -> Batch:
        drawn.append((torch.rand(1, generator=draws).item(), torch.rand(1).item()))
        return batch

    run = replace(setup.begin(make(epochs=2, reports_per_epoch=5)), augment=look)
    for step in range(1, 11):
        loop.learn(run, step)  # of one batch
    assert len(drawn) == len(set(drawn)) == 10


def test_blocks_thaw_by_epoch(make) -> None:
    run = setup.begin(make(epochs=2, reports_per_epoch=2))
    told: list[int] = []
    run = replace(run, learner=replace(run.learner, changes=(told.append,)))
    for step in range(1, 5):
        loop.learn(run, step)
    assert told == [1, 1, 2, 2]


CUT: list[dict[str, Any]] = [
    *({"optimizer.name": name} for name in OPTIMIZERS),
    *({"average.name": name} for name in AVERAGES),
    {"prune.name": "magnitude", "monitor.at": "last"},
    {"monitor.metric": "val_accuracy", "monitor.goal": "maximize"},
]


@pytest.mark.parametrize("values", CUT, ids=str)
def test_resume_in_the_middle_of_an_epoch_is_exact(make, tmp_path, values: dict) -> None:
    config = make({"model.dropout": 0.3, **values}, epochs=3, reports_per_epoch=3)
    assert (config.steps // 2) % 3 == 1
    check_resumes(config, tmp_path)


def test_resume_with_augmentation_and_dropout_is_exact(make, tmp_path) -> None:
    check_resumes(make({"model.dropout": 0.2}, **CNN, epochs=1, reports_per_epoch=4), tmp_path)


def test_resume_on_a_plateau_is_exact(make, tmp_path) -> None:
    plateau = {"name": "plateau", **SHORT["plateau"]}
    optimizer = {"name": "sgd", "lr": 3.0}
    fixed = {"lr_schedule": plateau, "optimizer": optimizer, "epochs": 5, "reports_per_epoch": 3}
    check_resumes(make(**fixed), tmp_path)


def test_every_step_can_be_gone_on_from(make, tmp_path) -> None:
    config = make({"model.dropout": 0.3}, epochs=2, reports_per_epoch=4)
    whole = curve(config, tmp_path / "whole")
    parts = []
    for before, step in pairwise(range(config.steps + 1)):
        parts += [dict(r.metrics) for r in loop.train(config, tmp_path / "b", before, step)]
        found = load(tmp_path / "b", step)
        assert found is not None and found.step == step
    assert parts == whole


def test_the_best_report_may_stand_within_an_epoch(make, tmp_path) -> None:
    config = make({"optimizer.name": "sgd", "optimizer.lr": 2.0}, epochs=2, reports_per_epoch=5)
    losses = [metrics["val_loss"] for metrics in curve(config, tmp_path)]
    best = load_best(tmp_path)
    assert best.step == 1 + losses.index(min(losses))
    assert best.metrics["val_loss"] == loop.test(config, tmp_path)["val_loss"] == min(losses)


def test_nan_names_the_epoch(make, tmp_path) -> None:
    values = {"optimizer.name": "sgd", "optimizer.lr": 1e30}
    with pytest.raises(loop.NotFinite, match="in epoch 1"):
        list(loop.train(make(values, reports_per_epoch=5), tmp_path))


def test_a_step_must_have_a_batch(make, tmp_path) -> None:
    assert len(seen(make(epochs=1, reports_per_epoch=5))) == 5
    with pytest.raises(InvalidInput) as caught:
        list(loop.train(make(reports_per_epoch=6), tmp_path))
    assert str(caught.value) == (
        "`reports_per_epoch` must be at most 5, the batches of an epoch, but got 6: "
        "make it or `batch_size` smaller"
    )


def test_what_can_be_known_before_is_said_before(make) -> None:
    for value, rule in ((0, ">= 1"), (1.5, "a whole number")):
        with pytest.raises(InvalidInput, match=f"`reports_per_epoch` must be {rule}"):
            make(reports_per_epoch=value)
    with pytest.raises(InvalidInput, match="must be 1 with gd, whose epoch is one batch, but got"):
        make({"optimizer.name": "gd"}, reports_per_epoch=2)


def test_the_pace_of_a_config_as_it_is_written() -> None:
    known = pace({"epochs": 3, "reports_per_epoch": 4})
    assert (known.last, known.per_epoch, known.unit) == (12, 4, "step")
    once = pace({"epochs": 3})
    assert (once.last, once.per_epoch, once.unit) == (3, 1, "epoch")
    own = {"function": "math:sqrt", "epochs": 3, "reports_per_epoch": 4}
    assert pace(own) == once, "a function's other keys are its own"
    assert apply(own, {}).model_dump()["reports_per_epoch"] == 4
    for wrong in ({}, {"epochs": "three"}, {"epochs": True}, {"epochs": -1}):
        assert pace(wrong).last is None
    assert pace({"epochs": 2, "reports_per_epoch": "many"}).last == 2
