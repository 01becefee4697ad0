"""Ray Tune by an expert: warm actors, no automatic loggers, tensors in memory, batched MLflow."""

import os
from typing import Any

import ray
from ray import tune

from benchmarks.glue import bare, plan, tracked
from benchmarks.glue.arm import Record, arguments
from benchmarks.glue.usual import run_config, tune_config


class Worker(tune.Trainable):
    def setup(self, config: dict[str, Any]) -> None:
        bare.warm_up()
        self._list = plan.load(plan.DRAWN)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._planned = self._list[new_config["index"]]
        self._epochs = bare.train(self._planned)
        return True

    def step(self) -> dict[str, Any]:
        metrics = next(self._epochs)
        return {**metrics, "done": self.iteration + 1 == self._planned.epochs}


class Tracker(tune.Callback):
    def __init__(self, tracking: tracked.Tracking, planned: list[plan.Planned]) -> None:
        self.record = Record()
        self._tracking, self._planned = tracking, planned

    def on_trial_start(self, *, trial: Any, **told: Any) -> None:
        self._tracking.start(self._planned[trial.config["index"]])

    def on_trial_result(self, *, trial: Any, result: dict[str, Any], **told: Any) -> None:
        index, step = trial.config["index"], result["training_iteration"]
        self.record.add(index, step, result)
        self._tracking.report(index, step, result)

    def on_trial_complete(self, *, trial: Any, **told: Any) -> None:
        self._tracking.finish(trial.config["index"])


def main() -> None:
    given = arguments()
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    # With Ray's own figure, 1, a trial takes a free actor while its own still starts, and that one
    # is killed.
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "3")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    tracking = tracked.Tracking(given.store, tracked.prepare(given.store))
    tracker = Tracker(tracking, given.planned)
    settings = tune_config(given.planned)
    settings.reuse_actors = True
    # Two CPUs limit it as well, and an actor is only kept while a trial waits for it.
    settings.max_concurrent_trials = None
    run = run_config(given, [tracker])
    run.verbose = 0
    # On by default for a class: one that saves nothing would fail at its end, actor and all.
    run.checkpoint_config = tune.CheckpointConfig(checkpoint_at_end=False)
    results = tune.Tuner(Worker, tune_config=settings, run_config=run).fit()
    assert not results.errors, results.errors
    tracker.record.write(given.folder)


if __name__ == "__main__":
    main()
