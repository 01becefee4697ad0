"""A loss that is NaN or infinite ends the training in the step that made it."""

import math
from collections import deque

import torch
from torch import Tensor

__all__ = ["NotFinite", "Watch"]

BEHIND = 16  # steps that a GPU may be behind before it is waited for


class NotFinite(ArithmeticError):
    """The loss became NaN or infinite in `epoch`."""

    def __init__(self, epoch: int, name: str, value: float) -> None:
        super().__init__(f"{name} is {value} in epoch {epoch}")
        self.epoch = epoch


class Watch:
    """Looks at each loss. The CPU knows it at once, before the step is taken. On a GPU the value
    is copied while the training goes on, and looked at when it has arrived, a few steps later.

    `together`: as many steps later in every process of the training, so that all end at once."""

    def __init__(self, device: torch.device, together: bool = False) -> None:
        self.device, self.together = device, together
        self.coming: deque[tuple[torch.cuda.Event, Tensor]] = deque()

    def __call__(self, epoch: int, loss: Tensor) -> None:
        if self.device.type == "cpu":
            look(epoch, loss.item())
            return
        value = loss.detach().to("cpu", non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self.coming.append((event, value))
        while self.coming and (len(self.coming) > BEHIND or self._arrived()):
            event, value = self.coming.popleft()
            event.synchronize()
            look(epoch, value.item())

    def _arrived(self) -> bool:
        return not self.together and self.coming[0][0].query()


def look(epoch: int, value: float) -> None:
    if not math.isfinite(value):
        raise NotFinite(epoch, "train_loss", value)
