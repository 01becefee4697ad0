"""Permutation importance: how much a score falls when one column is shuffled (Breiman 2001).

What it says is about this network, not about the world: of two columns that tell the same, each
looks unimportant as long as the other is there (Strobl et al. 2008).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from autotune.interpret.scores import accuracy, r2
from autotune.interpret.subject import Subject, answers, predict

__all__ = ["Importance", "of_columns", "permutation_importance"]

REPEATS = 10
_MOST = 10_000_000
"""Maximum predictions requested from the network; beyond it, fewer rows are used."""
_FEWEST = 200

Score = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Importance:
    column: int
    mean: float
    """The loss of score, over all shuffles; about 0, or below, for an unused column."""
    std: float


def of_columns(subject: Subject, seed: int = 0) -> list[Importance]:
    """The importance of each column of a table, the greatest first.

    The score is the accuracy; of a regression, R².
    """
    columns = subject.x.shape[1]
    rows = max(_FEWEST, _MOST // (columns * REPEATS))
    draw = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(subject.x), generator=draw)[:rows].to(subject.x.device)
    x, y = subject.x[chosen], subject.y[chosen]
    score = accuracy if subject.data.classes else r2

    def rate(x: Tensor) -> float:
        return score(answers(predict(subject.model, x), subject.data), y)

    found = permutation_importance(rate, x, draw)
    return sorted(found, key=lambda one: -one.mean)


def permutation_importance(
    rate: Callable[[Tensor], float], x: Tensor, draw: torch.Generator, repeats: int = REPEATS
) -> list[Importance]:
    """By column of x (N, F); `rate` answers the score (more is better) for changed samples."""
    whole = rate(x)
    found = []
    for column in range(x.shape[1]):
        shuffled = x.clone()
        lost = []
        for _ in range(repeats):
            order = torch.randperm(len(x), generator=draw).to(x.device)
            shuffled[:, column] = x[order, column]
            lost.append(whole - rate(shuffled))
        values = torch.tensor(lost, dtype=torch.float64)
        found.append(Importance(column, float(values.mean()), float(values.std())))
    return found
