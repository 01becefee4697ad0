"""Who proposes and who stops: what `auto` chose is journaled, so that a study goes on with it."""

import json
from typing import Any

from pydantic import TypeAdapter

from autotune.journal import Journal
from autotune.schedule import SchedulerConfig, SchedulerSettings
from autotune.search import SamplerConfig, SamplerSettings
from autotune.search.base import Sampler
from autotune.spec import StudySpec

__all__ = ["sampler", "scheduler"]


def sampler(spec: StudySpec, journal: Journal) -> Sampler:
    noted = _noted(journal, "search", spec.chosen_search())
    config: SamplerSettings = TypeAdapter(SamplerConfig).validate_json(noted)
    if len(spec.objectives) > 1:
        return config.build_several(spec.space, spec.aims.goals, spec.seed)
    return config.build(spec.space, spec.objective.goal, spec.seed)


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
