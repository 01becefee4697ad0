"""Optuna's genetic algorithms as pure functions of our trials; shared by nsga2 and nsga3."""

from collections.abc import Callable, Sequence

from optuna.samplers import BaseGASampler, BaseSampler, NSGAIIISampler, NSGAIISampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from autotune.search.base import derive
from autotune.search.optuna_adapter import OptunaSampler
from autotune.space import Space
from autotune.trial import Goal

__all__ = ["NsgaSampler", "nsga2", "nsga3"]


class _Told(BaseGASampler):
    """A sampler that is given its parents. Optuna's own keep parents and generations in attributes
    of a live study."""

    parents: list[FrozenTrial]

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return 1

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        return self.parents

    def survivors(self, study: Study, population: list[FrozenTrial]) -> list[FrozenTrial]:
        raise NotImplementedError


class _Nsga2(_Told, NSGAIISampler):
    def survivors(self, study: Study, population: list[FrozenTrial]) -> list[FrozenTrial]:
        return self._elite_population_selection_strategy(study, population)


class _Nsga3(_Told, NSGAIIISampler):
    def survivors(self, study: Study, population: list[FrozenTrial]) -> list[FrozenTrial]:
        return self._elite_population_selection_strategy(study, population)


Make = Callable[[int, int], _Told]
"""(population size, seed) -> a new sampler."""


def nsga2(population: int, seed: int) -> _Told:
    return _Nsga2(population_size=population, seed=seed)


def nsga3(population: int, seed: int) -> _Told:
    return _Nsga3(population_size=population, seed=seed)


class NsgaSampler(OptunaSampler):
    """Parents are a fold over the complete and stopped trials, by number.

    They are cut into generations of the population's size; the survivors of a generation and its
    parents become the next parents. A slow trial delays nobody: it takes its place by number when
    it ends. Folds are cached while the trials are the same.
    """

    ATTEMPTS = 8

    def __init__(
        self, space: Space, goals: Sequence[Goal], seed: int, evolve: Make, population: int
    ) -> None:
        super().__init__(space, goals, seed, BaseSampler, self.ATTEMPTS)
        self.evolve, self.population = evolve, population
        self._folded: list[tuple[list[FrozenTrial], list[FrozenTrial]]] = []
        """For each generation: its trials, and its survivors."""

    def stopped_take_part(self, goals: Sequence[Goal]) -> bool:
        """Optuna's genetic algorithms accept no pruned trials."""
        return True

    def _sampler(self, study: Study, seed: int) -> BaseSampler:
        sampler = self.evolve(self.population, seed)
        sampler.parents = self._parents(study)
        return sampler

    def _parents(self, study: Study) -> list[FrozenTrial]:
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        size, parents = self.population, list[FrozenTrial]()
        for nth in range(len(told) // size):
            trials = told[nth * size : (nth + 1) * size]
            if nth == len(self._folded) or not _same(self._folded[nth][0], trials):
                sampler = self.evolve(size, derive(self.seed, 0, nth))
                survivors = sampler.survivors(study, [*trials, *parents])
                self._folded[nth:] = [(trials, survivors)]
            parents = self._folded[nth][1]
        return parents


def _same(one: Sequence[FrozenTrial], other: Sequence[FrozenTrial]) -> bool:
    """A changed trial is translated again."""
    return all(a is b for a, b in zip(one, other, strict=True))
