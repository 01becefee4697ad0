"""A study to start with: the quickstart and its search spaces, copied for editing."""

import shutil
from pathlib import Path

from autotune.errors import UserError
from autotune.spec import shipped

__all__ = ["copy_starter"]


def copy_starter(folder: Path) -> Path:
    """Copies into `folder`/studies and `folder`/search_spaces; the study's path.

    Raises UserError where a file of that name is there already: nothing is overwritten.
    """
    pairs = [(shipped("studies")["quickstart"], folder / "studies" / "quickstart.yaml")]
    spaces = shipped("search_spaces").values()
    pairs += [(path, folder / "search_spaces" / path.name) for path in spaces]
    if there := [str(target) for _, target in pairs if target.exists()]:
        raise UserError(f"{there[0]} exists; give another folder")
    for source, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return pairs[0][1]
