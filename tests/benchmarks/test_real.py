"""The real trainings of the search benchmark: as far as asked, kept, and measured."""

import itertools
import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.search.real import Real

NAN = {"optimizer.name": "sgd", "optimizer.lr": 1e30, "activation.name": "relu"}


@pytest.fixture
def letters(tmp_path: Path) -> Real:
    """A table of the letters' form, of so few rows that an epoch takes no time."""
    rng = np.random.default_rng(0)
    table = {f"x{i}": rng.integers(16, size=2080) for i in range(16)}
    frame = pd.DataFrame({**table, "target": [chr(65 + i % 26) for i in range(2080)]})
    frame.to_parquet(tmp_path / "letters.parquet")
    return Real("letter", 26, tmp_path / "cache", tmp_path / "letters.parquet")


def test_trainings_go_as_far_as_somebody_asked_and_are_kept(
    letters: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = letters.space.sample(random.Random(0))
    curve = letters.curve(params)
    spent = [curve.seconds[epoch] for epoch in range(3)]
    losses = [curve.losses[epoch] for epoch in range(3)]
    assert len(curve.losses) == letters.epochs == 27
    assert all(0 < before < after for before, after in itertools.pairwise(spent))
    monkeypatch.setattr(Real, "train", None)  # what is kept needs no training
    again = letters.curve(dict(reversed(params.items())))
    assert [again.losses[:3], again.seconds[:3]] == [losses, spent]


def test_what_fails_has_the_loss_of_a_guess_and_goes_on_costing(letters: Real) -> None:
    curve = letters.curve(NAN)
    assert curve.losses[:2] == [math.log(26)] * 2
    assert 0 < curve.seconds[0] < curve.seconds[1]


def test_another_study_is_another_training(letters: Real) -> None:
    digits = Real("digits", 10, letters.cache)
    assert digits.space.parameters.keys() == letters.space.parameters.keys()
    assert letters.curve({}).losses[0] != digits.curve({}).losses[0]
