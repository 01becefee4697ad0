"""The winner's score is of seeds that did not choose it, and says so where it is not."""

import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from autotune import spec as specs
from autotune.engine import simulate
from autotune.export.bundle import export
from autotune.report import tables, views
from autotune.study import events, intervals
from autotune.study.history import FIRST_RULES, History, load
from autotune.study.state_machine import Study, in_memory, start
from autotune.trial import Assignment, Failure, Purpose, Reason, Report
from tests.report.test_study_tables import printed

TEXT = """
name: s
objective: {metric: acc, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 1}
space: [x: {type: categorical, choices: [a, b, c, d]}]
search: {name: grid}
schedule: {name: none}
budget: {trials: 4}
confirm: {top: 3, seeds: 2}
tracking: {uri: none}
"""
SEARCHED = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
RETRAINED = {"a": [0.5, 0.7], "b": [0.8, 0.82], "c": [0.6, 0.6]}
VERIFIED = [0.74, 0.78]


@pytest.fixture(autouse=True)
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def begun(*overrides: str, text: str = TEXT) -> Study:
    Path("study.yaml").write_text(text)
    return start(specs.load("study.yaml", overrides), Path("runs"))


def value_of(assignment: Assignment) -> float:
    x, nth = str(assignment.config["x"]), int(assignment.label[-1])
    match assignment.purpose:
        case Purpose.SEARCH:
            return SEARCHED[x]
        case Purpose.CONFIRM:
            return RETRAINED[x][nth - 1]
    assert x == "b", "it is not the winner's"
    return VERIFIED[nth - 1]


def drive(study: Study, value: Callable[[Assignment], float] = value_of) -> list[Assignment]:
    """To its end; NaN fails a run."""
    done = []
    while isinstance(assignment := study.next(), Assignment):
        done.append(assignment)
        if math.isnan(told := value(assignment)):
            study.finish(assignment, Failure(Reason.NAN, "loss is nan"))
            continue
        study.report(assignment, Report(1, {"acc": told}, 1.0))
        study.finish(assignment)
    assert study.complete
    study.close()
    return done


def known() -> History:
    return load("s", Path("runs"))


def test_the_winner_is_trained_once_more_on_seeds_that_did_not_choose_it() -> None:
    done = drive(begun())
    order = [(a.purpose, a.config["x"]) for a in done if a.purpose != Purpose.SEARCH]
    assert order == [*(("confirm", x) for x in "abcabc"), ("verify", "b"), ("verify", "b")]
    assert len({a.seed for a in done}) == len(done) == 12
    best = known().best()
    assert best and best.chosen and best.verified
    assert best.mean == pytest.approx(0.76) and best.std == pytest.approx(
        statistics.stdev(VERIFIED)
    )
    assert best.interval == pytest.approx(
        stats.t.interval(0.95, 1, loc=0.76, scale=statistics.stdev(VERIFIED) / math.sqrt(2)),
    )
    assert (best.among, best.chosen.mean, best.bias) == (3, pytest.approx(0.81), None)
    assert best.source.label.startswith("verify-") and best.source.value == 0.78


def test_it_is_told_everywhere() -> None:
    drive(begun())
    lines = printed(tables.best(known()))
    low, high = 0.76 - 12.706205 * 0.02, 0.76 + 12.706205 * 0.02
    assert lines[:3] == [
        "best: trial 1, acc 0.7600 ± 0.0283 over 2 fresh seeds, "
        f"95 % interval {low:.4f} to {high:.4f}",
        "  chosen from 3 trials by 0.8100 ± 0.0141 over 2 other seeds",
        "  the search saw 0.8000 (-0.0400 on retraining)",
    ]
    said = views.best(known())
    assert (said["mean"], said["interval"]) == (pytest.approx(0.76), pytest.approx([low, high]))
    assert said["chosen"]["among"] == 3 and said["chosen"]["mean"] == pytest.approx(0.81)
    assert not set(said["chosen"]["seeds"]) & set(said["seeds"])
    rows = views.study(known())["confirmations"]
    assert [row["purpose"] for row in rows] == ["confirm"] * 6 + ["verify"] * 2
    shown = printed(tables.study(known()))
    assert [line.split()[:2] for line in shown[-2:]] == [["1", "verify"]] * 2
    told = events.closing(known(), True)
    assert told.summary["confirmed/acc_mean"] == pytest.approx(0.76)
    assert told.summary["confirmed/acc_low"] == pytest.approx(low)
    assert told.summary["chosen/acc_mean"] == pytest.approx(0.81)
    text = told.artifacts["best.yaml"]
    assert "# confirmed acc: 0.76 ± 0.028, 95 % interval" in text
    assert "# chosen with acc: 0.81 ± 0.014 (the best of 3 trials, seeds" in text
    assert "# this seed's acc: 0.78 (the best of 2)" in text
    replayed = [e.label for e in events.replayed(known()) if isinstance(e, events.RunFinished)]
    assert replayed[-2:] == ["verify-0001-s1", "verify-0001-s2"]


def test_the_export_says_whose_score_it_is() -> None:
    drive(begun())
    export(known(), Path("best"))
    metrics = json.loads(Path("best/metrics.json").read_text())
    assert (metrics["confirmed_mean"], metrics["seeds_chose_it"]) == (pytest.approx(0.76), False)
    assert (metrics["chosen_from"], metrics["chosen_mean"]) == (3, pytest.approx(0.81))
    card = Path("best/README.md").read_text()
    assert "| on fresh seeds (2) | 0.7600 ± 0.0283 |" in card
    assert "| on the seeds that chose it from 3 trials | 0.8100 ± 0.0141 |" in card


def test_without_that_round_the_score_is_called_too_good() -> None:
    done = drive(begun("confirm.verify=0"))
    assert not [a for a in done if a.purpose == Purpose.VERIFY]
    best = known().best()
    assert best and best.selected and best.interval is None and best.mean == pytest.approx(0.81)
    groups = RETRAINED.values()
    pooled = math.sqrt(sum(statistics.variance(group) for group in groups) / 3)
    std = pooled / 0.921318  # c4 of 3 degrees of freedom
    assert best.bias == pytest.approx(0.846284 * std / math.sqrt(2), rel=1e-4)
    lines = printed(tables.best(known()))
    assert lines[1] == (
        "  these seeds also chose it from 3 trials: it is too good, "
        f"by up to {best.bias:.4f} on average"
    )
    assert "which also chose it from 3 trials" in known().best_text(best)
    export(known(), Path("best"))
    assert "which also chose it from 3: too good" in Path("best/README.md").read_text()


def test_its_number_may_be_chosen_later_too() -> None:
    drive(begun("confirm.verify=0"))
    done = drive(begun("confirm.verify=1"))
    assert [a.label for a in done] == ["verify-0001-s1"]
    best = known().best()
    assert best and (best.mean, best.std, best.interval) == (0.74, None, None)
    assert "acc 0.7400 over 1 fresh seed" in printed(tables.best(known()))[0]


@pytest.mark.parametrize("changes", [["confirm.top=1"], ["budget.trials=1"]])
def test_one_candidate_is_not_chosen_by_its_retrainings(changes: list[str]) -> None:
    done = drive(begun(*changes))
    assert [a.purpose for a in done][-2:] == [Purpose.CONFIRM] * 2
    best = known().best()
    assert best and best.among == 1 and not best.selected and best.interval
    assert "95 % interval" in printed(tables.best(known()))[0]


def test_a_verification_that_fails_counts_against_nobody_but_is_told() -> None:
    def one_fails(assignment: Assignment) -> float:
        return math.nan if assignment.label == "verify-0001-s2" else value_of(assignment)

    drive(begun(), one_fails)
    best = known().best()
    assert best and best.verified and (best.trial, best.mean) == (1, 0.74)
    assert "over 1 fresh seed, 1 more failed" in printed(tables.best(known()))[0]


def test_where_all_verifications_fail_the_seeds_that_chose_it_score_it() -> None:
    drive(begun(), lambda a: math.nan if a.purpose == Purpose.VERIFY else value_of(a))
    best = known().best()
    assert best and best.selected and best.mean == pytest.approx(0.81)


def test_a_study_of_the_first_rules_has_no_such_round_unless_asked() -> None:
    study = begun()
    study.history.rules = FIRST_RULES
    study._journal.write_note("rules", FIRST_RULES)
    done = drive(study)
    assert [a.config["x"] for a in done[4:]] == [*"aabbcc"]
    assert drive(begun()) == []
    assert [a.purpose for a in drive(begun("confirm.verify=2"))] == [Purpose.VERIFY] * 2


def test_more_trials_may_bring_another_winner_that_is_verified_in_its_turn() -> None:
    drive(begun("budget.trials=3", "confirm.top=1"))
    done = drive(begun("budget.trials=4"))  # confirm: {top: 3}
    labels = [a.label for a in done if a.purpose == Purpose.VERIFY]
    assert labels == ["verify-0001-s1", "verify-0001-s2"]


def test_the_quantiles_are_students() -> None:
    for degrees in [*range(1, 40), 100, 1000]:
        exact = float(stats.t.ppf(0.975, degrees))
        assert intervals.t_quantile(degrees) == pytest.approx(exact, rel=1e-4)
    best_of = [intervals.expected_best(k) for k in (1, 2, 3, 5)]
    assert best_of == pytest.approx([0, 0.564190, 0.846284, 1.162964], abs=1e-5)
    assert intervals.t_interval([1.0]) is None
    assert intervals.t_interval([0.98, 0.98, 0.98]) is None  # no spread was seen, not none there


def test_a_simulated_study_has_the_round_as_well() -> None:
    def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        yield {"acc": (seed % 97) / 97}, 1.0

    Path("study.yaml").write_text(TEXT)
    study = in_memory(specs.load("study.yaml"))
    simulate.run(study, 3, simulate.recorded(curve))
    assert len(study.history.verifies) == 2 and study.complete
