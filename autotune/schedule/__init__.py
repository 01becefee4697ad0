"""Schedulers, one file each. `SchedulerConfig` is their registry."""

from typing import Annotated

from pydantic import Field

from autotune.schedule.asha import Asha
from autotune.schedule.auto import AutoSchedule
from autotune.schedule.base import Scheduler, SchedulerSettings, StudyContext
from autotune.schedule.curves import Curves
from autotune.schedule.hyperband import Hyperband
from autotune.schedule.median import Median
from autotune.schedule.none import NoStopping
from autotune.schedule.patience import Patience
from autotune.schedule.pbt import Pbt
from autotune.schedule.threshold import Threshold

__all__ = [
    "Asha",
    "AutoSchedule",
    "Curves",
    "Hyperband",
    "Median",
    "NoStopping",
    "Patience",
    "Pbt",
    "Scheduler",
    "SchedulerConfig",
    "SchedulerSettings",
    "StudyContext",
    "Threshold",
]

SchedulerConfig = Annotated[
    AutoSchedule | NoStopping | Median | Asha | Hyperband | Patience | Threshold | Pbt,
    Field(discriminator="name"),
]
