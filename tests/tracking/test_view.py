"""What MLflow's page is told to show."""

import json
from urllib.parse import parse_qs, urlsplit

from autotune.tracking.app import page_text
from autotune.tracking.view import View, from_tag, page_address, page_state

VIEW = View(
    metric="val_loss",
    objective="best/val_loss",
    ascending=True,
    params=["optimizer.lr", "model.width", "optimizer.momentum"],
    common=["optimizer.lr", "model.width"],
    others=["best/params"],
    parent="abc",
)


def test_the_objective_comes_first_and_the_study_stands_on_top() -> None:
    state = page_state(VIEW)
    assert state["selectedColumns"] == state["columnOrder"]
    assert state["selectedColumns"][:4] == [
        "metrics.`best/val_loss`", "tags.`state`", "metrics.`best/params`", "params.`optimizer.lr`",
    ]  # fmt: skip
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`best/val_loss`", True)
    assert state["runsPinned"] == ["abc"]


def test_the_charts() -> None:
    parallel, curves, history = page_state(VIEW)["compareRunCharts"]
    assert parallel["selectedParams"] == ["optimizer.lr", "model.width"], "what each trial has"
    assert parallel["selectedMetrics"] == ["best/val_loss"] and parallel["showAllRuns"]
    assert curves["selectedMetricKeys"] == ["val_loss"]
    assert history["selectedMetricKeys"] == ["objective_by_trial", "best_so_far"]


def test_a_tag_holds_it_whatever_the_names() -> None:
    assert from_tag(VIEW.to_tag()) == VIEW
    long = [f"{'x' * 245}{n}" for n in range(40)]
    tag = View("m", "best/m", False, long, long).to_tag()
    assert len(tag) <= 5000
    assert from_tag(tag) is not None
    assert from_tag("") is None and from_tag('{"columns": 3}') is None


def test_an_address_says_the_order() -> None:
    parts = urlsplit(page_address("http://there/", "7", VIEW))
    assert (parts.netloc, parts.path) == ("there", "/")
    place, _, query = parts.fragment.partition("?")
    assert place == "/experiments/7/runs"
    said = {key: value for key, (value,) in parse_qs(query).items()}
    assert said["orderByKey"] == "metrics.`best/val_loss`" and said["orderByAsc"] == "true"
    assert said["workflowType"] == "machine_learning"


def test_no_name_ends_the_script() -> None:
    wicked = View("</script><script>alert(1)", "best/x", False, ["</script>"], [])
    text = page_text("", "7", wicked)
    assert text.count("</script>") == 1
    begin = text.index("const page = ") + len("const page = ")
    facts = json.loads(text[begin : text.index(";\n", begin)])
    assert facts["state"] == json.loads(json.dumps(page_state(wicked)))
