"""Pareto sets and picks against what defines them."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.pareto import depths, dominates, fronts, nearest_to_best, places, spread

fairly = settings(
    deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)  # other work may slow the machine
COORDINATE = st.integers(0, 4).map(float) | st.floats(-1e9, 1e9)
POINTS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[COORDINATE] * width), min_size=1, max_size=30)
)


@fairly
@given(POINTS)
def test_fronts_are_what_is_left_when_those_before_are_taken_away(points):
    found = fronts(points)
    left, front = set(range(len(points))), 0
    while left:
        free = {
            i
            for i in left
            if not any(
                all(a <= b for a, b in zip(points[j], points[i], strict=True))
                and any(a < b for a, b in zip(points[j], points[i], strict=True))
                for j in left
            )
        }
        assert free == {i for i, at in enumerate(found) if at == front}
        left, front = left - free, front + 1


@fairly
@given(POINTS, st.randoms())
def test_fronts_do_not_depend_on_the_order(points, random):
    shuffled = random.sample(range(len(points)), len(points))
    found = fronts(points)
    assert fronts([points[i] for i in shuffled]) == [found[i] for i in shuffled]


@fairly
@given(POINTS)
def test_a_dominated_point_is_never_deepest(points):
    deep = depths(points)
    for i, one in enumerate(points):
        for j, other in enumerate(points):
            if dominates(one, other):
                assert deep[i] >= deep[j] - 1e-9  # rounded


def test_the_knee_is_farthest_from_the_line_between_the_extremes():
    points = [(0.0, 100.0), (1.0, 20.0), (4.0, 10.0), (10.0, 0.0)]
    deep = depths(points)
    assert deep.index(max(deep)) == 1
    assert abs(deep[0]) < 1e-12 and abs(deep[3]) < 1e-12
    assert depths([(1.0, 2.0)]) == [1.0]


def test_within_takes_the_best_by_the_others_of_those_near_the_best():
    points = [(-0.97, 900.0), (-0.96, 100.0), (-0.95, 50.0), (-0.5, 1.0)]
    assert nearest_to_best(points, 0, 0.01) == [1, 0, 2, 3]
    assert nearest_to_best(points, 0, 0.0) == [0, 1, 2, 3]
    assert nearest_to_best(points, 0, 1.0)[0] == 3
    assert nearest_to_best(points, 1, 49.0) == [2, 3, 1, 0]


@fairly
@given(POINTS)
def test_places_go_by_front_and_equal_points_share_one(points):
    found, front = places(points), fronts(points)
    for i, one in enumerate(points):
        assert sum(at < front[i] for at in front) <= found[i]
        for j, other in enumerate(points):
            assert (found[i] == found[j]) == (one == other)
            assert not (front[i] < front[j] and found[i] > found[j])


def test_a_beginning_of_the_spread_covers_the_front():
    line = [(float(x), 100.0 - 10 * x) for x in range(11)]
    assert spread(line)[:3] == [line[0], line[10], line[5]]
    assert sorted(spread(line)) == line
    assert spread([(float("inf"),) * 2] * 3) == [(float("inf"),) * 2]
