"""One run in MLflow, and what the store is known to hold of it: only what is missing is written."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autotune.tracking.bulk import ms
from autotune.tracking.gather import MetricPoint
from autotune.tracking.mlflow_formatting import metric_key, param_text, tag_text
from autotune.trial import Scalar

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

__all__ = ["MlflowRun", "News"]


@dataclass(frozen=True, slots=True)
class News:
    """What is to be written of a run, in MLflow's words."""

    tags: dict[str, str]
    params: dict[str, str]
    points: list[MetricPoint]


@dataclass(slots=True)
class MlflowRun:
    """One run, and what the store is known to hold of it: only what is missing is written."""

    client: "MlflowClient"
    id: str
    status: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    latest: dict[str, float] = field(default_factory=dict)
    """Newest value of each metric."""
    seen: dict[str, set[int]] = field(default_factory=dict)
    """Steps of each metric whose history is known."""
    found: bool = True
    """It was there before us, so that its history must be asked for before it is added to."""

    @classmethod
    def known(cls, client: "MlflowClient", run: "Run") -> "MlflowRun":
        info, data = run.info, run.data
        return cls(client, info.run_id, info.status, data.params, data.tags, data.metrics)

    def write(
        self,
        tags: Mapping[str, str],
        params: Mapping[str, Scalar] | None = None,
        reports: Iterable[MetricPoint] = (),
        summary: Iterable[MetricPoint] = (),
    ) -> None:
        """One batch. Params cannot change; a summary is written again where it differs."""
        from mlflow.entities import Metric, Param, RunTag

        news = self.news(tags, params, reports, summary)
        self.client.log_batch(
            self.id,
            [Metric(p.key, p.value, ms(p.at), p.step) for p in news.points],
            [Param(key, word) for key, word in news.params.items()],
            [RunTag(key, tag) for key, tag in news.tags.items()],
        )
        self.params |= news.params
        self.tags |= news.tags

    def news(
        self,
        tags: Mapping[str, str],
        params: Mapping[str, Scalar] | None,
        reports: Iterable[MetricPoint],
        summary: Iterable[MetricPoint],
    ) -> News:
        """What the store lacks, in MLflow's words."""
        told = {metric_key(key): param_text(value) for key, value in (params or {}).items()}
        marks = {key: tag_text(tag) for key, tag in tags.items()}
        return News(
            {key: tag for key, tag in marks.items() if self.tags.get(key, "") != tag},
            {key: word for key, word in told.items() if self.params.get(key) != word},
            [*self._new(reports), *self._changed(summary)],
        )

    def end(self, status: str, at: float) -> None:
        """The last write of a run: one that has ended holds all that was told before."""
        if self.status != status:
            self.client.set_terminated(self.id, status, ms(at) or None)
            self.status = status

    def reopen(self) -> None:
        if self.status != "RUNNING":
            self.client.update_run(self.id, status="RUNNING")
            self.status = "RUNNING"

    def doubt(self) -> None:
        """A write failed half-way: ask before the next one."""
        self.found = True
        self.seen.clear()

    def last_step(self) -> int:
        return max((step for steps in self.seen.values() for step in steps), default=0)

    def _new(self, reports: Iterable[MetricPoint]) -> Iterator[MetricPoint]:
        for point in reports:
            if self._holds(point.step):
                continue
            key = metric_key(point.key)
            steps = self._history(key)
            if point.step not in steps:
                steps.add(point.step)
                yield MetricPoint(key, point.step, float(point.value), point.at)

    def _holds(self, step: int) -> bool:
        return self.status in ("FINISHED", "FAILED") and step <= int(self.tags.get("steps", -1))

    def _history(self, key: str) -> set[int]:
        if key not in self.seen:
            history = self.client.get_metric_history(self.id, key) if self.found else []
            self.seen[key] = {metric.step for metric in history}
        return self.seen[key]

    def _changed(self, summary: Iterable[MetricPoint]) -> Iterator[MetricPoint]:
        for point in summary:
            key, value = metric_key(point.key), float(point.value)
            if not _equal(self.latest.get(key), value):
                self.latest[key] = value
                yield MetricPoint(key, point.step, value, point.at)


def _equal(a: float | None, b: float) -> bool:
    return a is not None and (a == b or (math.isnan(a) and math.isnan(b)))
