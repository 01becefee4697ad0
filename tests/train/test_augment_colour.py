"""Changes of colour against torchvision's, image by image."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as reference

from autotune.testing.augment import seeded
from autotune.train.augment import colour

FACTORS = [0.0, 0.3, 1.0, 1.4, 1.9]
AMOUNTS = {
    "brightness": (reference.adjust_brightness, FACTORS),
    "contrast": (reference.adjust_contrast, FACTORS),
    "saturation": (reference.adjust_saturation, FACTORS),
    "sharpness": (reference.adjust_sharpness, FACTORS),
    "hue": (reference.adjust_hue, [-0.5, -0.2, 0.0, 0.13, 0.5]),
    "solarize": (reference.solarize, [0.0, 0.25, 0.5, 0.9, 1.0]),
}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def pictures(channels, size=(16, 20), count=5):
    """Random ones, and even areas, black, white and pure colours, where formulas divide by 0."""
    p = torch.rand(count, channels, *size, generator=seeded())
    p[1, :, :8] = 0.5
    p[2, 0] = 1.0
    p[3, -1, 4:] = 0.0
    p[4] = (p[4] > 0.5).float()
    return p


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_changed_by_its_own_amount_as_torchvision_does(name, channels):
    function, amounts = AMOUNTS[name]
    p = pictures(channels)
    before = p.clone()
    changed = getattr(colour, name)(p, torch.tensor(amounts))
    expected = torch.stack(
        [function(image, amount) for image, amount in zip(p, amounts, strict=True)]
    )
    torch.testing.assert_close(changed, expected, atol=2e-6, rtol=0)
    assert torch.equal(p, before)


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_takes_no_amount_is_torchvisions(name, channels):
    p = pictures(channels)
    p[0] = 0.25  # even
    p[1] = p[1] * 0.3 + 0.2
    changed = getattr(colour, name)(p)
    expected = torch.stack([getattr(reference, name)(image) for image in p])
    torch.testing.assert_close(changed, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (40, 33)])
def test_equalize_is_torchvisions_on_any_size(size):
    p = pictures(3, size) ** 3
    expected = torch.stack([reference.equalize(image) for image in p])
    torch.testing.assert_close(colour.equalize(p), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_posterize_keeps_bits_as_torchvision_does(channels):
    p = pictures(channels)
    changed = colour.posterize(p, torch.tensor([0.0, 1.0, 2.4, 4.0, 7.0]))
    kept = [8, 7, 6, 4, 1]
    expected = [reference.posterize(image, bits) for image, bits in zip(p, kept, strict=True)]
    assert torch.equal(changed[0], p[0])  # nothing removed: not even rounded to 8 bits
    torch.testing.assert_close(changed[1:], torch.stack(expected[1:]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["posterize", "solarize", "equalize", "autocontrast", "hue"])
def test_a_rounding_error_beyond_black_and_white_stays_one(name):
    p = pictures(3) * (1 + 2e-7) - 1e-7
    changed = getattr(colour, name)(p, torch.full((5,), 0.5))
    assert (changed > -1e-6).all() and (changed < 1 + 1e-6).all()


def test_grayscale_is_torchvisions_where_chosen():
    p = pictures(3)
    chosen = torch.tensor([True, False, True, False, True])
    changed = colour.grayscale(p, chosen)
    torch.testing.assert_close(changed[chosen], reference.rgb_to_grayscale(p[chosen], 3))
    assert torch.equal(changed[~chosen], p[~chosen])


@given(st.floats(0.1, 3), st.sampled_from([(3, 8, 8), (1, 28, 28), (3, 20, 33)]))
@settings(max_examples=25, deadline=None)
def test_blur_is_torchvisions(sigma, shape):
    p = torch.rand(3, *shape, generator=seeded())
    radius = min(5, shape[1] - 1)
    blurred = colour.blur(p, torch.full((3,), sigma), radius)
    expected = reference.gaussian_blur(p, [2 * radius + 1] * 2, [sigma] * 2)
    torch.testing.assert_close(blurred, expected, atol=1e-5, rtol=0)


def test_blur_without_width_is_the_image():
    p = pictures(3)
    torch.testing.assert_close(colour.blur(p, torch.zeros(5), 3), p, atol=1e-6, rtol=0)


def test_the_colour_wheel_turned_by_thirds_permutes_the_channels():
    p = pictures(3)
    turned = colour.hue(p, torch.full((5,), 1 / 3))
    torch.testing.assert_close(turned, p[:, [2, 0, 1]], atol=1e-5, rtol=0)
