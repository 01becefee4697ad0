"""report.html: its numbers are the journal's, its words are of the data, its page needs nothing."""

import json
import re
import statistics
from html.parser import HTMLParser
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from autotune import spec as specs
from autotune.errors import UserError
from autotune.report import html_report
from autotune.study import history as histories
from autotune.study import state_machine
from autotune.study.history import History


class Page(HTMLParser):
    """Its tables by caption, its paragraphs, and what could ask the network for something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.says: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self._caption, self._rows, self._text = "", list[list[str]](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "action")]
        self._text = ""
        if tag == "table":
            self._rows = []
        elif tag == "tr":
            self._rows.append([])

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self._caption = self._text
        elif tag in ("td", "th"):
            self._rows[-1].append(self._text)
        elif tag == "table":
            self.tables[self._caption] = self._rows[1:]
        elif tag == "p":
            self.says.append(self._text)


@pytest.fixture(scope="module")
def text(plain: History) -> str:
    return html_report.html(plain)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def optuna_study(history: History, name: str) -> optuna.Study:
    """The journal as anybody reads it with plain Optuna, such as optuna-dashboard."""
    storage = JournalStorage(JournalFileBackend(str(history.folder / "journal.log")))
    return optuna.load_study(study_name=name, storage=storage)


def shown(value: float) -> str:
    return f"{value:.6g}"


WORDS = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def test_every_trial_is_told_as_optuna_reads_it(plain: History, page: Page) -> None:
    trials = optuna_study(plain, "plain").trials
    rows = page.tables["All trials"]
    assert len(rows) == len(trials) == 40
    assert {trial.state for trial in trials} == set(WORDS)
    for row, trial in zip(rows, trials, strict=True):
        steps = list(trial.intermediate_values)
        assert row[0] == str(trial.number)
        assert row[1].partition(" ")[0] == WORDS[trial.state]
        failed = trial.state == TrialState.FAIL
        assert row[2] == ("" if failed else shown(max(trial.intermediate_values.values())))
        assert row[3] == str(max(steps, default=0))
        assert row[4] == shown(0.25 * len(steps))


def test_every_curve_is_told_as_optuna_reads_it(plain: History, page: Page) -> None:
    trials = [t for t in optuna_study(plain, "plain").trials if t.intermediate_values]
    rows = page.tables["Curves of val_accuracy"]
    assert len(rows) == len(trials)
    for row, trial in zip(rows, trials, strict=True):
        curve = trial.intermediate_values
        best, last = shown(max(curve.values())), shown(curve[max(curve)])
        assert row == [str(trial.number), WORDS[trial.state], str(max(curve)), best, last]
    stopped = [max(t.intermediate_values) for t in trials if t.state == TrialState.PRUNED]
    for step, reached, there in page.tables["Who was stopped where"]:
        assert int(there) == stopped.count(int(step))
        assert int(reached) == sum(max(t.intermediate_values) >= int(step) for t in trials)


def test_the_answer_is_the_journals(plain: History, page: Page) -> None:
    trials = optuna_study(plain, "plain").trials
    again = optuna_study(plain, "plain:confirm").trials
    best = plain.best()
    assert best is not None
    verified = [
        t.value
        for t in again
        if t.user_attrs["run"]["label"].startswith(f"verify-{best.trial:04d}")
    ]
    assert len(verified) == 3
    mean, std = statistics.fmean(verified), statistics.stdev(verified)
    assert page.says[0] == (
        f"Trial {best.trial} won: val_accuracy {mean:.4f} ± {std:#.2g} over 3 fresh seeds."
    )
    scores = {row[0]: row[1:] for row in page.tables["Scores of the winner"]}
    assert scores["confirmed by"][:3] == ["3", shown(mean), shown(std)]
    assert scores[f"search, trial {best.trial}"][1] == shown(trials[best.trial].value)
    values = [t.value for t in trials if t.value is not None]
    rivals = {row[0]: row for row in page.tables["What the winner beat"]}
    assert rivals["the median trial"][2] == shown(statistics.median(values))
    default = next(row for what, row in rivals.items() if what.startswith("the default"))
    assert default[1] == "0" and trials[0].params["lr"] == pytest.approx(0.01)
    params = dict(page.tables["Parameters of the winner"])
    assert params.keys() == trials[best.trial].params.keys()
    assert any("t-interval" in sentence for sentence in page.says)


def test_failures_are_counted_and_what_they_share_is_named(plain: History, page: Page) -> None:
    failed = [t.user_attrs["outcome"] for t in optuna_study(plain, "plain").trials]
    reasons = [outcome.get("reason") for outcome in failed if outcome.get("reason")]
    rows = {row[0]: int(row[1]) for row in page.tables["Messages"]}
    assert rows == {reason: reasons.count(reason) for reason in set(reasons)}
    said = next(s for s in page.says if "failed:" in s)
    assert said.startswith(f"{len(reasons)} of 40 trials failed: ")


def test_the_workers_time_adds_up(plain: History, page: Page) -> None:
    rows = page.tables["Workers"]
    trained = sum(float(row[4]) for row in rows)
    reports = sum(len(run.reports) for run in plain.runs())
    assert trained == pytest.approx(0.25 * reports)


def test_figures_hold_what_the_tables_say(text: str, plain: History) -> None:
    found = re.search(r'id="figures">(.*?)</script>', text, re.DOTALL)
    assert found
    figures = json.loads(found[1])
    points = {
        x: y
        for trace in figures["history-0"]["data"]
        if trace["type"] == "scatter" and trace["name"] in ("stopped early", "complete")
        for x, y in zip(trace["x"], trace["y"], strict=True)
    }
    values = {run.trial: plain.value(run) for run in plain.trials}
    assert points == {n: pytest.approx(v, rel=1e-5) for n, v in values.items() if v is not None}


def test_plotly_accepts_every_figure(text: str, pareto: History) -> None:
    from plotly.graph_objects import Figure

    from autotune.report.charts.plotly import LIGHT, coloured

    for one in (text, html_report.html(pareto)):
        found = re.search(r'id="figures">(.*?)</script>', one, re.DOTALL)
        assert found
        for name, figure in json.loads(found[1]).items():
            assert Figure(coloured(figure, LIGHT)).data, name


def test_the_page_asks_nothing_of_the_network_and_runs_nobodys_code(text: str, page: Page) -> None:
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    assert "default-src 'none'" in text
    assert page.tags.count("script") == 3 and page.tags.count("h1") == 1
    assert "<script>alert" not in text and "<b>odd" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; out of memory" in text


def test_two_reports_of_one_journal_are_the_same(plain: History, text: str) -> None:
    def undated(page: str) -> str:
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "", page)

    assert undated(html_report.html(plain)) == undated(text)


def test_a_pareto_study_is_told_by_its_front(pareto: History) -> None:
    page = Page(html_report.html(pareto))
    front = {t.number for t in optuna_study(pareto, "pareto").best_trials}
    rows = page.tables["The Pareto front, the picked trial first"]
    assert {int(row[0]) for row in rows} == front
    trials = optuna_study(pareto, "pareto").trials
    for row in rows:
        assert row[2:4] == [shown(v) for v in trials[int(row[0])].values]
    said = " ".join(page.says)
    known = sum(t.values is not None for t in trials)
    assert f"{len(front)} of {known} trials are on the Pareto front: " in said
    best = pareto.best()
    assert best and page.says[0].startswith(f"Trial {best.trial} is picked from the Pareto front:")


def test_it_never_replaces_a_file_unasked(plain: History, here: Path) -> None:
    there = here / "report.html"
    there.write_text("mine")
    with pytest.raises(UserError, match="report.html exists: give another file, or --force"):
        html_report.write(plain, there)
    assert there.read_text() == "mine"
    with pytest.raises(UserError, match="is a folder; give a file"):
        html_report.write(plain, here)
    assert html_report.write(plain, there, force=True) == there
    assert there.read_text().startswith("<!doctype html>")


def test_a_study_without_an_ended_trial_says_so(here: Path, plain: History) -> None:
    spec = specs.load(plain.folder / "study.yaml", ["name=fresh"])
    driven = state_machine.start(spec, here / "runs")
    driven.next()
    with pytest.raises(UserError, match="no trial of study 'fresh' has ended yet"):
        html_report.html(histories.load("fresh", here / "runs"))
    driven.close()
