"""Finds study files: as given, in ./studies, or among the shipped ones."""

from pathlib import Path

from autotune.errors import InvalidInput, Problem, echo, nearest
from autotune.spec.reader import read_text

__all__ = ["find", "fragment", "searching", "shipped"]

_HOME = Path(__file__).resolve().parents[1] / "_shipped"
_CHECKOUT = Path(__file__).resolve().parents[2]


def shipped(folder: str) -> dict[str, Path]:
    """The shipped files of `folder` (studies or search_spaces), by bare name."""
    home = _HOME if _HOME.is_dir() else _CHECKOUT
    return {path.stem: path for path in sorted((home / folder).glob("*.yaml"))}


def find(name: str) -> Path:
    """The study file for a path or a bare name such as "quickstart". Raises InvalidInput with the
    nearest shipped study."""
    candidates = [Path(name), Path("studies", f"{name}.yaml")]
    for path in candidates if _is_a_name(name) else candidates[:1]:
        if path.is_file():
            return path
    ours = shipped("studies")
    bare = name.removeprefix("studies/").removesuffix(".yaml")
    if bare in ours:
        return ours[bare]
    raise InvalidInput([Problem(f"no study file {echo(name)}{nearest(bare, ours)}")])


def fragment(name: str, beside: Path) -> Path:
    """The path of the fragment `name` in the file `beside`: relative to that file, or the bare name
    of a shipped one. It need not exist."""
    relative = beside.parent / name
    if _is_a_name(name) and not relative.is_file():
        return shipped("search_spaces").get(name.removesuffix(".yaml"), relative)
    return relative


def _is_a_name(text: str) -> bool:
    return "/" not in text


def searching(path: str) -> list[tuple[str, str]]:
    """The shipped fragments that search `path`: the name of each, and what it says there, in one
    line."""
    found = []
    for name, file in shipped("search_spaces").items():
        root = read_text(file.read_text(), file.name, [])
        values = root.plain() if root else {}
        if isinstance(values, dict) and path in values:
            said = ", ".join(f"{key}: {value}" for key, value in values[path].items())
            found.append((name, f"{{{said}}}"))
    return found
