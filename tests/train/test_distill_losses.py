"""The distances of distillation against closed forms."""

from math import sqrt

import pytest
import torch
from torch.nn import functional as F

from autotune.train.distill import losses
from autotune.train.distill.config import SoftTargets
from autotune.train.distill.schedules import LearnedTemperature, over_epochs, temperature


@pytest.fixture
def logits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    student = torch.randn(7, 5, generator=draw, dtype=torch.float64, requires_grad=True)
    teacher = 3 * torch.randn(7, 5, generator=draw, dtype=torch.float64)
    return student, teacher, torch.randint(5, (7,), generator=draw)


def kl(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    p, q = teacher.softmax(1), student.softmax(1)
    return (p * (p.log() - q.log())).sum(1)


def test_soft_targets_at_temperature_1_are_the_kl(logits) -> None:
    student, teacher, _ = logits
    said = losses.soft_targets(student, teacher, 1.0)
    torch.testing.assert_close(said, kl(student, teacher).mean())


@pytest.mark.parametrize("heat", [0.5, 2.0, 8.0])
def test_soft_targets_gradient_is_t_times_the_difference_of_probabilities(logits, heat) -> None:
    student, teacher, _ = logits
    losses.soft_targets(student, teacher, heat).backward()
    expected = heat * ((student / heat).softmax(1) - (teacher / heat).softmax(1)) / len(student)
    torch.testing.assert_close(student.grad, expected.detach())


def test_t_squared_keeps_the_size_of_the_gradient(logits) -> None:
    """In the limit of a high temperature it is that of matching centred logits, Hinton eq. 4."""
    student, teacher, _ = logits
    losses.soft_targets(student, teacher, 1e4).backward()
    centred = (student - student.mean(1, keepdim=True)) - (teacher - teacher.mean(1, keepdim=True))
    torch.testing.assert_close(
        student.grad, centred.detach() / (5 * len(student)), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("heat", [1.0, 4.0])
def test_decoupled_parts_add_up_to_the_kl(logits, heat) -> None:
    """Zhao et al. 2022, equation 7: KD = TCKD + (1 - p_t) NCKD, sample by sample."""
    student, teacher, labels = logits
    parts = losses.decoupled_parts(student, teacher, labels, heat)
    p_t = (teacher / heat).softmax(1).gather(1, labels[:, None]).squeeze(1)
    whole = parts.target + (1 - p_t) * parts.non_target
    torch.testing.assert_close(whole, kl(student / heat, teacher / heat))
    torch.testing.assert_close(whole.mean() * heat**2, losses.soft_targets(student, teacher, heat))


def test_decoupled_parts_by_hand() -> None:
    teacher = torch.tensor([[0.6, 0.3, 0.1]]).log()
    student = torch.tensor([[0.2, 0.4, 0.4]]).log()
    parts = losses.decoupled_parts(student, teacher, torch.tensor([0]), 1.0)
    target = 0.6 * torch.tensor(0.6 / 0.2).log() + 0.4 * torch.tensor(0.4 / 0.8).log()
    among = 0.75 * torch.tensor(0.75 / 0.5).log() + 0.25 * torch.tensor(0.25 / 0.5).log()
    assert parts.target.item() == pytest.approx(target.item(), rel=1e-5)
    assert parts.non_target.item() == pytest.approx(among.item(), rel=1e-5)


def test_attention_maps_have_length_1_and_forget_scale() -> None:
    features = torch.randn(3, 4, 5, 6)
    maps = losses.attention_map(features)
    assert maps.shape == (3, 30)
    torch.testing.assert_close(maps.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(losses.attention_map(7 * features), maps)
    by_hand = F.normalize((features**2).sum(1).view(3, -1), dim=1)
    torch.testing.assert_close(maps, by_hand)
    assert losses.attention_loss(features, 7 * features).item() == pytest.approx(0, abs=1e-10)


TRIANGLE = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])  # sides 3, 4 and 5
STRAIGHT = torch.tensor([[0.0], [1.0], [3.0]])  # sides 1, 3 and 2


def huber(difference: float) -> float:
    size = abs(difference)
    return 0.5 * size**2 if size < 1 else size - 0.5


def test_distances_of_three_points() -> None:
    pairs = [(3 / 4, 1 / 2), (4 / 4, 3 / 2), (5 / 4, 2 / 2)]  # each divided by its mean
    by_hand = 2 * sum(huber(a - b) for a, b in pairs) / 9
    assert losses.distance_loss(TRIANGLE, STRAIGHT).item() == pytest.approx(by_hand, rel=1e-5)


def test_angles_of_three_points() -> None:
    # At each corner of the triangle, then of the line, where 0 is left of 1, and 1 left of 3.
    pairs = [(0.0, 1.0), (3 / 5, -1.0), (4 / 5, 1.0)]
    by_hand = 2 * sum(huber(a - b) for a, b in pairs) / 27
    assert losses.angle_loss(TRIANGLE, STRAIGHT).item() == pytest.approx(by_hand, rel=1e-5)


def test_relations_forget_place_scale_and_turn() -> None:
    points = torch.randn(6, 2, dtype=torch.float64)
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    other = 5 * points @ turn + 3
    assert losses.distance_loss(points, other).item() == pytest.approx(0, abs=1e-10)
    assert losses.angle_loss(points, other).item() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("loss", [losses.distance_loss, losses.angle_loss])
def test_samples_that_coincide_give_finite_gradients(loss) -> None:
    for points in (torch.zeros(4, 3), torch.tensor([[1.0, 2.0]] * 3 + [[0.0, 1.0]])):
        points.requires_grad_()
        loss(points, torch.randn(len(points), 2)).backward()
        assert points.grad is not None and points.grad.abs().max() < 1e3
    alone = torch.ones(1, 3, requires_grad=True)
    assert loss(alone, torch.ones(1, 2)).item() == 0


def test_a_schedule_begins_and_ends_where_it_should() -> None:
    linear, cosine = (over_epochs(kind, 8.0, 2.0, 5) for kind in ("linear", "cosine"))
    assert [linear(epoch) for epoch in range(1, 6)] == [8.0, 6.5, 5.0, 3.5, 2.0]
    assert [cosine(1), cosine(3), cosine(5)] == pytest.approx([8.0, 5.0, 2.0])
    assert cosine(2) - linear(2) == pytest.approx(linear(4) - cosine(4)) != 0
    assert over_epochs("constant", 8.0, 2.0, 5)(5) == over_epochs("linear", 8.0, 2.0, 1)(1) == 8.0


def test_a_learned_temperature_begins_where_told_and_climbs_the_loss() -> None:
    heat = temperature(SoftTargets(temperature=4.0, temperature_schedule="learned"), epochs=30)
    assert isinstance(heat, LearnedTemperature)
    assert heat(1).item() == pytest.approx(4.0)
    student, teacher = torch.tensor([[1.0, 0.0, 0.5]]), torch.tensor([[4.0, 0.0, -3.0]])

    def gradient(value: torch.Tensor) -> float:
        heat.position.grad = None
        losses.soft_targets(student, teacher, value).backward()
        assert heat.position.grad is not None
        return heat.position.grad.item()

    downhill = gradient(1 + 20 * heat.position.sigmoid())
    assert gradient(heat(10)) == pytest.approx(-downhill)
    assert gradient(heat(50)) == pytest.approx(-downhill)
    weak = (1 - torch.cos(torch.tensor(torch.pi / 10)).item()) / 2
    assert gradient(heat(1)) == pytest.approx(-weak * downhill, rel=1e-4)
    assert sqrt(weak) < 0.16
