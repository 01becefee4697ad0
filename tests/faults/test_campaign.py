"""The fault campaign in its short form, and whether its checks see what they are there for.

The whole of it: python -m tests.faults run (docs/reliability.md)
"""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults import processes, servers, verify
from tests.faults.attempt import Known
from tests.faults.campaign import Campaign, stored, table
from tests.faults.scene import NAME, Ended, Scene


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    made = Campaign(tmp_path_factory.mktemp("faults") / "results.jsonl", parallel=1)
    yield made
    made.close(keep=False)


def sound(campaign: Campaign, kind: str, count: int) -> None:
    campaign.run(kind, count)
    made = [row for row in stored(campaign.out) if row["kind"] == kind]
    assert sum(bool(row["moments"]) for row in made) >= count, "too few were struck"
    assert {f"{kind} {row['seed']}": row["problems"] for row in made if row["problems"]} == {}


def test_a_driver_that_is_killed(campaign: Campaign) -> None:
    sound(campaign, "driver-inline", 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("kind", "count"),
    [
        *[("driver-inline", 2), ("driver-ray", 1), ("mlflow-server", 1), ("sigterm", 1)],
    ],
)
def test_some_of_each_part(campaign: Campaign, kind: str, count: int) -> None:
    sound(campaign, kind, count)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not servers.postgres_is_there(), reason="needs PostgreSQL's server programs")
def test_a_database_that_is_killed(campaign: Campaign) -> None:
    pytest.importorskip("psycopg")
    sound(campaign, "postgresql", 1)


# -- the checks see what they are there for


@pytest.fixture
def finished(campaign: Campaign, tmp_path: Path) -> tuple[Scene, Known]:
    """A copy of an undisturbed study's scene."""
    known = campaign.known("function", "inline")
    scene = Scene(tmp_path / "s", "function", "inline")
    shutil.copytree(known.database.parent, scene.runs)
    return scene, known


def test_a_whole_study_has_no_problem(finished: tuple[Scene, Known]) -> None:
    scene, known = finished
    before = [verify.whole_lines(scene.journal)]
    assert verify.lost(scene, before, known.outcome) == []
    assert verify.doubled(scene) == verify.untracked(scene, scene.store) == []
    assert verify.outcome(scene) == known.outcome


def test_what_the_journal_lacks_is_lost(finished: tuple[Scene, Known]) -> None:
    scene, known = finished
    whole = verify.whole_lines(scene.journal)
    lines = whole.splitlines(keepends=True)
    scene.journal.write_bytes(b"".join(lines[:-25]))
    found = verify.lost(scene, [whole], known.outcome)
    assert any("retrained" in problem for problem in found)
    assert "the journal no longer begins with what it held after command 0" in found


def test_a_report_that_is_written_twice_is_doubled(finished: tuple[Scene, Known]) -> None:
    scene, _ = finished
    lines = scene.journal.read_bytes().splitlines(keepends=True)
    (first, *_) = (line for line in lines if b'"report/1"' in line)
    scene.journal.write_bytes(b"".join([*lines, first]))
    assert verify.doubled(scene) == ["trial 0 report/1: 2 times"]


def test_what_mlflow_lacks_or_holds_twice_is_untracked(finished: tuple[Scene, Known]) -> None:
    scene, _ = finished
    with closing(sqlite3.connect(scene.store)) as connection:
        (one, two) = connection.execute(
            "select run_uuid from tags where key = 'autotune.run' and value in "
            "('trial-0003', 'trial-0004') order by value"
        ).fetchall()
        connection.execute("update runs set status = 'RUNNING' where run_uuid = ?", one)
        connection.execute("delete from metrics where key = 'loss' and run_uuid = ?", two)
        connection.execute(
            "insert into metrics select key, value, timestamp + 1, run_uuid, step, is_nan from"
            " metrics where key = 'accuracy' and run_uuid = ? and step = 1",
            two,
        )
        connection.commit()
    found = verify.untracked(scene, scene.store)
    assert "MLflow: trial-0003 is RUNNING" in found
    assert "MLflow holds 0 points of trial-0004 ('loss', 1)" in found
    assert "MLflow holds 2 points of trial-0004 ('accuracy', 1)" in found


def test_a_process_is_found_by_where_it_works_and_by_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    sleep = [sys.executable, "-c", "input()"]
    started = [
        subprocess.Popen(sleep, cwd=tmp_path / name, stdin=subprocess.PIPE) for name in ("a", "ab")
    ]
    found = processes.inside(tmp_path / "a")
    for process in started:
        process.communicate(b"\n")
    assert [process.pid for process in found] == [started[0].pid]
    assert processes.wait_until_gone(tmp_path / "a", 5.0) == []


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "*** SIGTERM received at time=1 on cpu 1 ***",
        "[2026-11-28 08:00:16,880 E 25900 25958] rpc_client.h:204: Failed",
        "(raylet) a worker died",
        "2026/11/28 08:00:16 WARNING mlflow.store: deprecated",
    ],
)
def test_what_no_user_should_see_is_seen(text: str) -> None:
    ended = Ended(0, f"trial    0  complete  accuracy 0.9\n{text}\n")
    assert ended.uncaught or ended.log_lines


def test_the_table_counts_strikes_and_the_attempts_with_a_problem() -> None:
    rows = [
        {"kind": "worker", "moments": ["x"], "problems": {}, "at": "a"},
        {"kind": "worker", "moments": ["x", "y"], "problems": {"lost": ["z"]}, "at": "a"},
        {"kind": "gcs", "moments": [], "problems": {"hung": ["z"]}, "at": "a"},
    ]
    assert "| worker | 3 | 1 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in table(json.loads(json.dumps(rows)))
    assert NAME and "| gcs" not in table(rows)
