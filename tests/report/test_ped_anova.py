"""Our PED-ANOVA gives Optuna's numbers, conditional parameters included."""

import random
import warnings

import numpy as np
import optuna
import pytest
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import create_trial

from autotune.report.findings.ped_anova import PedAnova
from autotune.search.distributions import distribution
from autotune.space import Space

SPACE = Space.parse(
    {
        "kind": {"type": "categorical", "choices": ["a", "b", "c"]},
        "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "rate": {"type": "float", "low": 0.0, "high": 0.5, "when": {"kind": ["a", "b"]}},
        "grid": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.25},
        "depth": {"type": "int", "low": 1, "high": 4},
        "width": {"type": "int", "low": 16, "high": 512, "log": True},
    }
)


@pytest.mark.parametrize(("count", "quantile"), [(12, 1 / 3), (80, 0.25), (200, 0.1)])
def test_the_numbers_are_those_of_optuna(count: int, quantile: float) -> None:
    rng = random.Random(count)
    trials = [SPACE.sample(rng) for _ in range(count)]
    losses = [abs(np.log(t["lr"] / 0.01)) + t["depth"] * 0.1 + rng.random() for t in trials]
    ours = PedAnova(SPACE.parameters, trials, quantile)(np.array(losses))
    study = optuna.create_study()
    for params, loss in zip(trials, losses, strict=True):
        kinds = {name: distribution(SPACE.parameters[name]) for name in params}
        study.add_trial(create_trial(value=loss, params=params, distributions=kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = PedAnovaImportanceEvaluator(target_quantile=quantile).evaluate(study)
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name
