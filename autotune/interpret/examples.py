"""Which images are shown: some correct predictions, and the worst mistakes."""

import torch
from torch import Tensor

from autotune.interpret.subject import Subject

__all__ = ["EACH", "mistakes", "successes"]

EACH = 6
"""Images of a kind that are shown."""


def successes(subject: Subject) -> Tensor:
    """Rows of up to 6 right answers, of different classes as long as there are; of a regression,
    the 6 answers that are nearest."""
    if not subject.data.classes:
        return _error(subject).argsort()[:EACH]
    right = (subject.said == subject.y).nonzero()[:, 0]
    seen: dict[int, int] = {}
    order = []  # the first of each class, then the second of each, ...
    for row in right.tolist():
        label = int(subject.y[row])
        seen[label] = seen.get(label, 0) + 1
        order.append((seen[label], label, row))
    return torch.tensor([row for _, _, row in sorted(order)[:EACH]], dtype=torch.long)


def mistakes(subject: Subject) -> Tensor:
    """Rows of up to 6 wrong answers, the surest first; of a regression, the 6 farthest."""
    if not subject.data.classes:
        return _error(subject).argsort(descending=True)[:EACH]
    sure = subject.output.softmax(1).amax(1)
    sure[subject.said == subject.y] = -1.0
    count = int((sure >= 0).sum())
    return sure.argsort(descending=True, stable=True)[: min(EACH, count)].cpu()


def _error(subject: Subject) -> Tensor:
    return (subject.said - subject.y).abs().cpu()
