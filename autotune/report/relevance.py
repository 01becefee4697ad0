"""Which parameters tell the trials of a study apart, and go with their scores: an order of columns.

A quick look at rank correlations, for tables; `autotune report` computes importance.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from autotune.study.history import History
from autotune.trial import Scalar, State

__all__ = ["columns"]

_FEWEST = 4
"""Trials with a score; below it the order is that of the space."""


def columns(history: History) -> list[str]:
    """Parameters that some trial has: those that go with the score first, constant ones last."""
    runs = history.trials
    names = [name for name in history.spec.space.parameters if any(name in r.params for r in runs)]
    scored = [
        (run.params, history.better(value))
        for run in runs
        if run.state != State.FAILED and (value := history.value(run)) is not None
    ]
    strength = {name: _strength(name, scored) for name in names}
    constant = {name: len({repr(run.params.get(name)) for run in runs}) < 2 for name in names}
    return sorted(names, key=lambda name: (constant[name], -strength[name]))


def _strength(name: str, scored: Sequence[tuple[Mapping[str, Scalar], float]]) -> float:
    """How much of the variance of the scores' ranks the parameter explains, from 0 to 1."""
    known = [(params[name], loss) for params, loss in scored if name in params]
    if len(known) < _FEWEST:
        return 0.0
    ranks = _ranks([loss for _, loss in known])
    values = [value for value, _ in known]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return _correlation(_ranks([float(v) for v in values]), ranks) ** 2  # type: ignore[arg-type]
    groups: dict[str, list[float]] = {}
    for value, rank in zip(values, ranks, strict=True):
        groups.setdefault(repr(value), []).append(rank)
    between = sum(len(group) * (fmean(group) - fmean(ranks)) ** 2 for group in groups.values())
    total = sum((rank - fmean(ranks)) ** 2 for rank in ranks)
    free = len(ranks) - len(groups)
    if not total or free <= 0:
        return 0.0
    # Many choices explain much by chance: what is left of it after their number is counted.
    return max(0.0, 1 - (1 - between / total) * (len(ranks) - 1) / free)


def _ranks(values: Sequence[float]) -> list[float]:
    """Equal values share their mean rank."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [fmean(places[value]) for value in values]


def _correlation(xs: Sequence[float], ys: Sequence[float]) -> float:
    x, y = fmean(xs), fmean(ys)
    both = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    alone = sum((a - x) ** 2 for a in xs) * sum((b - y) ** 2 for b in ys)
    return both / alone**0.5 if alone else 0.0
