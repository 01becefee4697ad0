"""What the trials of a study get of the machines: one share, or several where they differ."""

from autotune.spec.check import configs
from autotune.spec.model import StudySpec
from autotune.train.config import is_own
from autotune.trial import Share

__all__ = ["shares"]


def shares(spec: StudySpec) -> tuple[Share, ...]:
    """Each once. Of a range, such as `parallel.workers` from 1 to 8, both ends are looked at."""
    searched = any(name.partition(".")[0] == "parallel" for name in spec.space.parameters)
    if is_own(spec.trial) or not searched:
        return (spec.worker.share(spec.trial),)
    found = (config.model_dump(mode="json") for _, config in configs(spec))
    return tuple(dict.fromkeys(map(spec.worker.share, found)))
