"""autotune: a study of the listed trials on the Ray engine, with its own training loop and MLflow.

The steps of `autotune run`, in the same order, so that the same imports overlap.
"""

from collections.abc import Sequence
from pathlib import Path

from autotune import spec as specs
from autotune.address import Address
from autotune.schedule.base import Stopping
from autotune.schedule.curves import Curves
from autotune.study import state_machine as studies
from autotune.tracking.base import Event, RunReported
from autotune.tracking.mlflow import MlflowTracker
from autotune.trial import Decision, Scalar, Trial
from benchmarks.glue.arm import Record, arguments
from benchmarks.glue.plan import Planned

STUDY = Path(__file__).with_name("ours.yaml")
PATHS = {
    "depth": "model.depth",
    "width": "model.width",
    "dropout": "model.dropout",
    "optimizer": "optimizer.name",
    "lr": "optimizer.lr",
    "batch_size": "batch_size",
}


class Listed(Stopping):
    """Proposes the list and stops each trial at its listed epoch."""

    def __init__(self, planned: Sequence[Planned]) -> None:
        self._planned, self.max_step = planned, None

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar]:
        params = self._planned[number].params()
        return {PATHS[name]: value for name, value in params.items()}

    def decide(self, trial: int, step: int, curves: Curves) -> Decision:
        return Decision.STOP if step >= self._planned[trial].epochs else Decision.CONTINUE


class Recorder:
    """For the harness alone."""

    def __init__(self) -> None:
        self.record = Record()

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunReported):
            index, report = int(event.label.removeprefix("trial-")), event.report
            self.record.add(index, report.step, {**report.metrics, "seconds": report.seconds})


def main() -> None:
    folder, planned = given = arguments()
    spec = specs.load(STUDY, [f"budget.trials={len(planned)}"])
    specs.check(spec)
    tracker = MlflowTracker(Address(given.store), folder / "mlartifacts", folder / "spool")
    recorder = Recorder()
    study = studies.start(spec, folder, [tracker.record, recorder])
    # No sampler and no scheduler of the product replays a list, and a study file names only those.
    study._sampler = study._scheduling._scheduler = Listed(planned)
    try:
        from autotune.engine.ray import driver

        driver.run(study)
    finally:
        study.close()
        trouble = tracker.close()
    study.raise_error()
    assert not trouble, trouble
    recorder.record.write(folder)


if __name__ == "__main__":
    main()
