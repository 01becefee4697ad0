"""How numbers are rounded while a network learns and is judged, and how its code is run."""

import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autotune.errors import InvalidInput, Problem
from autotune.train.config import TrainConfig

__all__ = ["Precision"]

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
Clip = Callable[[Iterable[nn.Parameter], float], Tensor]
COMPILERS = ("c++", "g++", "clang++")


class Precision:
    """The default rounds nothing, and costs nothing."""

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.type = TYPES.get(config.precision)
        self.device = device
        self.channels_last = config.channels_last
        self.compiled = config.compile
        self.clip_norm = config.clip_norm
        self.measured = config.clip_norm is not None or "grad_norm" in config.metrics
        self.clip: Clip = nn.utils.clip_grad_norm_
        if config.precision == "fp16" and device.type != "cuda":
            message = "`precision` fp16 needs a GPU: use bf16 or fp32 on the CPU"
            raise InvalidInput([Problem(message, ("precision",))])
        if config.compile and device.type == "cpu" and not any(map(shutil.which, COMPILERS)):
            message = "`compile` needs a C++ compiler, such as g++: install one or set it to false"
            raise InvalidInput([Problem(message, ("compile",))])
        # Gradients of fp16 would vanish: they are computed enlarged (Micikevicius et al. 2018).
        self.scaler = torch.amp.GradScaler(device.type) if config.precision == "fp16" else None
        flags = "tf32" if config.precision == "tf32" else "ieee"
        torch.backends.cuda.matmul.fp32_precision = flags
        torch.backends.cudnn.conv.fp32_precision = flags  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = config.cudnn_benchmark

    def forward(self, model: nn.Module, learning: bool = True) -> Callable[[Tensor], Tensor]:
        """What is called in place of `model`. Its answers are fp32, whatever it computes in.

        Only what learns is compiled: judging is too short, and would be compiled anew.
        """
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        call: Callable[[Tensor], Tensor] = model
        if self.compiled and learning:
            torch.compiler.reset()  # or the networks of earlier trials would fill its cache
            call = torch.compile(model)
        if self.type is None and not self.channels_last:
            return call

        def rounded(x: Tensor) -> Tensor:
            if self.channels_last and x.ndim == 4:
                x = x.contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, self.type, enabled=self.type is not None):
                return call(x).float()

        return rounded

    def backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def step(self, optimizer: Optimizer, model: nn.Module) -> Tensor | None:
        """One step, and the norm of the gradient before it was clipped, where it is looked at."""
        norm = None
        if self.measured:
            if self.scaler is not None:
                self.scaler.unscale_(optimizer)
            longest = math.inf if self.clip_norm is None else self.clip_norm
            norm = self.clip(model.parameters(), longest)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()
        return norm

    def state_dict(self) -> dict[str, Any]:
        return self.scaler.state_dict() if self.scaler else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if self.scaler:
            self.scaler.load_state_dict(dict(state))
