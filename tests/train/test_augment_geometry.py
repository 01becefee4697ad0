"""Moves of pixels, each against an independent way to make it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as reference

from autotune.testing.augment import images, seeded
from autotune.train.augment import geometry
from autotune.train.augment.basic import Basic, cropped
from autotune.train.augment.config import Basic as BasicConfig
from autotune.train.augment.erase import cutout, erase, inside

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 17, 24)]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def drawn(shape, count=6):
    return torch.rand(count, *shape, generator=seeded())


def same(count, value):
    return torch.full((count,), float(value))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("whole", [True, False])
def test_the_identity_is_exact(shape, whole):
    x = drawn(shape)
    maps = {
        "none": geometry.identity(len(x), x.device),
        "rotate": geometry.rotate(same(6, 0)),
        "scale": geometry.scale(same(6, 1)),
        "shear": geometry.shear(same(6, 0), same(6, 0)),
        "translate": geometry.translate(same(6, 0), same(6, 0)),
        "crop": geometry.crop(same(6, 1), same(6, 1), same(6, 0), same(6, 0)),
    }
    for name, matrix in maps.items():
        assert torch.equal(geometry.warp(x, matrix, 0.3, whole), x), name


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape[1] == shape[2]])
@pytest.mark.parametrize("turns", [1, 2, 3, -1])
def test_quarter_turns_are_torchs(shape, turns):
    x = drawn(shape)
    matrix = geometry.rotate(same(len(x), 90 * turns))
    expected = torch.rot90(x, turns, (2, 3))
    torch.testing.assert_close(geometry.warp(x, matrix), expected, atol=1e-4, rtol=0)
    assert torch.equal(geometry.warp(x, matrix, whole=True), expected)


@given(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from(SHAPES))
@settings(max_examples=40, deadline=None)
def test_whole_translation_is_a_roll_filled_with_zero(right, down, shape):
    x = drawn(shape, 2)
    expected = torch.roll(x, (down, right), (2, 3))
    height, width = shape[1:]
    rows, columns = torch.arange(height)[:, None] - down, torch.arange(width) - right
    expected[:, :, ~((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))] = 0
    matrix = geometry.translate(same(2, right), same(2, down))
    assert torch.equal(geometry.warp(x, matrix, whole=True), expected)
    torch.testing.assert_close(geometry.warp(x, matrix), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_flips_are_torchs(shape):
    x = drawn(shape, 4)
    across, down = torch.tensor([0, 1, 0, 1]) == 1, torch.tensor([0, 0, 1, 1]) == 1
    moved = geometry.warp(x, geometry.flip(across, down), whole=True)
    expected = torch.stack([x[0], x[1].flip(2), x[2].flip(1), x[3].flip(1, 2)])
    assert torch.equal(moved, expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fill", [0.0, 0.7])
def test_a_rotation_then_a_scale_is_torchvisions_affine(shape, fill):
    x = drawn(shape)
    angles, factors = [-40.0, 15.0, 3.0, 70.0, 0.0, 170.0], [0.8, 1.3, 1.0, 0.7, 1.1, 0.9]
    turn, size = geometry.rotate(torch.tensor(angles)), geometry.scale(torch.tensor(factors))
    moved = geometry.warp(x, geometry.compose(turn, size), fill)
    bilinear = InterpolationMode.BILINEAR
    for i, (angle, factor) in enumerate(zip(angles, factors, strict=True)):
        # It turns clockwise, and does not blend its own fill in at the border.
        expected = reference.affine(x[i] - fill, -angle, [0, 0], factor, [0.0, 0.0], bilinear)
        torch.testing.assert_close(moved[i], expected + fill, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_shear_is_torchvisions(shape):
    x = drawn(shape, 2)
    moved = geometry.warp(x, geometry.shear(same(2, 0.3), same(2, 0)))
    degrees = float(torch.tensor(0.3).atan().rad2deg())
    bilinear = InterpolationMode.BILINEAR
    expected = reference.affine(x, 0.0, [0, 0], 1.0, [-degrees, 0.0], bilinear)
    torch.testing.assert_close(moved, expected, atol=1e-3, rtol=0)


def test_composition_does_the_first_map_first():
    x = drawn((1, 16, 16), 1)
    right, turn = geometry.translate(same(1, 3), same(1, 0)), geometry.rotate(same(1, 90))
    apart = geometry.warp(geometry.warp(x, right, whole=True), turn, whole=True)
    assert torch.equal(geometry.warp(x, geometry.compose(right, turn), whole=True), apart)
    assert not torch.equal(geometry.warp(x, geometry.compose(turn, right), whole=True), apart)


def test_a_crop_becomes_the_whole():
    x = drawn((1, 16, 16), 1)
    upper_left = geometry.crop(same(1, 0.5), same(1, 0.5), same(1, -4), same(1, -4))
    bilinear = InterpolationMode.BILINEAR
    expected = reference.resized_crop(x, 0, 0, 8, 8, [16, 16], bilinear, antialias=False)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))  # the border sees its outside
    moved = geometry.warp(x, upper_left)
    torch.testing.assert_close(moved[inner], expected[inner], atol=1e-5, rtol=0)


@given(st.floats(0.05, 0.99), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_resized_crops_lie_inside_and_have_their_share(smallest, seed):
    x = torch.zeros(32, 1, 20, 30)
    matrix = cropped(smallest, x, seeded(seed))
    wide, tall = matrix[:, 0, 0], matrix[:, 1, 1]
    assert (matrix[:, 0, 2].abs() <= (1 - wide) * 15 + 1e-4).all()
    assert (matrix[:, 1, 2].abs() <= (1 - tall) * 10 + 1e-4).all()
    assert (wide * tall <= 1).all() and (wide * tall >= 0.74 * smallest).all()


def test_half_the_images_are_flipped():
    data = images((1, 8, 8), samples=4000)
    x = data.train.x[:1].expand(4000, 1, 8, 8)
    flipped = Basic(BasicConfig(flip=0.5, crop_pad=0), data)(x, seeded())
    share = (flipped[:, 0, 0, 0] != x[:, 0, 0, 0]).float().mean().item()
    assert share == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("shape", SHAPES)
def test_crop_pad_copies_pixels_and_fills_with_black(shape):
    data = images(shape)
    x = data.train.x
    moved = Basic(BasicConfig(crop_pad=0.25), data)(x, seeded())
    black = x.amin((0, 2, 3), keepdim=True)
    for channel in range(shape[0]):
        copied = torch.isin(moved[:, channel], x[:, channel])
        assert (copied | ((moved - black)[:, channel].abs() < 1e-6)).all()


@given(st.floats(0.02, 1), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_an_erased_rectangle_has_its_share(area, seed):
    x = torch.ones(64, 2, 24, 32)
    erased = erase(x, 1.0, area, seeded(seed))
    share = (erased[:, 0] == 0).float().mean((1, 2))
    assert torch.equal(erased[:, 0], erased[:, 1])
    # Sides are rounded to whole pixels, and cut to the image where the rectangle is too long.
    assert (share > 0).all() and (share <= area + 0.08).all()
    for hole in erased[:, 0] == 0:
        rows, columns = hole.any(1).sum(), hole.any(0).sum()
        assert rows * columns == hole.sum()


def test_erasing_hits_its_share_of_the_images():
    erased = erase(torch.ones(4000, 1, 8, 8), 0.3, 0.33, seeded())
    hit = (erased == 0).flatten(1).any(1).float().mean().item()
    assert hit == pytest.approx(0.3, abs=0.04)


def test_cutout_is_a_square_about_any_pixel():
    cut = cutout(torch.ones(2000, 1, 16, 16), 0.5, seeded())
    sizes = (cut == 0).flatten(1).sum(1)
    assert sizes.max() == 64 and sizes.min() == 16  # whole, and at a corner
    assert (cut == 0).float().mean(0).min() > 0.05  # every pixel is hit now and then


def test_a_box_is_filled_as_slices_are():
    mask = inside(torch.tensor([[1.0, 3.0, 2.0, 5.0], [-2.0, 2.0, 4.0, 9.0]]), 4, 6)
    expected = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    expected[0, 0, 1:3, 2:5] = True
    expected[1, 0, :2, 4:] = True
    assert torch.equal(mask, expected)
