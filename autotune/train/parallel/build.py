"""The registry of strategies: which class spreads a training as which config says."""

from typing import assert_never

from autotune.train.config import TrainConfig
from autotune.train.parallel.alone import Alone
from autotune.train.parallel.data import DataParallel
from autotune.train.parallel.group import Mesh
from autotune.train.parallel.pipeline import Pipeline
from autotune.train.parallel.tensor import TensorParallel
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
    network = config.model.name
    match config.parallel.strategy:
        case "none":
            return Alone()
        case "ddp":
            return DataParallel(mesh, network)
        case "fsdp":
            from autotune.train.parallel.sharded import Sharded  # which imports DTensor: 1 s

            return Sharded(mesh, network)
        case "tensor":
            return TensorParallel(mesh, network)
        case "pipeline":
            return Pipeline(mesh, network, config.parallel)
        case other:
            assert_never(other)
