"""What earlier studies say, as observations of the same process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotune.search.surrogate.features import Features
from autotune.search.surrogate.levels import Levels, Told, observe
from autotune.search.surrogate.process import Data
from autotune.trial import Trial

__all__ = ["Memory", "nothing", "remember"]

_MOST = 150
"""Observations kept of all earlier studies together."""


@dataclass(frozen=True, slots=True)
class Memory:
    units: NDArray[np.float64]
    """The coordinates of each row of `data`."""
    data: Data

    def at(self, rows: NDArray[np.bool_]) -> "Memory":
        d = self.data
        return Memory(
            self.units[rows], Data(d.features[rows], d.place[rows], d.score[rows], d.study[rows])
        )

    def before(self, own: Data) -> Data:
        """Theirs and `own` together."""
        pairs = [(getattr(self.data, name), getattr(own, name)) for name in Data.__slots__]
        return Data(*map(np.concatenate, pairs))


def remember(past: Sequence[Sequence[Trial]], features: Features, told: Told) -> Memory:
    """Each study on its own: its levels, of which the last is a whole training there, and scores on
    its own scale. Of a study with many observations every so manieth by level and by score."""
    parts = [nothing(features)]
    for study, trials in enumerate(past, 1):
        levels = Levels.of(trials)
        seen = observe(trials, levels, told)
        order = np.lexsort((seen.score, -seen.level))
        most = max(_MOST // len(past), 2)
        if len(order) > most:
            order = order[np.arange(most) * (len(order) - 1) // (most - 1)]
        units = np.array([features.units(trials[i].params) for i in seen.trial[order]])
        units = units.reshape(-1, len(features.names))
        place = levels.places()[seen.level[order]]
        mark = np.full(len(order), study)
        parts.append(Memory(units, Data(features.of(units), place, seen.score[order], mark)))
    units = np.concatenate([part.units for part in parts])
    columns = [[getattr(part.data, name) for part in parts] for name in Data.__slots__]
    return Memory(units, Data(*map(np.concatenate, columns)))


def nothing(features: Features) -> Memory:
    units = np.empty((0, len(features.names)))
    none = np.empty(0)
    return Memory(units, Data(features.of(units), none, none, np.empty(0, int)))
