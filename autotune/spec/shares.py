"""What the trials of a study get of the machines: one share, or several where they differ."""

from autotune.spec.check import configs
from autotune.spec.model import StudySpec
from autotune.train.config import is_own
from autotune.trial import Share

__all__ = ["shares"]


def shares(spec: StudySpec) -> tuple[Share, ...]:
    """Each that a trial may get, once. Of a range, such as `parallel.workers` from 1 to 8, both
    ends are looked at."""
    if spec.share:
        return (spec.share,)
    found = [spec.trial]
    if not is_own(spec.trial):
        found = [config.model_dump(mode="json") for _, config in configs(spec)]
    return tuple(dict.fromkeys(share for one in found for share in spec.worker.shares(one)))
