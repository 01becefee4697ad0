"""Earlier studies as observations of the same process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autotune.search.surrogate.features import Features
from autotune.search.surrogate.fidelities import Extractor, Fidelities, observe
from autotune.search.surrogate.gaussian_process import Data
from autotune.trial import Trial

__all__ = ["TransferData", "nothing", "transfer_data"]

_MOST = 150
"""Observations kept of all earlier studies together."""


@dataclass(frozen=True, slots=True)
class TransferData:
    units: NDArray[np.float64]
    """The coordinates of each row of `data`."""
    data: Data

    def at(self, rows: NDArray[np.bool_]) -> "TransferData":
        d = self.data
        return TransferData(
            self.units[rows], Data(d.features[rows], d.place[rows], d.score[rows], d.study[rows])
        )

    def before(self, own: Data) -> Data:
        """The earlier observations and `own` together."""
        pairs = [(getattr(self.data, name), getattr(own, name)) for name in Data.__slots__]
        return Data(*map(np.concatenate, pairs))


def transfer_data(
    past: Sequence[Sequence[Trial]], features: Features, extract: Extractor
) -> TransferData:
    """Observations of earlier studies, each study with its own fidelities and its own score scale.
    Of a study with many observations, evenly spaced ones by fidelity and score are kept."""
    parts = [nothing(features)]
    for study, trials in enumerate(past, 1):
        fidelities = Fidelities.of(trials)
        seen = observe(trials, fidelities, extract)
        order = np.lexsort((seen.score, -seen.fidelity))
        most = max(_MOST // len(past), 2)
        if len(order) > most:
            order = order[np.arange(most) * (len(order) - 1) // (most - 1)]
        units = np.array([features.units(trials[i].params) for i in seen.trial[order]])
        units = units.reshape(-1, len(features.names))
        place = fidelities.places()[seen.fidelity[order]]
        mark = np.full(len(order), study)
        parts.append(TransferData(units, Data(features.of(units), place, seen.score[order], mark)))
    units = np.concatenate([part.units for part in parts])
    columns = [[getattr(part.data, name) for part in parts] for name in Data.__slots__]
    return TransferData(units, Data(*map(np.concatenate, columns)))


def nothing(features: Features) -> TransferData:
    units = np.empty((0, len(features.names)))
    none = np.empty(0)
    return TransferData(units, Data(features.of(units), none, none, np.empty(0, int)))
