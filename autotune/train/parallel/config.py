"""One training in several processes: how many, and who does what. Free of torch."""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

__all__ = ["ParallelConfig"]

Count = Annotated[int, Field(ge=1)]


class ParallelConfig(Config):
    """A training in `workers` x `data` processes. docs/parallel.md says what equals one process."""

    strategy: Literal["none", "ddp", "fsdp", "tensor", "pipeline"] = "none"
    """ddp: each process has the whole network and a share of each batch; fsdp: also a share of the
    weights and of the optimizer's state (Zhao et al. 2023). tensor: layers are cut, and all
    processes see the same samples (Shoeybi et al. 2019). pipeline: each process has some layers in
    a row (Huang et al. 2019)."""
    workers: Count = 1
    """Processes that share the work, or hold one network together. 1 is an ordinary training."""
    data: Count = 1
    """Of tensor: how many networks of `workers` processes each there are. Each has a share of the
    batch, as in ddp."""
    micro_batches: Count = 4
    """Of pipeline: into how many parts a batch is cut, so that the stages work at the same time."""
    schedule: Literal["gpipe", "1f1b"] = "1f1b"
    """Of pipeline: all forward passes first (gpipe), or each backward pass as soon as can be (1f1b,
    Narayanan et al. 2019). The result is the same; 1f1b needs less memory."""

    @property
    def processes(self) -> int:
        return self.workers * self.data

    @property
    def shares(self) -> int:
        """Into how many shares a batch is divided."""
        return self.workers if self.strategy in ("ddp", "fsdp") else self.data
