"""The registry of strategies: which class spreads a training as which config says."""

from autotune.train.config import TrainConfig
from autotune.train.parallel.alone import Alone
from autotune.train.parallel.data import DataParallel
from autotune.train.parallel.group import Mesh
from autotune.train.precision import Precision

__all__ = ["strategy_of"]


def strategy_of(config: TrainConfig, mesh: Mesh | None, precision: Precision) -> Alone:
    """The strategy of a training; `precision` clips gradients by it from now on."""
    strategy = _made(config, mesh)
    precision.clip = strategy.clip
    return strategy


def _made(config: TrainConfig, mesh: Mesh | None) -> Alone:
    if mesh is None or mesh.whole.size == 1:
        return Alone()
    match config.parallel.strategy:
        case "ddp":
            return DataParallel(mesh, config.model.name)
        case other:
            raise NotImplementedError(other)
