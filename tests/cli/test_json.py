"""What commands answer to programs: stable keys, mistakes as data, one event a line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "agents.md").read_text()


def keys_of(event: str) -> set[str]:
    """Those that docs/agents.md promises."""
    row = re.search(rf"^\| `{event}` \| (.*) \|$", PAGE, re.MULTILINE)
    assert row, f"{event} is not in docs/agents.md"
    bare = re.sub(r"\([^)]*\)", "", row[1])
    return set(re.findall(r"`(\w+)`", bare.partition(";")[0]))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_run_streams_one_event_a_line(autotune: Callable, small: Path) -> None:
    said = autotune("run", small, "--engine", "inline", "--json")
    events = lines(said.out)
    assert said.code == 0 and said.err == ""
    kinds = [event["event"] for event in events]
    assert kinds[0] == "opened" and kinds[-2:] == ["closed", "finished"]
    assert kinds.count("ended") >= 3 + 2 and "reported" in kinds
    for event in events:
        assert set(event) - {"event"} == keys_of(event["event"]), event
    assert events[-1]["best"]["mean"] is not None
    again = lines(autotune("resume", "small", "--engine", "inline", "--json").out)
    assert [e for e in again if e["event"] == "started"] == [
        e for e in events if e["event"] == "started"
    ]


def test_mistakes_are_data(autotune: Callable, small: Path) -> None:
    small.write_text(small.read_text().replace("low: 8", "low: eight").replace("mlp", "mpl"))
    said = autotune("check", small, "--json")
    found = json.loads(said.out)
    assert said.code == 2 and not found["ok"] and said.err == ""
    assert {"where", "path", "message"} == set(found["problems"][0])
    assert {problem["where"].rpartition("/")[2] for problem in found["problems"]} == {
        "small.yaml:6",
        "small.yaml:9",
    }
    said = autotune("run", small, "--json")
    [event] = lines(said.out)
    assert said.code == 2 and event["event"] == "error"
    assert event["problems"] == found["problems"]


def test_the_others_answer_one_document(autotune: Callable, small: Path, tmp_path: Path) -> None:
    found = json.loads(autotune("check", small, "--json").out)
    assert set(found) == {"ok", "study", "headline", "combinations", "notes"} and found["ok"]
    autotune("run", small, "--engine", "inline")
    made = json.loads(autotune("export", "small", "-o", "best", "--json").out)
    assert set(made) == {"files", "figures", "notes"} and "best/best.yaml" in made["files"]
    assert set(json.loads(autotune("repair", "small", "--json").out)) == {"study", "said"}
    assert json.loads(autotune("delete", "small", "--yes", "--json").out).keys() == {
        "removed",
        "mlflow_runs",
    }
    assert json.loads(autotune("init", "mine", "--json").out) == {
        "study": "mine/studies/quickstart.yaml"
    }
