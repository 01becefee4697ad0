"""What a network costs to run and to keep, and its training so far: see COSTS in metrics.py.

The network is the one that is judged and kept; a teacher, and what a distillation adds to the
student, are no part of it. It is measured as it is stored and run: a weight that pruning made 0 is
still a number in its tensor, so it counts in `params`, `flops` and `model_bytes` as any other.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from autotune.train.precision import Precision

__all__ = ["Costs", "flops", "latency_ms", "model_bytes", "params"]

Forward = Callable[[Tensor], Tensor]

WARM_UP = 5
FORWARDS = 31


class Costs:
    """The costs that are asked for. The network is measured once in a training, at its first
    report; a resume goes on with what was measured and with the seconds so far."""

    def __init__(
        self, asked: Sequence[str], model: nn.Module, precision: Precision, x: Tensor
    ) -> None:
        """x: one sample, (1, ...), on the model's device"""
        forward = precision.forward(model, learning=False)
        self.model = model
        ways: dict[str, Callable[[], float]] = {
            "params": partial(params, model),
            "flops": partial(flops, model, x),
            "latency_ms": partial(latency_ms, forward, x),
            "model_bytes": partial(model_bytes, model),
        }
        self.ways = {name: ways[name] for name in asked if name in ways}
        self.timed = "seconds" in asked
        self.measured: dict[str, float] = {}
        self.seconds = 0.0

    def __bool__(self) -> bool:
        """Whether any was asked for."""
        return bool(self.ways) or self.timed

    def __call__(self, seconds: float) -> dict[str, float]:
        """What a report carries, after a step that took `seconds`."""
        self.seconds += seconds
        if not self.measured:
            self.measure()
        return self.measured | ({"seconds": self.seconds} if self.timed else {})

    def measure(self) -> None:
        self.model.eval()
        self.measured = {name: measure() for name, measure in self.ways.items()}

    def state_dict(self) -> dict[str, Any]:
        return {"measured": self.measured, "seconds": self.seconds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.measured, self.seconds = dict(state["measured"]), state["seconds"]


def params(model: nn.Module) -> float:
    """Its parameters, each once; those that a transfer froze count, as they are kept with it."""
    return float(sum(parameter.numel() for parameter in model.parameters()))


def model_bytes(model: nn.Module) -> float:
    """Bytes of the parameters and buffers that its file holds, without the file's header."""
    return float(sum(tensor.nbytes for tensor in model.state_dict().values()))


def flops(model: nn.Module, x: Tensor) -> float:
    """Of one forward, by torch.utils.flop_counter: those of matrix products and convolutions, a
    multiplication and an addition being two. The rest counts nothing.

    model: in eval mode; x: (1, ...)
    """
    counter = FlopCounterMode(display=False)
    with unfused(), counter:
        model(x)
    return float(counter.get_total_flops())


@contextmanager
def unfused() -> Iterator[None]:
    """Attention and recurrent layers are computed product by product. Fused, depending on the
    device and on whether they learn, they would count nothing (torch 2.14; pytorch issue 195460).
    """
    mkldnn, cudnn, mha = torch.backends.mkldnn, torch.backends.cudnn, torch.backends.mha
    before = mkldnn.enabled, cudnn.enabled, mha.get_fastpath_enabled()
    try:
        mkldnn.enabled = cudnn.enabled = False  # type: ignore[assignment]
        mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        mkldnn.enabled, cudnn.enabled = before[:2]
        mha.set_fastpath_enabled(before[2])


@torch.inference_mode()
def latency_ms(forward: Forward, x: Tensor) -> float:
    """Milliseconds of one forward of one sample: the median of 31, after 5 to warm up.

    forward: a model in eval mode; x: (1, ...)
    """
    times = [timed(forward, x) for _ in range(WARM_UP + FORWARDS)]
    return 1000 * median(times[WARM_UP:])


def timed(forward: Forward, x: Tensor) -> float:
    """Seconds until the answer is there."""
    began = time.perf_counter()
    forward(x)
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
    return time.perf_counter() - began
