"""The interface of an engine, which runs the assignments of a study. `engine` is the registry."""

from typing import TYPE_CHECKING, Literal, Protocol, assert_never

if TYPE_CHECKING:
    from autotune.study.state_machine import Study

__all__ = ["Engine", "EngineName", "engine"]

EngineName = Literal["ray", "inline"]
"""Engines that run real work. `simulate` is available in Python only: it needs curves."""


class Engine(Protocol):
    def __call__(self, study: "Study", address: str | None = None) -> None:
        """Run `study` to its end: ask `next`, report each report, obey the decision, `finish`.

        `address`: host:port of a running cluster, where the engine can join one. Raises
        KeyboardInterrupt after a signal to stop, with all written, and AutotuneError for what
        ended the study; what was running is left as it is for a resume.
        """
        ...


def engine(name: EngineName) -> Engine:
    """The engine of that name. Imports what it needs."""
    match name:
        case "ray":
            from autotune.engine.ray import driver

            return driver.run
        case "inline":
            from autotune.engine import inline

            return inline.run
        case _:
            assert_never(name)
