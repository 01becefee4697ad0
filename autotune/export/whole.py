"""The winner's weights, copied only if they are whole and the winner's own network takes them."""

import filecmp
import shutil
from pathlib import Path

from autotune.errors import AutotuneError, InvalidInput
from autotune.train import checkpoint, weights
from autotune.train.checkpoint import Best
from autotune.train.config import TrainConfig
from autotune.train.setup import learnt

__all__ = ["copy_whole"]


def copy_whole(source: Path, target: Path, config: TrainConfig) -> tuple[Best, list[str]]:
    """What the copy holds, and a note where the network could not be built to try it.

    Raises AutotuneError that says what is wrong with `source`.
    """
    shutil.copyfile(source, target)
    try:
        held = checkpoint.read_best(target)
    except AutotuneError as error:
        raise AutotuneError(f"they are not whole ({error.__cause__})") from error
    if not filecmp.cmp(source, target, shallow=False):
        raise AutotuneError("their copy differs from them")
    try:
        network = learnt(config).network.judged
    except Exception as error:  # the data, or the user's code, may be gone: its weights are not
        why = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
        return held, [f"the weights are whole, but were not tried in their network: {why}"]
    try:
        weights.fill(network, held.weights, ("weights",))
    except InvalidInput as error:
        raise AutotuneError(error.problems[0].message.partition(": ")[2]) from error
    return held, []
