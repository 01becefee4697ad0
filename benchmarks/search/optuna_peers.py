"""Optuna through its own ask and tell, with its own pruners."""

import warnings
from typing import Any

import optuna
from optuna.trial import TrialState

from autotune.space import Categorical, Int, Parameter
from autotune.trial import Scalar
from benchmarks.search.clock import Work
from benchmarks.search.task import Task

__all__ = ["OptunaPeer"]


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    known: dict[str, Any] = {
        "random": optuna.samplers.RandomSampler,
        "tpe": optuna.samplers.TPESampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "gp": optuna.samplers.GPSampler,
    }
    return known[name](seed=seed)  # type: ignore[no-any-return]


def _pruner(name: str, epochs: int) -> optuna.pruners.BasePruner:
    if name == "sha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(1, epochs, reduction_factor=3)
    return optuna.pruners.NopPruner()


class OptunaPeer:
    def __init__(
        self, task: Task, sampler: str, pruner: str, seed: int, completes: bool = False
    ) -> None:
        """`completes`: stopped trials are told COMPLETE with their last loss, as Ray Tune's
        OptunaSearch does, and the pruner is only asked."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self.task, self.completes = task, completes
        self.study = optuna.create_study(
            sampler=_sampler(sampler, seed), pruner=_pruner(pruner, task.epochs)
        )
        self.running: dict[int, optuna.Trial] = {}

    def ask(self) -> Work:
        trial = self.study.ask()
        self.running[trial.number] = trial
        return Work(trial.number, self._params(trial), 1, self.task.epochs)

    def report(self, work: Work, epoch: int, loss: float) -> bool:
        trial = self.running[work.key]
        trial.report(loss, epoch)
        return not trial.should_prune()

    def done(self, work: Work, losses: list[float]) -> None:
        trial = self.running.pop(work.key)
        if len(losses) < self.task.epochs and not self.completes:
            self.study.tell(trial, state=TrialState.PRUNED)
        elif self.completes:
            self.study.tell(trial, losses[-1])
        else:
            self.study.tell(trial, min(losses))

    def _params(self, trial: optuna.Trial) -> dict[str, Scalar]:
        """Each parameter is suggested where its conditions hold, as a user of Optuna writes it."""
        params: dict[str, Scalar] = {}
        for name, parameter in self.task.space.parameters.items():
            if all(c.parent in params and c.holds(params[c.parent]) for c in parameter.when):
                params[name] = _suggest(trial, name, parameter)
        return params


def _suggest(trial: optuna.Trial, name: str, of: Parameter) -> Any:
    if isinstance(of, Categorical):
        return trial.suggest_categorical(name, of.choices)
    if isinstance(of, Int):
        return trial.suggest_int(name, of.low, of.high, step=of.step or 1, log=of.log)
    return trial.suggest_float(name, of.low, of.high, step=of.step, log=of.log)
