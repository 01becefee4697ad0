"""How many threads a proposal takes: one."""

import functools
import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """While it is entered, numerical libraries of this process compute on one thread.

    Models of a study are small matrices, and the cores belong to the workers: where these keep them
    busy, two threads that wait for one another took five times the processor's time of one. And
    one thread rounds alike on every machine, so that the same seed proposes the same.
    """
    # Libraries are found when they are loaded, and torch comes last, if ever.
    return _pools("torch" in sys.modules).limit(limits=1)  # type: ignore[no-any-return]


@functools.cache
def _pools(torch_is_loaded: bool) -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
