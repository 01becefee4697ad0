"""One training in several processes: their number and division of work. Free of torch."""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

__all__ = ["ParallelConfig"]

Count = Annotated[int, Field(ge=1)]


class ParallelConfig(Config):
    """A training in `workers` x `data` processes. docs/parallel.md says how exactly it equals one
    process."""

    strategy: Literal["none", "ddp", "fsdp", "tensor", "pipeline"] = "none"
    """ddp: each process has the whole network and a share of each batch; fsdp: also a share of the
    weights and of the optimizer's state (Zhao et al. 2023). tensor: layers are divided, and all
    processes see the same samples (Shoeybi et al. 2019). pipeline: each process has consecutive
    layers (Huang et al. 2019)."""
    workers: Count = 1
    """Processes that share the work, or hold one network together. 1 is an ordinary training."""
    data: Count = 1
    """For tensor: number of networks of `workers` processes each. Each gets a share of the batch,
    as in ddp."""
    micro_batches: Count = 4
    """For pipeline: number of parts of a batch, so that stages work at the same time."""
    schedule: Literal["gpipe", "1f1b"] = "1f1b"
    """For pipeline: all forward passes first (gpipe), or each backward pass as early as possible
    (1f1b, Narayanan et al. 2019). The result is the same; 1f1b needs less memory."""

    @property
    def processes(self) -> int:
        return self.workers * self.data

    @property
    def shares(self) -> int:
        """The number of shares of a batch."""
        return self.workers if self.strategy in ("ddp", "fsdp") else self.data
