"""MLflow by hand, as an expert writes it: one run a trial, one log_batch a report."""

import time
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from benchmarks.glue.arm import METRICS
from benchmarks.glue.plan import Planned

__all__ = ["Tracking", "prepare"]


def prepare(store: str) -> str:
    """Creates the database; answers the id of a new experiment."""
    return MlflowClient(store).create_experiment("glue")


class Tracking:
    def __init__(self, store: str, experiment: str) -> None:
        self._client, self._experiment = MlflowClient(store), experiment
        self._runs: dict[int, str] = {}
        """Run id by index."""

    def start(self, planned: Planned) -> None:
        run = self._client.create_run(self._experiment, run_name=f"trial-{planned.index:04d}")
        self._runs[planned.index] = run.info.run_id
        params = {"index": planned.index, **planned.params()}
        self._client.log_batch(
            run.info.run_id, params=[Param(name, str(value)) for name, value in params.items()]
        )

    def report(self, index: int, step: int, metrics: Mapping[str, float]) -> None:
        now = round(time.time() * 1000)
        batch = [Metric(name, metrics[name], now, step) for name in METRICS]
        self._client.log_batch(self._runs[index], metrics=batch)

    def finish(self, index: int) -> None:
        self._client.set_terminated(self._runs[index])
