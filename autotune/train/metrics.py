"""What a training reports: its names, and how each is computed. Free of torch until one is.

Shapes: N samples of a split, C classes.
"""

import resource
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from autotune.errors import nearest

if TYPE_CHECKING:
    from torch import Tensor, device

    from autotune.train.data.values import Dataset, Task

__all__ = ["COSTS", "MetricName", "Scores", "Tally", "advice", "misfits", "reported"]

ForClasses = Literal["balanced_accuracy", "f1", "auroc", "log_loss", "ece"]
ForNumbers = Literal["rmse", "mae", "r2"]
OfTraining = Literal["grad_norm", "memory"]
OfCost = Literal["params", "flops", "latency_ms", "model_bytes", "seconds"]
MetricName = Literal[ForClasses, ForNumbers, OfTraining, OfCost]

COSTS: tuple[str, ...] = get_args(OfCost)
"""What a trial costs: see costs.py. All but `seconds` are the same in each report of a training."""

STANDARD: dict["Task", tuple[str, ...]] = {
    "classification": ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"),
    "regression": ("train_loss", "val_loss", "val_rmse", "val_r2", "lr"),
}
MORE: dict["Task", tuple[str, ...]] = {
    "classification": get_args(ForClasses),
    "regression": get_args(ForNumbers),
}
ANY: tuple[str, ...] = (*get_args(OfTraining), *COSTS)
"""They fit every task, and are reported by these names."""
BINS = 15  # of confidence, for the calibration error: Guo et al. 2017


def reported(task: "Task", more: Iterable[str]) -> tuple[str, ...]:
    """The names in each report; `more` are those asked for beyond the standard ones."""
    names = [name if name in ANY else f"val_{name}" for name in more]
    return tuple(dict.fromkeys([*STANDARD[task], *names]))


def misfits(task: "Task", more: Iterable[str]) -> list[str]:
    """Which of `more` make no sense for the task."""
    return [name for name in more if name not in (*MORE[task], *ANY)]


def advice(metric: str, task: "Task", more: Sequence[str], section: str = "") -> str:
    """What to do about `metric`, which is not reported: the end of a message."""
    name = metric.removeprefix("val_")
    asked = name in MORE[task] and metric != name
    if asked or metric in ANY:
        return f": add `{name}` to `{section}metrics`"
    return nearest(metric, reported(task, more))


class Scores:
    """Turns the outputs of a model on a split into numbers. A regression's are in the target's own
    units, but for the loss."""

    def __init__(
        self, total: "Callable[[Tensor, Tensor], Tensor]", data: "Dataset", more: Sequence[str]
    ) -> None:
        self.total = total
        self.data = data
        task: Task = "classification" if data.classes else "regression"
        standard = [name.removeprefix("val_") for name in STANDARD[task] if "val_" in name]
        wanted = [*standard, *more]
        self.names = list(dict.fromkeys(name for name in wanted if name in FUNCTIONS))

    def __call__(self, outputs: "Sequence[Tensor]", y: "Tensor") -> dict[str, float]:
        """outputs: of the parts that the split was judged in, each (rows, C)"""
        import torch

        parts = y.to(outputs[0].device).split([len(output) for output in outputs])
        losses = [self.total(*pair) for pair in zip(outputs, parts, strict=True)]
        scores = {"loss": float(torch.stack(losses).sum()) / len(y)}
        if self.data.classes:
            pairs = zip(outputs, parts, strict=True)
            right = [(output.argmax(1) == part).sum() for output, part in pairs]
            scores["accuracy"] = int(torch.stack(right).sum()) / len(y)
        if self.names:
            scores |= self.more(torch.cat(list(outputs)), torch.cat(parts))
        return scores

    def more(self, output: "Tensor", y: "Tensor") -> dict[str, float]:
        if not self.data.classes:
            output = output.squeeze(1).double() * self.data.y_std + self.data.y_mean
            y = y.double() * self.data.y_std + self.data.y_mean
        return {name: float(FUNCTIONS[name](output, y)) for name in self.names}


class Tally:
    """Adds up a step of learning. Numbers leave the device only at its end."""

    def __init__(self, data: "Dataset", more: Sequence[str]) -> None:
        self.classes = data.classes
        self.asked = more
        self.sizes: list[int] = []
        self.losses: list[Tensor] = []
        self.guesses: list[Tensor] = []
        self.truths: list[Tensor] = []
        self.norms: list[Tensor | None] = []

    def add(self, size: int, loss: "Tensor", output: "Tensor", y: "Tensor") -> None:
        """loss: the mean over `size` samples; output: (B, C); y: (B,). In several processes B are
        this one's, and others have the rest."""
        self.sizes.append(size)
        self.losses.append(loss.detach())
        self.truths.append(y)
        if self.classes:
            self.guesses.append(output.detach().argmax(1))

    def metrics(self, whole: "Callable[[Tensor], Tensor]") -> dict[str, float]:
        """whole: from what this process counts to what all of them do"""
        import torch

        sizes = torch.tensor(self.sizes, dtype=torch.float64)
        samples = int(sizes.sum())
        found = {"train_loss": float(torch.stack(self.losses).double().cpu() @ sizes / samples)}
        if self.classes:
            right = (torch.cat(self.guesses) == torch.cat(self.truths)).sum()
            found["train_accuracy"] = int(whole(right)) / samples
        if "grad_norm" in self.asked:
            norms = torch.stack([norm for norm in self.norms if norm is not None])
            # fp16 leaves out the steps whose gradients overflowed.
            found["grad_norm"] = float(norms[norms.isfinite()].mean())
        if "memory" in self.asked:
            found["memory"] = peak(self.truths[0].device)
        return found


def peak(device: "device") -> float:
    """MB: of a GPU, the most that was allocated since the last call; else of the process so far."""
    import torch

    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return most / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


# Of classification: the means are over the classes that the split holds, as in scikit-learn.


def balanced_accuracy(output: "Tensor", y: "Tensor") -> "Tensor":
    from torchmetrics.functional.classification import multiclass_recall

    recall = multiclass_recall(output, y, output.shape[1], average="none")
    return recall[y.unique()].mean()


def f1(output: "Tensor", y: "Tensor") -> "Tensor":
    """Macro: over the classes that are there or are guessed."""
    from torchmetrics.functional.classification import multiclass_f1_score

    return multiclass_f1_score(output, y, output.shape[1], average="macro")


def auroc(output: "Tensor", y: "Tensor") -> "Tensor":
    """Each class against the rest; 1/2 where a split holds one class only."""
    import torch
    from torchmetrics.functional.classification import binary_auroc

    chances = output.softmax(1)
    there = [c for c in y.unique().tolist() if not bool((y == c).all())]
    scores = [binary_auroc(chances[:, c], (y == c).long()) for c in there]
    return torch.stack(scores).mean() if scores else torch.tensor(0.5)


def log_loss(output: "Tensor", y: "Tensor") -> "Tensor":
    from torch.nn.functional import cross_entropy

    return cross_entropy(output, y)


def ece(output: "Tensor", y: "Tensor") -> "Tensor":
    """How far confidence is from being right, on average."""
    from torchmetrics.functional.classification import multiclass_calibration_error

    return multiclass_calibration_error(output.softmax(1), y, output.shape[1], n_bins=BINS)


# Of regression. They are always reported, and importing torchmetrics takes seconds: not for these.


def rmse(output: "Tensor", y: "Tensor") -> "Tensor":
    return (output - y).square().mean().sqrt()


def mae(output: "Tensor", y: "Tensor") -> "Tensor":
    return (output - y).abs().mean()


def r2(output: "Tensor", y: "Tensor") -> "Tensor":
    """The share of the variance that is explained; below 0 when the mean would do better."""
    return 1 - (output - y).square().sum() / (y - y.mean()).square().sum()


FUNCTIONS: dict[str, "Callable[[Tensor, Tensor], Tensor]"] = {
    function.__name__: function
    for function in (balanced_accuracy, f1, auroc, log_loss, ece, rmse, mae, r2)
}
