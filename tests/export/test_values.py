"""`autotune config`: the values alone, in five spellings."""

import json
import shlex

import pytest

from autotune.export.values import spelled

PARAMS = {"optimizer.name": "adam w", "optimizer.lr": 0.0130001, "model.depth": 3, "amp": True}


def test_nested_spellings() -> None:
    nested = {
        "optimizer": {"name": "adam w", "lr": 0.0130001},
        "model": {"depth": 3},
        "amp": True,
    }
    assert json.loads(spelled(PARAMS, "json")) == nested
    assert spelled(PARAMS, "yaml").splitlines() == [
        'optimizer: {name: "adam w", lr: 0.0130001}',
        "model: {depth: 3}",
        "amp: true",
    ]


def test_flat_spellings() -> None:
    assert json.loads(spelled(PARAMS, "optuna")) == PARAMS
    assert spelled(PARAMS, "env").splitlines() == [
        "OPTIMIZER__NAME='adam w'",
        "OPTIMIZER__LR=0.0130001",
        "MODEL__DEPTH=3",
        "AMP=true",
    ]
    assert shlex.split(spelled(PARAMS, "args")) == [
        *("--optimizer.name", "adam w"),
        *("--optimizer.lr", "0.0130001"),
        *("--model.depth", "3"),
        *("--amp", "true"),
    ]


@pytest.mark.parametrize("spelling", ["yaml", "json", "env", "args", "optuna"])
def test_small_numbers_keep_their_digits(spelling) -> None:
    assert "1.2345678901e-05" in spelled({"lr": 1.2345678901e-05}, spelling)


def test_optuna_takes_its_spelling() -> None:
    from optuna.trial import FixedTrial

    trial = FixedTrial(json.loads(spelled(PARAMS, "optuna")))
    assert trial.suggest_float("optimizer.lr", 1e-4, 1.0) == 0.0130001
