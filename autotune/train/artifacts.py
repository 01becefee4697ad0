"""What a user's own training keeps as its result: `trial.keep`, and who exports it.

It lies in the run's folder as kept/<step>/, with kept.json beside the files: the step, and the
metrics reported there. Only the best step by the config's `monitor` stays, and the best one before
it: a crash may come between the files and the journal's record of their step.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.files import naming
from autotune.train.safe_state import check_plain
from autotune.trial import Goal

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Keeper", "Kept", "load", "newest"]

_ABOUT = "kept.json"
_STAY = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """The result of one step."""

    folder: Path
    step: int
    metrics: Mapping[str, float]
    trial: int
    """Whose it is: a clone begins with the files of its parent."""

    @property
    def files(self) -> list[Path]:
        """All that was kept, files in kept folders included."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path for path in found if path != self.folder / _ABOUT)


def load(run: Path, step: int | None = None) -> Kept | None:
    """What the run with the folder `run` keeps: of its best step that is not beyond `step`, the
    last one journaled (None: any). None where it keeps nothing."""
    return max(newest(run, step), key=lambda kept: kept.step, default=None)


def newest(run: Path, step: int | None = None) -> list[Kept]:
    """All that is kept of steps not beyond `step`."""
    found = [_read(file) for file in (run / "kept").glob(f"*/{_ABOUT}")]
    return [kept for kept in found if step is None or kept.step <= step]


def _read(file: Path) -> Kept:
    about = json.loads(file.read_text())
    return Kept(file.parent, about["step"], about["metrics"], about["trial"])


class Keeper:
    """Takes what `trial.keep` names, and writes it with the report of its step where that is the
    best one so far."""

    def __init__(self, run: Path, trial: int, monitor: Mapping[str, Any] | None, step: int) -> None:
        """`step`: the last one journaled; what is kept beyond it is done again, and removed."""
        self._run, self._trial, self._monitor = run, trial, monitor or {}
        self._pending: dict[str, Any] = {}
        for kept in newest(run):
            if kept.step > step or kept.trial != trial:
                shutil.rmtree(kept.folder, ignore_errors=True)

    def add(self, what: Any, name: str) -> None:
        """Raises TypeError and FileNotFoundError for what cannot be kept."""
        if isinstance(what, str | os.PathLike):
            path = Path(what)
            if not path.exists():
                raise FileNotFoundError(f"trial.keep: {path} does not exist")
            self._pending[name or path.name] = path.absolute()
            return
        state = what.state_dict() if hasattr(what, "state_dict") else what
        check_plain(state, "trial.keep: the state")
        self._pending[name or "model"] = state

    def reported(self, step: int, metrics: Mapping[str, float], last: bool = False) -> None:
        """Writes what is pending, if `step` is the best one so far; `last`: in any case, for the
        training has ended, and knows itself what its result is."""
        if self._pending and (last or self._improves(metrics)):
            self._write(step, metrics)
        self._pending.clear()

    def _improves(self, metrics: Mapping[str, float]) -> bool:
        value = metrics.get(self._monitor.get("metric", ""))
        before = load(self._run)
        if value is None or before is None or self._monitor.get("at") == "last":
            return True
        goal, known = Goal(self._monitor["goal"]), before.metrics.get(self._monitor["metric"])
        return known is None or goal.loss(value) < goal.loss(known)

    def _write(self, step: int, metrics: Mapping[str, float]) -> None:
        folder = self._run / "kept" / str(step)
        shutil.rmtree(folder, ignore_errors=True)
        made = self._run / "kept" / f".{step}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for name, what in self._pending.items():
            with naming(made / name):
                _put(made, name, what)
        about = {"step": step, "metrics": dict(metrics), "trial": self._trial}
        (made / _ABOUT).write_text(json.dumps(about))
        made.rename(folder)
        for old in sorted(newest(self._run), key=lambda kept: kept.step)[:-_STAY]:
            shutil.rmtree(old.folder, ignore_errors=True)


def _put(folder: Path, name: str, what: Any) -> None:
    if isinstance(what, Path):
        copy = shutil.copytree if what.is_dir() else shutil.copy2
        copy(what, folder / name)
        return
    import torch

    if isinstance(what, Mapping) and what and all(_is_weight(*item) for item in what.items()):
        from safetensors.torch import save_file

        save_file(
            {key: _alone(value) for key, value in what.items()}, _named(folder, name, "safetensors")
        )
    else:
        torch.save(what, _named(folder, name, "pt"))


def _is_weight(key: Any, value: Any) -> bool:
    import torch

    return isinstance(key, str) and isinstance(value, torch.Tensor)


def _alone(tensor: "Tensor") -> "Tensor":
    """A copy: safetensors refuses those that share memory, as tied weights do."""
    return tensor.detach().cpu().contiguous().clone()


def _named(folder: Path, name: str, ending: str) -> Path:
    return folder / (name if Path(name).suffix else f"{name}.{ending}")
