"""MLflow's server with one more page, which opens a study by its View.

    mlflow server --app-name autotune

MLflow's page keeps its columns, order and charts in the browser, where only a page of the same
server can write. /autotune/ID writes those of experiment ID, unless the person has chosen others,
and goes on to MLflow's own page.
"""

import json
import os
from typing import TYPE_CHECKING, Any

from autotune.tracking.view import (
    ASSISTANT,
    PATH,
    TAG,
    View,
    from_tag,
    page_address,
    page_state,
    storage_key,
)

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["create_app", "page_text"]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>autotune</title>
<noscript>This page needs JavaScript, as MLflow does.</noscript>
<script>
const page = PAGE;
const read = (key) => {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
};
const write = (key, value) => localStorage.setItem(key, JSON.stringify(value));
const chosen = ["selectedColumns", "orderByKey", "orderByAsc"];
const shown = ["searchFilter", "columnOrder", ...chosen];
const same = (a, b) => chosen.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]));
try {
  if (page.state) {
    const there = read(page.key), ours = read(page.key + "-autotune");
    if (!there) {
      write(page.key, page.state);
      write(page.key + "-autotune", page.state);
    } else if (ours && same(there, ours)) {
      const kept = Object.fromEntries(shown.map((key) => [key, page.state[key]]));
      write(page.key, { ...there, ...kept });
      write(page.key + "-autotune", page.state);
    }
  }
  for (const [key, value] of Object.entries(page.once)) {
    if (localStorage.getItem(key) === null) localStorage.setItem(key, value);
  }
} finally {
  location.replace(page.address);
}
</script></html>
"""


def create_app() -> "FastAPI":
    """What `mlflow server` runs."""
    from mlflow.server import app as flask
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR

    prefix = os.environ.get(STATIC_PREFIX_ENV_VAR, "").rstrip("/")
    if "autotune" not in flask.view_functions:
        flask.add_url_rule(f"{prefix}{PATH}/<int:experiment>", "autotune", _page)
    served: FastAPI = app
    return served


def _page(experiment: int) -> str:
    from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR

    prefix = os.environ.get(STATIC_PREFIX_ENV_VAR, "").rstrip("/")
    return page_text(prefix, str(experiment), _view(str(experiment)))


def page_text(prefix: str, experiment: str, view: View | None) -> str:
    facts: dict[str, Any] = {
        "key": storage_key(experiment),
        "state": page_state(view) if view else None,
        "once": ASSISTANT,
        # MLflow takes the order from what it keeps, where its address names none.
        "address": page_address(prefix, experiment, None),
    }
    return _PAGE.replace("PAGE", json.dumps(facts).replace("<", "\\u003c"), 1)


def _view(experiment: str) -> View | None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR

    client = MlflowClient(os.environ[BACKEND_STORE_URI_ENV_VAR])
    try:
        return from_tag(client.get_experiment(experiment).tags.get(TAG, ""))
    except MlflowException:  # there is none: MLflow's page says so
        return None
