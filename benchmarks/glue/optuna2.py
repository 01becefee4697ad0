"""Optuna in two processes on one journal file, MLflow by hand."""

from multiprocessing import get_context
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from benchmarks.glue import plan
from benchmarks.glue.arm import Arguments, Record, arguments


def storage(folder: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(folder / "journal.log")))


def work(given: Arguments, experiment: str) -> None:
    from benchmarks.glue import bare, tracked

    bare.warm_up()
    study = optuna.load_study(study_name="glue", storage=storage(given.folder))
    tracking, record = tracked.Tracking(given.store, experiment), Record()
    while (trial := study.ask()).number < len(given.planned):
        planned = given.planned[suggest(trial)]
        tracking.start(planned)
        for step, metrics in enumerate(bare.train(planned), start=1):
            record.add(planned.index, step, metrics)
            trial.report(metrics["val_loss"], step)
            trial.should_prune()
            tracking.report(planned.index, step, metrics)
        study.tell(trial, metrics["val_loss"])
        tracking.finish(planned.index)
    study.tell(trial, state=TrialState.FAIL)  # the list has run out: this one is nobody's
    record.write(given.folder)


def suggest(trial: Trial) -> int:
    """Asks for every parameter, as an objective would; answers which of the list it is."""
    for name, choices in plan.SPACE.items():
        trial.suggest_categorical(name, choices)
    trial.suggest_float("lr", *plan.LR, log=True)
    return trial.suggest_categorical("index", range(plan.DRAWN))


def main() -> None:
    from benchmarks.glue import tracked

    given = arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=storage(given.folder), study_name="glue", pruner=optuna.pruners.NopPruner()
    )
    for planned in given.planned:
        study.enqueue_trial({"index": planned.index, **planned.params()})
    experiment = tracked.prepare(given.store)
    spawn = get_context("spawn")
    workers = [spawn.Process(target=work, args=(given, experiment)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers), "a worker failed"


if __name__ == "__main__":
    main()
