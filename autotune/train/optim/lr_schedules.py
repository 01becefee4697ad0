"""Learning-rate schedules as functions: factor(step) for the optimizer step, counted from 0."""

from collections.abc import Callable
from math import cos, pi

__all__ = ["constant", "cosine", "one_cycle", "step"]

Factor = Callable[[int], float]


def warmed(steps: int, warmup: float, after: Factor) -> Factor:
    """A linear rise to 1 over the first `warmup` share of `steps`, then `after`."""
    rise = round(steps * warmup)
    return lambda step: (step + 1) / rise if step < rise else after(step)


def constant(steps: int, warmup: float) -> Factor:
    return warmed(steps, warmup, lambda step: 1.0)


def step(steps: int, warmup: float, every: int, gamma: float) -> Factor:
    return warmed(steps, warmup, lambda step: float(gamma ** (step // every)))


def cosine(steps: int, warmup: float, final: float) -> Factor:
    rise = round(steps * warmup)
    fall = max(1, steps - rise)
    return warmed(steps, warmup, lambda step: between(1.0, final, (step - rise) / fall))


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
