"""README.md of an export, a model card: what it is for, what it scored, how it was made, what its
scores cannot say, and how to predict with it (Mitchell et al. 2019)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotune.study.history import History
from autotune.study.winner import Best
from autotune.train.config import is_own

if TYPE_CHECKING:
    from autotune.export.input import Input
    from autotune.interpret.draw import Picture

__all__ = ["Held", "Model", "card"]

_LICENCES = {
    "digits": "CC BY 4.0 (UCI, Alpaydin & Kaynak 1998)",
    "diabetes": "none stated by its authors (Efron et al. 2004)",
    "mnist": "CC BY-SA 3.0, as is commonly stated (LeCun et al. 1998)",
    "fashion_mnist": "MIT (Xiao et al. 2017)",
    "cifar10": "none stated by its authors (Krizhevsky 2009)",
    "cifar100": "none stated by its authors (Krizhevsky 2009)",
    "svhn": "for non-commercial use only (Netzer et al. 2011)",
}
_MOST = 12
"""Maximum number of names of columns or classes shown."""


@dataclass(frozen=True, slots=True)
class Model:
    """Which training the exported weights are of."""

    run: str
    seed: int
    step: int | None
    """The epoch, or the step where an epoch has several reports."""
    value: float | None
    test: float | None


@dataclass(frozen=True)
class Held:
    """The content of the folder besides best.yaml."""

    input: "Input | None" = None
    """None: it cannot predict."""
    files: Sequence[str] = ()
    modules: Sequence[str] = ()
    """Those of the user's own whose source lies in code/."""
    pictures: "Sequence[Picture]" = ()
    """In figures/."""


def card(history: History, best: Best, model: Model, held: Held) -> str:
    """Markdown."""
    metric = history.spec.objective.metric
    parts = [
        f"# {history.spec.name}: trial {best.trial}",
        *_purpose(held),
        "## Scores",
        _table(metric, _scores(history, best)),
        *_limits(history, best),
        "## How to predict",
        *_predicting(best, held),
        "## How it was made",
        _table("setting", [(f"`{name}`", _shown(value)) for name, value in best.params.items()]),
        "Train it again, to the same score on CPU: `autotune train best.yaml`. "
        + _weights(best, model),
        _table("cost", list(_costs(history, best))),
    ]
    if held.modules:
        named = ", ".join(f"`{module}`" for module in held.modules)
        parts.append(f"The code that `best.yaml` names is beside it, in `code/`: {named}.")
    if held.pictures:
        parts.append("## Figures")
        parts += [f"![{p.file.stem}](figures/{p.file.name})\n\n{p.caption}" for p in held.pictures]
    return "\n\n".join(parts) + "\n"


def _purpose(held: Held) -> Iterator[str]:
    if held.input is None:
        return
    yield "## What it is for"
    yield f"{_told_input(held.input)} Of anything else its answers mean nothing."
    yield _table("data", list(_data(held.input)))


def _told_input(input: "Input") -> str:
    if input.columns:
        takes = f"rows of a table with the columns {_named([c.name for c in input.columns])}"
    elif input.pixels:
        mode = {"L": "grey", "RGB": "colour"}.get(input.pixels.mode, input.pixels.mode)
        takes = f"{mode} images of {input.pixels.width} x {input.pixels.height} pixels"
    else:
        takes = f"arrays of {' x '.join(map(str, input.sample))} numbers"
    if input.classes:
        return f"It takes {takes}, and tells {len(input.classes)} classes: {_named(input.classes)}."
    return f"It takes {takes}, and answers a number."


def _named(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(f"`{name}`" for name in names[:_MOST]) + rest


def _data(input: "Input") -> Iterator[tuple[str, str]]:
    data = input.data
    where = f", `{data.files[0]}`" if len(data.files) == 1 else ""
    yield "source", f"`{data.name}`{where}"
    yield "samples", "{:,} to learn from, {:,} to validate, {:,} to test".format(*data.samples)
    yield f"SHA-256 of {data.hashed}", f"`{data.sha256}`"
    yield "licence", _LICENCES.get(data.name, "yours to state: autotune does not know this data")


def _scores(history: History, best: Best) -> list[tuple[str, str]]:
    trials = len(history.trials)
    came = f" ({best.progress})" if best.progress else ""
    which = f"one of {trials} trials" if best.asked else f"the best of {trials} trials"
    rows = [(f"in the search, {which}{came}", f"{best.value:.4f}")]
    if best.scored:
        also = f", which also chose it from {best.among}: too good" if best.selected else ""
        seeds = f"on fresh seeds ({len(best.seeds)}{best.scored.failures}{also})"
        rows.append((seeds, best.scored.told(".4f", ".4f")))
    if best.interval:
        rows.append(("95 % interval of that mean", "{:.4f} to {:.4f}".format(*best.interval)))
    if best.verified and best.chosen:
        chosen = f"on the seeds that chose it from {best.among} trials"
        rows.append((chosen, best.chosen.told(".4f", ".4f")))
    if best.test is not None:
        spread = "" if best.test_std is None else f" ± {best.test_std:.4f}"
        metric = history.spec.objective.metric.removeprefix("val_")
        rows.append((f"{metric} on the test split, read once", f"{best.test:.4f}{spread}"))
    others = list(history.values(history.trials[best.trial]).items())[1:]
    rows += [(f"{name}, in the search", f"{value:.6g}") for name, value in others]
    return rows + [("breaks", constraint) for constraint in best.broken]


def _limits(history: History, best: Best) -> Iterator[str]:
    """Limits of the scores."""
    trials = len(history.trials)
    chose = f"The validation split chose this configuration among {trials} trials, and the epoch of"
    yield f"{chose} its weights: a score on it is too good for new data."
    if best.test is None:
        yield "The test split was not read: nothing here is of data that chose nothing."
    else:
        yield (
            "The test split chose nothing. Its score holds for data drawn as that was: not for "
            "another time, place or group of people, none of which was looked at by itself."
        )


def _predicting(best: Best, held: Held) -> Iterator[str]:
    if is_own(best.config):
        own = best.config.get("function") or best.config.get("command")
        of = "of its best step" if "function" in best.config else "when it ended"
        kept = f"`kept/` holds what it kept {of}."
        what = kept if "kept" in held.files else "It kept nothing."
        yield f"`{own}`, your own code, knows how. {what}"
        return
    if held.input is None:
        yield "It cannot, as it is: its data was gone when it was exported. Export it again."
        return
    yield "    autotune predict . FILE --out predictions.csv"
    if "load.py" in held.files:
        rows = "python load.py rows.csv" if held.input.columns else "from load import predict"
        yield f"With torch alone: `{rows}`. `model.pt2` takes raw samples and normalises them."
    if "model.onnx" in held.files:
        yield "`model.onnx` takes the same samples, float32 `x`, and answers logits or the number."
    if "mlflow" in held.files:
        yield "    mlflow models serve -m mlflow --env-manager local"
    yield "`input.json` names columns and classes; `SHA256SUMS` tells whether a file was changed."


def _costs(history: History, best: Best) -> Iterator[tuple[str, str]]:
    worker = history.spec.worker
    yield "CPUs and GPUs of each trial", f"{worker.cpus:g} and {worker.gpus:g}"
    trainings = [*history.trials, *history.confirms, *history.verifies]
    yield "this training", f"{best.source.seconds:,.1f} s"
    every = sum(run.seconds for run in trainings)
    yield f"all {len(trainings):,} trainings of the study", f"{every:,.1f} s"


def _weights(best: Best, model: Model) -> str:
    if is_own(best.config):
        return ""
    score = "" if model.value is None else f", {model.value:.4f}"
    if best.mean is None:
        return f"`model.safetensors` holds the weights of step {model.step}{score}."
    of = f"the best of the {len(best.seeds)} seeds" if len(best.seeds) > 1 else "seed"
    return f"`model.safetensors` holds the weights of {of}, {model.seed}{score}."


def _shown(value: Any) -> str:
    """best.yaml has all digits."""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _table(subject: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {subject} | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows)]
    return "\n".join(lines)
