"""Who proposes and who stops: what `auto` chose is journaled, so that a study goes on with it."""

import json
from typing import Any

from pydantic import TypeAdapter

from autotune.journal import Journal
from autotune.schedule import SchedulerConfig, SchedulerSettings
from autotune.search import SamplerConfig, SamplerSettings
from autotune.search.base import Past, Sampler, TransferSettings
from autotune.search.fixed import FixedFirst
from autotune.spec import StudySpec

__all__ = ["sampler", "scheduler"]


def sampler(spec: StudySpec, journal: Journal, past: Past = ()) -> Sampler:
    """Who proposes for `spec`, having learnt from `past`, behind the configurations it fixes."""
    noted = _noted(journal, "search", spec.chosen_search())
    config: SamplerSettings = TypeAdapter(SamplerConfig).validate_json(noted)
    built = _built(config, spec, past)
    fixed = spec.search.fixed
    return FixedFirst(built, fixed, spec.space, spec.seed) if fixed else built


def _built(config: SamplerSettings, spec: StudySpec, past: Past) -> Sampler:
    if len(spec.objectives) > 1:
        return config.build_several(spec.space, spec.aims.goals, spec.seed)
    given = (spec.space, spec.objective.goal, spec.seed)
    if not past:
        return config.build(*given)
    assert isinstance(config, TransferSettings), f"{config} learns from no earlier study"
    return config.build(*given, past)


def scheduler(spec: StudySpec, journal: Journal) -> SchedulerSettings:
    noted = _noted(journal, "schedule", spec.chosen_schedule())
    config: SchedulerSettings = TypeAdapter(SchedulerConfig).validate_json(noted)
    return config


def _noted(journal: Journal, key: str, choice: SamplerSettings | SchedulerSettings) -> str:
    """What the journal holds under `key`, as JSON; `choice` where it holds nothing yet."""
    noted: Any = journal.note(key)
    if noted is None:
        noted = choice.model_dump(mode="json")
        journal.write_note(key, noted)
    return json.dumps(noted)
