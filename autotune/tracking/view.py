"""What MLflow's page of a study shows: columns, order and charts, as its page keeps them.

MLflow reads them from the browser's local storage (LOCAL_STORAGE), where app.py puts them, and a
few of them from the page's address.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from autotune.tracking.mlflow_formatting import metric_key

__all__ = [
    "ASSISTANT",
    "PATH",
    "TAG",
    "View",
    "from_tag",
    "page_address",
    "page_state",
    "storage_key",
]

PATH = "/autotune"
"""Of the page of an experiment, followed by its id, on a server that runs app.py."""
ASSISTANT = {
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.assistant.panelOpen_v1": "false",
}
"""What keeps MLflow's panel of that name closed, which would hide a third of the list."""
TAG = "autotune.view"
"""The tag of an experiment that holds its View."""
_PARAMS = 8
"""Columns of parameters; all are a click away."""
_AXES = 7
_SECTION = "autotune"


@dataclass(frozen=True, slots=True)
class View:
    """What a list of a study's trials is to show."""

    metric: str
    """The objective, whose curve each trial has."""
    objective: str
    """The key by which trials are listed, such as best/val_accuracy."""
    ascending: bool
    """Whether less is better."""
    params: Sequence[str]
    """What is searched, what matters most first."""
    common: Sequence[str]
    """Those that each trial has."""
    others: Sequence[str] = ()
    """Keys of the other objectives."""
    parent: str = ""
    """MLflow's id of the study's own run, which stands above the trials."""

    def to_tag(self) -> str:
        """At most 5000 characters, as MLflow allows."""
        facts = asdict(self)
        facts["params"] = list(self.params)[:_PARAMS]
        facts["common"] = list(self.common)[:_AXES]
        return json.dumps(facts)


def from_tag(text: str) -> View | None:
    """None for what another version wrote."""
    try:
        return View(**json.loads(text))
    except (TypeError, ValueError):
        return None


def storage_key(experiment: str) -> str:
    """Under which MLflow's page keeps its state in the browser."""
    return f'MLflowLocalStorage-1.1-ExperimentPage-["{experiment}"]-ReactComponentState'


def page_state(view: View) -> dict[str, Any]:
    """The state of MLflow's page: a flat list by the objective, and three charts."""
    columns = _columns(view)
    return {
        **_order(view),
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {},
        "runsPinned": [view.parent] if view.parent else [],
        "runsHiddenMode": "FIRST_10_RUNS",
        "isAccordionReordered": True,
        "compareRunSections": [_section()],
        "compareRunCharts": _charts(view),
    }


def page_address(server: str, experiment: str, view: View | None) -> str:
    """MLflow's page of the study, as far as an address can say what it shows."""
    query = {"workflowType": "machine_learning"}
    if view is not None:
        order = _order(view)
        ascending = json.dumps(order["orderByAsc"])
        query |= {"searchFilter": "", "orderByKey": order["orderByKey"], "orderByAsc": ascending}
    words = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?{words}"


def _order(view: View) -> dict[str, Any]:
    return {
        "searchFilter": "",
        "orderByKey": _metric(view.objective),
        "orderByAsc": view.ascending,
    }


def _columns(view: View) -> list[str]:
    """The objective first: in a narrow window it is the only one."""
    objectives = [_metric(key) for key in (view.objective, *view.others)]
    params = [f"params.`{metric_key(name)}`" for name in view.params]
    costs = [_metric("run/seconds")]
    return [objectives[0], "tags.`state`", *objectives[1:], *params[:_PARAMS], *costs]


def _metric(key: str) -> str:
    return f"metrics.`{metric_key(key)}`"


def _section() -> Mapping[str, Any]:
    return {
        "uuid": _SECTION,
        "name": "The study",
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": 2,
    }


def _charts(view: View) -> list[Mapping[str, Any]]:
    axes = [metric_key(name) for name in view.common][:_AXES]
    parallel = {
        "selectedParams": axes,
        "selectedMetrics": [metric_key(view.objective)],
        "showAllRuns": True,
    }
    curves = _line(metric_key(view.metric))
    history = _line("objective_by_trial", "best_so_far")
    made = [("PARALLEL", parallel)] if axes else []
    made += [("LINE", curves), ("LINE", history)]
    return [
        {
            "uuid": f"{_SECTION}-{place}",
            "type": kind,
            "runsCountToCompare": 10,
            "metricSectionId": _SECTION,
            "deleted": False,
            "isGenerated": False,
            **chart,
        }
        for place, (kind, chart) in enumerate(made)
    ]


def _line(*keys: str) -> dict[str, Any]:
    return {"metricKey": keys[0], "selectedMetricKeys": list(keys), "xAxisKey": "step"}
