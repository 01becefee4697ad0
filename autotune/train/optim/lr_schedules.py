"""Learning-rate schedules as functions: factor(step) for the optimizer step, counted from 0."""

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from math import cos, inf, pi
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "Factor",
    "ObservingFactor",
    "PlateauFactor",
    "constant",
    "cosine",
    "exponential",
    "multi_step",
    "one_cycle",
    "polynomial",
    "step",
    "warm_restarts",
]

Factor = Callable[[int], float]


@runtime_checkable
class ObservingFactor(Protocol):
    """A schedule that follows the metrics of each epoch; a checkpoint holds its state."""

    def __call__(self, step: int) -> float: ...

    def observe(self, metrics: Mapping[str, float]) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


BETTER = 1 - 1e-4  # a loss is better below this share of the best; as in torch's ReduceLROnPlateau


def warmed(steps: int, warmup: float, after: Factor) -> Factor:
    """A linear rise to 1 over the first `warmup` share of `steps`, then `after`."""
    rise = round(steps * warmup)
    return lambda step: (step + 1) / rise if step < rise else after(step)


def falling(steps: int, warmup: float, fall: Callable[[float], float]) -> Factor:
    """`fall` of the progress, 0 to 1, through the steps after the warm-up."""
    rise = round(steps * warmup)
    rest = max(1, steps - rise)
    return warmed(steps, warmup, lambda step: fall((step - rise) / rest))


def constant(steps: int, warmup: float) -> Factor:
    return warmed(steps, warmup, lambda step: 1.0)


def step(steps: int, warmup: float, every: int, gamma: float) -> Factor:
    return warmed(steps, warmup, lambda step: float(gamma ** (step // every)))


def multi_step(steps: int, warmup: float, drops: Sequence[int], gamma: float) -> Factor:
    """Multiplied by gamma from each step in `drops` on."""
    ordered = sorted(drops)
    return warmed(steps, warmup, lambda step: float(gamma ** bisect(ordered, step)))


def exponential(steps: int, warmup: float, final: float) -> Factor:
    return falling(steps, warmup, lambda progress: float(final**progress))


def polynomial(steps: int, warmup: float, power: float, final: float) -> Factor:
    return falling(
        steps, warmup, lambda progress: float(final + (1 - final) * (1 - progress) ** power)
    )


def cosine(steps: int, warmup: float, final: float) -> Factor:
    return falling(steps, warmup, lambda progress: between(1.0, final, progress))


def warm_restarts(steps: int, warmup: float, first: int, growth: int, final: float) -> Factor:
    """Falls of `first`, growth x first, growth^2 x first ... steps."""
    rise = round(steps * warmup)

    def factor(step: int) -> float:
        at, length = step - rise, first
        while at >= length:
            at, length = at - length, length * growth
        return between(1.0, final, at / length)

    return warmed(steps, warmup, factor)


def one_cycle(steps: int, warmup: float) -> Factor:
    """As torch.optim.lr_scheduler.OneCycleLR with its own div_factor and final_div_factor."""
    start, end = 1 / 25, 1 / 25 / 1e4
    top = warmup * steps - 1  # the step at which the rate is highest
    last = steps - 1

    def factor(step: int) -> float:
        if step <= top and top > 0:
            return between(start, 1.0, step / top)
        return between(1.0, end, (step - top) / (last - top))

    return factor


def between(start: float, end: float, progress: float) -> float:
    """Half a cosine from `start` (progress 0) to `end` (progress 1)."""
    return end + (start - end) * (1 + cos(pi * progress)) / 2


class PlateauFactor:
    """As torch.optim.lr_scheduler.ReduceLROnPlateau with its own threshold, on val_loss.

    observe({"val_loss": 1.0}) at each epoch's end; with patience 1 and gamma 0.1 the losses 1, 1, 1
    make the factor 0.1 from the next step on.
    """

    def __init__(self, steps: int, warmup: float, patience: int, gamma: float) -> None:
        self.patience, self.gamma = patience, gamma
        self.factor, self.best, self.bad = 1.0, inf, 0
        self.warmed = warmed(steps, warmup, lambda step: self.factor)

    def __call__(self, step: int) -> float:
        return self.warmed(step)

    def observe(self, metrics: Mapping[str, float]) -> None:
        loss = metrics["val_loss"]
        if loss < self.best * BETTER:
            self.best, self.bad = loss, 0
            return
        self.bad += 1
        if self.bad > self.patience:
            self.factor, self.bad = self.factor * self.gamma, 0

    def state_dict(self) -> dict[str, Any]:
        return {"factor": self.factor, "best": self.best, "bad": self.bad}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.factor, self.best, self.bad = state["factor"], state["best"], state["bad"]
