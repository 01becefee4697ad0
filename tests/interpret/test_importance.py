"""Permutation importance against closed forms and against scikit-learn's own."""

import numpy as np
import pytest
import torch
from sklearn.inspection import permutation_importance as reference
from sklearn.linear_model import LinearRegression
from torch import Tensor

from autotune.interpret.importance import REPEATS, permutation_importance
from autotune.interpret.scores import r2


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def table() -> tuple[Tensor, Tensor]:
    """y depends on column 1 much, on column 0 a little, on columns 2 and 3 not at all."""
    x = torch.randn(2000, 4, generator=drawn())
    return x, 0.5 * x[:, 0] + 2 * x[:, 1]


def test_the_column_the_label_depends_on_comes_first(table: tuple[Tensor, Tensor]) -> None:
    x, y = table
    label = (x[:, 1] > 0).long()

    def rate(x: Tensor) -> float:
        return float(((x[:, 1] > 0).long() == label).double().mean())

    found = permutation_importance(rate, x, drawn())
    assert [one.column for one in found] == [0, 1, 2, 3]
    # Shuffled, it is right by chance: half of the time.
    assert found[1].mean == pytest.approx(0.5, abs=0.02) and found[1].std < 0.02
    assert [(found[c].mean, found[c].std) for c in (0, 2, 3)] == [(0.0, 0.0)] * 3
    assert torch.equal(x, table[0])


def test_a_linear_model_has_the_closed_form(table: tuple[Tensor, Tensor]) -> None:
    """Shuffling column j of independent ones adds 2 w² var(x) to the squared error."""
    x, y = table
    weights = torch.tensor([0.5, 2.0, 0.0, 0.0])
    found = permutation_importance(lambda x: r2(x @ weights, y), x, drawn())
    expected = 2 * weights.square() * x.var(0) / y.var()
    assert torch.allclose(torch.tensor([one.mean for one in found]), expected, atol=0.05)


def test_it_agrees_with_scikit_learn(table: tuple[Tensor, Tensor]) -> None:
    x, y = table
    y = y + 0.5 * torch.randn(len(y), generator=drawn(1))
    model = LinearRegression().fit(x.numpy(), y.numpy())

    def rate(x: Tensor) -> float:
        return r2(torch.from_numpy(model.predict(x.numpy())), y)

    ours = permutation_importance(rate, x, drawn(), repeats=30)
    theirs = reference(model, x.numpy(), y.numpy(), n_repeats=30, random_state=0, scoring="r2")
    for one, mean, std in zip(ours, theirs.importances_mean, theirs.importances_std, strict=True):
        assert one.mean == pytest.approx(mean, abs=4 * np.hypot(one.std, std) / 30**0.5 + 1e-6)
        assert one.std == pytest.approx(std, rel=0.6, abs=1e-4)


def test_the_same_seed_gives_the_same_numbers(table: tuple[Tensor, Tensor]) -> None:
    x, y = table
    calls = []

    def rate(x: Tensor) -> float:
        calls.append(len(x))
        return r2(2 * x[:, 1], y)

    assert permutation_importance(rate, x, drawn(3)) == permutation_importance(rate, x, drawn(3))
    assert len(calls) == 2 * (1 + 4 * REPEATS)
