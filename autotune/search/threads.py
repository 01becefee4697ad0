"""Limits a proposal to one thread."""

import functools
import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """Limits numerical libraries of this process to one thread.

    The matrices are small, and the cores belong to the workers: on busy cores, two threads that
    wait for one another took five times the processor time of one. One thread also rounds the same
    way on every machine, so the same seed proposes the same.
    """
    # Libraries are found once loaded; torch comes last, if at all.
    return _pools("torch" in sys.modules).limit(limits=1)  # type: ignore[no-any-return]


@functools.cache
def _pools(torch_is_loaded: bool) -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
