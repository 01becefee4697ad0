"""An assignment as an engine gets it: a run, and how far it is to go."""

from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.trial import Assignment, Purpose

__all__ = ["made"]


def made(history: History, run: Run, number: int, until: int | None) -> Assignment:
    """The assignment `number`, by which `run` goes on to the step `until`."""
    config, spec = history.config(run), history.spec
    return Assignment(
        number=number,
        trial=run.trial,
        purpose=run.purpose,
        config=config,
        seed=run.seed,
        from_step=run.step,
        to_step=until,
        folder=str(history.run_folder(run)),
        label=run.label,
        parent=run.parent,
        timeout=spec.timeout,
        spent=run.seconds,
        silence=spec.worker.silence,
        share=spec.worker.share(config),
        collective_timeout=spec.worker.patience,
        log=str(history.log_file(run)),
        system_metrics=history.spec.system_metrics and run.purpose != Purpose.TEST,
    )
