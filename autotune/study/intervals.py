"""How certain a mean is, and how much too good the best of several means."""

import math
import statistics
from collections.abc import Sequence

__all__ = ["expected_best", "std_bias", "t_interval", "t_quantile"]

_NORMAL = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""
_T = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
"""97.5 % quantiles of Student's t with 1 to 9 degrees of freedom."""


def t_quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t.

    From 10 degrees of freedom on by its expansion around the normal one, accurate to four digits
    (G. W. Hill, "Algorithm 396", 1970): importing scipy takes a second.
    """
    if degrees <= len(_T):
        return _T[degrees - 1]
    z, n = _NORMAL, degrees
    terms = (
        (z**3 + z) / (4 * n),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3),
    )
    return z + sum(terms)


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean; None for one value, and for equal values: a score in coarse
    steps then says nothing about its spread."""
    if len(set(values)) < 2:
        return None
    mean, std = statistics.fmean(values), statistics.stdev(values)
    half = t_quantile(len(values) - 1) * std / math.sqrt(len(values))
    return mean - half, mean + half


def std_bias(degrees: int) -> float:
    """The mean ratio of a sample's standard deviation to the true one, with normal noise."""
    logs = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    return math.sqrt(2 / degrees) * math.exp(logs)


def expected_best(count: int) -> float:
    """Expected maximum of `count` standard normal variables."""
    step, normal = 0.01, statistics.NormalDist()
    points = [i * step for i in range(-900, 901)]
    return step * sum(x * count * normal.pdf(x) * normal.cdf(x) ** (count - 1) for x in points)
