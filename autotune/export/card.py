"""README.md of an export: the winner, what it scored and what it looks like, for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.history import Best, History

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


def card(history: History, best: Best, model: Model, pictures: "Sequence[Picture]") -> str:
    """Markdown; `pictures` lie in figures/ beside it."""
    parts = [
        f"# {history.spec.name}: trial {best.trial}",
        _table(history.spec.objective.metric, _scores(history, best)),
        _table("setting", [(f"`{name}`", _shown(value)) for name, value in best.params.items()]),
        "Train it again, to the same score on CPU: `autotune train best.yaml`. "
        + _weights(best, model),
    ]
    if pictures:
        parts.append("## Figures")
        parts += [f"![{p.file.stem}](figures/{p.file.name})\n\n{p.caption}" for p in pictures]
    return "\n\n".join(parts) + "\n"


def _scores(history: History, best: Best) -> list[tuple[str, str]]:
    trials = len(history.trials)
    came = f" ({best.progress})" if best.progress else ""
    rows = [(f"in the search, the best of {trials} trials{came}", f"{best.value:.4f}")]
    if best.mean is not None and best.std is not None:
        rows.append((f"on fresh seeds ({len(best.seeds)})", f"{best.mean:.4f} ± {best.std:.4f}"))
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
    return f"`model.safetensors` holds the weights of its best seed, {model.seed}{score}."


def _shown(value: object) -> str:
    """best.yaml has all digits."""
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def _table(subject: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {subject} | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows)]
    return "\n".join(lines)
