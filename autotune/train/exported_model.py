"""A network that was found before, named alike as a teacher and as a start. Free of torch."""

from typing import ClassVar, Literal

from autotune.train.base import Config

__all__ = ["Exported", "StudyBest"]


class Exported(Config):
    """A folder that `autotune export` wrote."""

    key: ClassVar[str] = "folder"

    name: Literal["exported"] = "exported"
    folder: str
    """The folder, with its config.json and model.safetensors."""


class StudyBest(Config):
    """The best of a finished study, exported into its own folder.

    `autotune export STUDY -o RUNS/STUDY/best` comes first: the winner is then fixed, whatever
    becomes of the study.
    """

    key: ClassVar[str] = "study"

    name: Literal["study"] = "study"
    study: str
    """Its name."""
    runs: str = "runs"
    """The folder of studies that it lies in."""
