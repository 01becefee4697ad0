"""Methods of which one runs at a time, whichever thread calls it."""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import Concatenate, ParamSpec, Protocol, TypeVar

__all__ = ["in_turn"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Taken(Protocol):
    @property
    def turn(self) -> "RLock":
        """Held by whoever calls."""


_S = TypeVar("_S", bound=_Taken)


def in_turn(call: Callable[Concatenate[_S, _P], _T]) -> Callable[Concatenate[_S, _P], _T]:
    """Of two threads one waits until the other has left the object."""

    @wraps(call)
    def waits(taken: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with taken.turn:
            return call(taken, *args, **kwargs)

    return waits
