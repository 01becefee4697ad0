"""The resources of a study's trials: one share, or several if trials differ."""

from autotune.spec.check import configs
from autotune.spec.model import StudySpec
from autotune.train.config import is_own
from autotune.trial import Share

__all__ = ["shares"]


def shares(spec: StudySpec) -> tuple[Share, ...]:
    """Every share that a trial may get, without duplicates. Both ends of a range, such as
    `parallel.workers` from 1 to 8, are considered."""
    if spec.share:
        return (spec.share,)
    found = [spec.trial]
    if not is_own(spec.trial):
        found = [config.model_dump(mode="json") for _, config in configs(spec)]
    return tuple(dict.fromkeys(share for one in found for share in spec.worker.shares(one)))
