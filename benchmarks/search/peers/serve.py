"""The loop of every peer's script: one question a line on stdin, one answer a line on stdout.

Runs in a peer's own environment, so it knows the standard library only. A question is a JSON
object of one entry, its name and its arguments; an answer is a JSON value. The first one is
`start`; the end of stdin ends the process.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["Server", "Start", "serve"]

Start = Mapping[str, Any]
"""method; seed; workers; epochs of a full training; trainings, the budget in full trainings; and
space, as told.py writes it."""


class Server(Protocol):
    """Losses are minimized."""

    def ask(self) -> Mapping[str, Any]:
        """What a free worker is to do: key, params, first, last (epochs, both inclusive)."""
        ...

    def report(self, key: int, epoch: int, loss: float) -> bool:
        """Whether the training goes on; only asked before its last epoch."""
        ...

    def done(self, key: int, losses: list[float]) -> None:
        """The losses of a training that has ended, from its first epoch on."""
        ...


def serve(build: Callable[[Start], Server]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the peer prints must not stand between the answers
    server = build(json.loads(sys.stdin.readline())["start"])
    begun = time.process_time()
    print("null", file=answers, flush=True)
    for line in sys.stdin:
        ((name, arguments),) = json.loads(line).items()
        if name == "spent":
            answer: Any = time.process_time() - begun
        else:
            answer = getattr(server, name)(**arguments)
        print(json.dumps(answer), file=answers, flush=True)
