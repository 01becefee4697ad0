"""Who stops: one file a scheduler. `SchedulerConfig` is the registry."""

from typing import Annotated

from pydantic import Field

from autotune.schedule.asha import Asha
from autotune.schedule.base import Scheduler, SchedulerSettings
from autotune.schedule.curves import Curves
from autotune.schedule.median import Median
from autotune.schedule.none import NoStopping

__all__ = [
    "Asha",
    "Curves",
    "Median",
    "NoStopping",
    "Scheduler",
    "SchedulerConfig",
    "SchedulerSettings",
]

SchedulerConfig = Annotated[NoStopping | Median | Asha, Field(discriminator="name")]
