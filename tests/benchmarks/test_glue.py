"""The arms of the glue benchmark train alike: what is compared is the glue, not the training."""

from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.search.base import derive
from autotune.train import loop
from autotune.train.config import TrainConfig, apply
from benchmarks.glue import bare, ours, plan
from benchmarks.glue.plan import Planned

PLANNED = [one for one in plan.load(plan.DRAWN) if one.epochs <= 3][:24]


@pytest.mark.parametrize("planned", PLANNED, ids=lambda one: f"{one.index}-{one.optimizer}")
def test_the_bare_loop_equals_ours_to_the_last_bit(planned: Planned, tmp_path: Path) -> None:
    spec = specs.load(ours.STUDY)
    params = {ours.PATHS[name]: value for name, value in planned.params().items()}
    config = apply(spec.base_config(), params).model_copy(update={"seed": planned.seed})
    assert isinstance(config, TrainConfig)
    reports = list(loop.train(config, tmp_path, to_step=planned.epochs))
    losses = [metrics["val_loss"] for metrics in bare.train(planned)]
    assert [report.metrics["val_loss"] for report in reports] == losses


def test_all_that_is_drawn_is_compared() -> None:
    drawn = {(one.optimizer, bool(one.dropout)) for one in PLANNED}
    assert drawn == {(name, drops) for name in plan.SPACE["optimizer"] for drops in (False, True)}


def test_the_seeds_are_those_of_a_study() -> None:
    assert list(plan.draw()) == plan.load(plan.DRAWN)
    assert plan.load(3)[2].seed == derive(specs.load(ours.STUDY).seed, 2, 0)
