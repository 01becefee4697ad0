"""The distances between a student and a teacher, as functions.

Shapes: B samples, C classes, D features. Every one answers a scalar, the mean over the batch, and
is 0 for a student that equals its teacher.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "Parts",
    "angle_loss",
    "attention_loss",
    "attention_map",
    "decoupled_parts",
    "distance_loss",
    "hint_loss",
    "soft_targets",
]

Heat = Tensor | float
SAME = 1e-8  # a distance below it is none


class Parts(NamedTuple):
    """KL(teacher || student) = target + (1 - p_t) x non_target, sample by sample."""

    target: Tensor
    """(B,): about the labelled class against all others"""
    non_target: Tensor
    """(B,): about the other classes among themselves"""


def soft_targets(student: Tensor, teacher: Tensor, temperature: Heat) -> Tensor:
    """T^2 KL(teacher || student) of logits (B, C) at temperature T, Hinton et al. 2015.

    T^2, because the gradient of the KL falls with it: alpha then means the same at every T.
    """
    said = F.log_softmax(student / temperature, 1)
    taught = F.log_softmax(teacher / temperature, 1)
    return F.kl_div(said, taught, reduction="batchmean", log_target=True) * temperature**2


def decoupled_parts(student: Tensor, teacher: Tensor, labels: Tensor, temperature: Heat) -> Parts:
    """The two parts of the KL at a temperature, Zhao et al. 2022, equation 7; without T^2."""
    said, taught = student / temperature, teacher / temperature
    others = torch.ones_like(said, dtype=torch.bool).scatter_(1, labels[:, None], False)
    rest = (len(said), said.shape[1] - 1)
    target = _kl(_binary(said, labels, others), _binary(taught, labels, others))
    among = _kl(
        F.log_softmax(said[others].view(rest), 1), F.log_softmax(taught[others].view(rest), 1)
    )
    return Parts(target, among)


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of features, Romero et al. 2015; both of one shape."""
    return F.mse_loss(student, teacher)


def attention_map(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H x W) of length 1: the sum of squares over the channels."""
    return F.normalize(features.square().mean(1).flatten(1))


def attention_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of attention maps, Zagoruyko & Komodakis 2017, as their code has it.

    Maps of different sizes are compared at the smaller one.
    """
    return (attention_map(student) - attention_map(teacher)).square().mean()


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How pairs of samples (B, D) differ in distance, in units of the mean; Park et al. 2019."""
    return F.smooth_l1_loss(_distances(student), _distances(teacher))


def angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How triples of samples (B, D) differ in the cosine of their angle; Park et al. 2019."""
    return F.smooth_l1_loss(_angles(student), _angles(teacher))


def _kl(said: Tensor, taught: Tensor) -> Tensor:
    """(B,) of log probabilities (B, K)."""
    return F.kl_div(said, taught, reduction="none", log_target=True).sum(1)


def _binary(logits: Tensor, labels: Tensor, others: Tensor) -> Tensor:
    """(B, 2): log probability of the labelled class and of all others together."""
    logs = F.log_softmax(logits, 1)
    rest = logs[others].view(len(logs), -1).logsumexp(1)
    return torch.stack([logs.gather(1, labels[:, None]).squeeze(1), rest], 1)


def _distances(points: Tensor) -> Tensor:
    """(B, B), divided by the mean over pairs that are apart."""
    distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    apart = (distances > 0).sum()
    return distances / (distances.sum() / apart.clamp(min=1)).clamp(min=SAME)


def _angles(points: Tensor) -> Tensor:
    """(B, B, B): the cosine of the angle at the first sample between the other two."""
    ways = points[None] - points[:, None]  # (B, B, D)
    lengths = ways.norm(dim=2, keepdim=True)
    # No direction leads from a point to itself; a division would make its gradient huge.
    ways = torch.where(lengths > SAME, ways / lengths.clamp(min=SAME), 0.0)
    return ways @ ways.transpose(1, 2)
