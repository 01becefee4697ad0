import math

import pytest

from autotune.report.tables import params, score, sparkline
from autotune.report.views import to_json


def test_a_searched_value_is_told_by_its_last_word_unless_two_share_it() -> None:
    assert params({"model.depth": 3, "optimizer.name": "adam"}) == "depth 3, optimizer adam"
    alike = {"optimizer.alpha": 0.5, "activation.alpha": 1.0}
    assert params(alike) == "optimizer.alpha 0.5, activation.alpha 1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5000"),
        (12345.6, "1.235e+04"),
        (1000.0, "1000"),
        (1e20, "1.000e+20"),
        (26122.0, "26122"),  # such as parameters
        (None, "-"),
    ],
)
def test_scores_stand_in_columns(value: float | None, text: str) -> None:
    assert score(value) == text


def test_a_sparkline_has_its_ends_at_its_extremes() -> None:
    assert sparkline([]) == ""
    assert sparkline([1.0, 1.0]) == "▁▁"
    assert sparkline([0.0, 0.5, 1.0]) == "▁▄█"
    assert len(sparkline([float(n) for n in range(1000)])) == 60


def test_json_never_carries_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json({"value": math.nan})
