"""The simulation of known winners: its smallest form, and what it shows at that size."""

from benchmarks.winner import CELLS, measure, table


def test_the_mean_that_chose_is_too_good_and_the_other_is_not() -> None:
    equal = next(cell for cell in CELLS if cell.name == "3 equal")
    row = measure(equal, draws=150)
    assert 0.3 < row.bias["chosen"] < 0.7  # 0.49 by calculation
    assert abs(row.bias["winner"]) < 3 * row.error["winner"]
    assert 0.35 < row.bound < 0.6
    assert 85 < row.coverage["winner"] <= 100
    assert table([row]).splitlines()[-1].startswith("| 3 equal | 3 × 3 + 3 | ")
