"""Points of which none is best: who dominates whom, and which to prefer of those that nobody does.

A point has one coordinate an objective, lower being better in each.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

__all__ = ["Point", "depths", "dominates", "front", "fronts", "nearest_to_best", "places", "spread"]

Point = tuple[float, ...]


def dominates(one: Point, other: Point) -> bool:
    """`one` is nowhere worse, and somewhere better."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def front(points: Sequence[Point]) -> list[int]:
    """Where in `points` those stand that no point dominates: the Pareto set."""
    found: list[int] = []
    # In this order no point is dominated by a later one.
    for index in sorted(range(len(points)), key=points.__getitem__):
        if not any(dominates(points[other], points[index]) for other in found):
            found.append(index)
    return sorted(found)


def fronts(points: Sequence[Point]) -> list[int]:
    """The front of each point. 0: no point dominates it, the Pareto set; n: none does but such of
    the fronts before.

    X. Zhang et al., "An efficient approach to nondominated sorting", 2015 (ENS-BS).
    """
    members: list[list[Point]] = []
    found = [0] * len(points)

    def spares(front: list[Point], point: Point) -> bool:
        return not any(dominates(member, point) for member in reversed(front))

    # In this order no point is dominated by a later one.
    for index in sorted(range(len(points)), key=points.__getitem__):
        point = points[index]
        found[index] = bisect_left(members, True, key=lambda front: spares(front, point))  # noqa: B023
        if found[index] == len(members):
            members.append([])
        members[found[index]].append(point)
    return found


def places(points: Sequence[Point]) -> list[int]:
    """How many points stand before each one: those of the fronts before its own, and in its own
    those that `spread` takes first. Equal points share a place."""
    members: dict[int, list[Point]] = {}
    for point, front in zip(points, fronts(points), strict=True):
        members.setdefault(front, []).append(point)
    found: dict[Point, int] = {}
    before = 0
    for _, front_points in sorted(members.items()):
        for point in spread(front_points):
            found[point] = before
            before += front_points.count(point)
    return [found[point] for point in points]


def spread(points: Sequence[Point]) -> list[Point]:
    """The different ones of `points`: the best by the first coordinate, then always the one that is
    farthest from all before it, so that any beginning of the list covers them evenly.

    An epsilon-net, as in R. Schmucker et al., "Multi-objective asynchronous successive halving",
    2021; but in coordinates that are scaled to [0, 1], so that no unit outweighs the others.
    """
    left = dict(zip(sorted(set(points)), _scaled(sorted(set(points))), strict=True))
    taken = [next(iter(left))]
    gaps = dict.fromkeys(left, math.inf)
    while len(taken) < len(left):
        last = left[taken[-1]]
        gaps = {point: min(gap, math.dist(left[point], last)) for point, gap in gaps.items()}
        gaps.pop(taken[-1])
        taken.append(max(gaps, key=gaps.__getitem__))
    return taken


def _scaled(points: Sequence[Point]) -> list[Point]:
    """To [0, 1] over the points; 0 where a coordinate is the same for all, or its span infinite."""
    lows = [min(column) for column in zip(*points, strict=True)]
    spans = [max(column) - low for column, low in zip(zip(*points, strict=True), lows, strict=True)]
    usable = [0 < span < math.inf for span in spans]
    return [
        tuple(
            (x - low) / span if use else 0.0
            for x, low, span, use in zip(point, lows, spans, usable, strict=True)
        )
        for point in points
    ]


def depths(points: Sequence[Point]) -> list[float]:
    """How far each point lies below the plane through the extremes, all coordinates being scaled
    to [0, 1] over the points; the deepest one is the knee.

    I. Das, "On characterizing the knee of the Pareto curve", 1999. A coordinate that is the same
    for all points counts nothing.
    """
    scaled = _scaled(points)
    differ = sum(any(column) for column in zip(*scaled, strict=True)) or 1
    return [(1 - sum(point)) / differ**0.5 for point in scaled]


def nearest_to_best(points: Sequence[Point], axis: int, within: float) -> list[int]:
    """The points in the order of preference: those at most `within` from the best on `axis`, the
    knee of their other coordinates first; then the others, by `axis`."""
    best = min(point[axis] for point in points)
    # 0.97 - 0.96 is more than 0.01 by a rounding error.
    near = [i for i, p in enumerate(points) if p[axis] - best <= within * (1 + 1e-9) + 1e-12]
    others = [points[i][:axis] + points[i][axis + 1 :] for i in near]
    deep = dict(zip(near, depths(others), strict=True))
    return sorted(
        range(len(points)), key=lambda i: (i not in deep, -deep.get(i, 0), points[i][axis])
    )
