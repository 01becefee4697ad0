"""The sampler and scheduler of a study; choices of `auto` are journaled, so that a resume keeps
them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from autotune.schedule import SchedulerConfig, SchedulerSettings
from autotune.search import Auto, Evolution, Mfgp, SamplerConfig, SamplerSettings
from autotune.search.auto import proposal_seconds
from autotune.search.base import Sampler, SourceTrials, TransferSettings
from autotune.search.fixed import FixedFirst
from autotune.spec import StudySpec
from autotune.study.history import History
from autotune.study.journal.journal import Journal
from autotune.tracking.base import Event, SamplerSwitched
from autotune.trial import Scalar, Trial

__all__ = ["sampler", "scheduler"]

Tell = Callable[[Callable[[], Event]], None]


def sampler(history: History, journal: Journal, past: SourceTrials, tell: Tell) -> Sampler:
    """The study's sampler: its fixed configurations first, then proposals that also learn from
    `past`. `tell` gets a line when `auto` mixes in evolution."""
    spec = history.spec
    noted = _noted(journal, "search", spec.chosen_search())
    config: SamplerSettings = TypeAdapter(SamplerConfig).validate_json(noted)
    built = _built(config, spec, past)
    if isinstance(spec.search, Auto) and isinstance(config, Mfgp):
        built = _SwitchingSampler(built, _built(Evolution(), spec, ()), history, journal, tell)
    fixed = spec.search.fixed
    return FixedFirst(built, fixed, spec.space, spec.seed) if fixed else built


def _built(config: SamplerSettings, spec: StudySpec, past: SourceTrials) -> Sampler:
    if len(spec.objectives) > 1:
        return config.build_several(spec.space, spec.scoring.goals, spec.seed)
    given = (spec.space, spec.objective.goal, spec.seed)
    if not past:
        return config.build(*given)
    assert isinstance(config, TransferSettings), f"{config} learns from no earlier study"
    return config.build(*given, past)


class _SwitchingSampler:
    """mfgp and evolution in turns, as `SamplerSwitch` says. A switch is journaled before it takes
    effect."""

    def __init__(
        self, model: Sampler, cheap: Sampler, history: History, journal: Journal, tell: Tell
    ) -> None:
        self._model, self._cheap = model, cheap
        self._history, self._journal, self._notify = history, journal, tell

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        if self._history.sampler_switch.due(number):
            self._decide(number)
        mine = self._history.sampler_switch.model_proposes(number)
        return (self._model if mine else self._cheap).propose(trials, number)

    def _decide(self, number: int) -> None:
        spec, before = self._history.spec, self._history.sampler_switch
        processes = len(spec.objectives) + len(spec.constraints)
        cost = proposal_seconds(number, len(spec.space.parameters), processes)
        spent, workers = self._history.leaderboard.seconds, self._workers()
        turns = before.after(number, spent, workers, cost)
        self._history.note(self._journal, "turns", asdict(turns))
        if turns.every > before.every:
            self._notify(lambda: SamplerSwitched(turns.why))

    def _workers(self) -> int:
        """How many trials have ended, by the journal."""
        names = {run.outcome["worker"] for run in self._history.trials if run.outcome}
        return max(1, len(names - {""}))


def scheduler(spec: StudySpec, journal: Journal) -> SchedulerSettings:
    noted = _noted(journal, "schedule", spec.chosen_schedule())
    config: SchedulerSettings = TypeAdapter(SchedulerConfig).validate_json(noted)
    return config


def _noted(journal: Journal, key: str, choice: SamplerSettings | SchedulerSettings) -> str:
    """The journaled value of `key`, as JSON; `choice` is journaled if there is none yet."""
    noted: Any = journal.note(key)
    if noted is None:
        noted = choice.model_dump(mode="json")
        journal.write_note(key, noted)
    return json.dumps(noted)
