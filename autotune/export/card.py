"""README.md of an export: the winner, what it scored and what it looks like, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.study.history import History
from autotune.study.winner import Best

if TYPE_CHECKING:
    from autotune.interpret.draw import Picture

__all__ = ["Model", "card"]


@dataclass(frozen=True, slots=True)
class Model:
    """What the weights of an export are of."""

    run: str
    seed: int
    step: int | None
    """The epoch, or the step where an epoch has several reports."""
    value: float | None
    test: float | None


def card(
    history: History,
    best: Best,
    model: Model,
    pictures: "Sequence[Picture]",
    modules: Sequence[str] = (),
) -> str:
    """Markdown; `pictures` lie in figures/ beside it, the sources of `modules` in code/."""
    parts = [
        f"# {history.spec.name}: trial {best.trial}",
        _table(history.spec.objective.metric, _scores(history, best)),
        _table("setting", [(f"`{name}`", _shown(value)) for name, value in best.params.items()]),
        "Train it again, to the same score on CPU: `autotune train best.yaml`. "
        + _weights(best, model),
    ]
    if modules:
        named = ", ".join(f"`{module}`" for module in modules)
        parts.append(f"The code that `best.yaml` names is beside it, in `code/`: {named}.")
    if pictures:
        parts.append("## Figures")
        parts += [f"![{p.file.stem}](figures/{p.file.name})\n\n{p.caption}" for p in pictures]
    return "\n\n".join(parts) + "\n"


def _scores(history: History, best: Best) -> list[tuple[str, str]]:
    trials = len(history.trials)
    came = f" ({best.progress})" if best.progress else ""
    rows = [(f"in the search, the best of {trials} trials{came}", f"{best.value:.4f}")]
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


def _weights(best: Best, model: Model) -> str:
    if "function" in best.config:
        return "What the function kept of itself is not part of an export."
    score = "" if model.value is None else f", {model.value:.4f}"
    if best.mean is None:
        return f"`model.safetensors` holds the weights of step {model.step}{score}."
    of = f"the best of the {len(best.seeds)} seeds" if len(best.seeds) > 1 else "seed"
    return f"`model.safetensors` holds the weights of {of}, {model.seed}{score}."


def _shown(value: object) -> str:
    """best.yaml has all digits."""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _table(subject: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {subject} | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows)]
    return "\n".join(lines)
