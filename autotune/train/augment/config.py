"""Random changes of the samples of a batch, during training only. Free of torch; pipeline.py has
the implementations.

A policy changes images, `table` changes rows of tables, `mix` joins samples and their targets, and
`synthetic` adds generated ones. Draws are made for each sample, not for the batch.
"""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.augment.synthetic.config import SyntheticConfig
from autotune.train.base import Config

__all__ = [
    "AugMix",
    "AugmentConfig",
    "Basic",
    "Both",
    "CutMix",
    "MixConfig",
    "MixUp",
    "NoMix",
    "NoPolicy",
    "PolicyConfig",
    "RandAugment",
    "TableConfig",
    "TrivialAugment",
]

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


# Policies change images (B, C, H, W).


class NoPolicy(Config):
    """No change."""

    name: Literal["none"] = "none"


class PolicyBase(Config):
    """What every policy may begin and end with: flips and crops first, a hole last."""

    name: str
    flip: Share = 0.0
    """Share of the images mirrored horizontally. 0.5 suits photographs; for digits and letters use
    0."""
    flip_vertical: Share = 0.0
    """Share of the images mirrored vertically."""
    crop_pad: Share = 0.125
    """Shift by up to this share of each side, in whole pixels; new pixels are black. 0.125 is the
    usual 4 pixels of 32."""
    cutout: Share = 0.0
    """Side of a blanked square, as a share of the image's side; its center may lie anywhere."""


class Basic(PolicyBase):
    """The classic transforms, each with its own strength; those at 0 cost nothing.

    All geometric transforms are one affine map an image, sampled once. Colors change in the order
    of the keys below.
    """

    name: Literal["basic"] = "basic"
    translate: Share = 0.0
    """Shift by up to this share of each side, by any fraction of a pixel."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Maximum rotation in degrees, either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Scale factor between 1 - scale and 1 + scale."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Maximum shear in degrees, either way, along x and along y."""
    resized_crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Smallest share of the area that is cropped and resized to the whole (Szegedy et al. 2015);
    aspect ratios from 3:4 to 4:3. 1: no cropping."""
    brightness: Share = 0.0
    """Brightness factor between 1 - brightness and 1 + brightness; contrast and saturation work
    alike."""
    contrast: Share = 0.0
    """Factor of the distance from the image's mean grey."""
    saturation: Share = 0.0
    """Factor of the distance from grey. Grey images do not change, here and under `hue`."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Maximum rotation of the hue, either way; 0.5 is half of the color wheel."""
    grayscale: Share = 0.0
    """Share of the images that are converted to grey."""
    blur: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Maximum standard deviation of a Gaussian blur, in pixels."""
    erase: Share = 0.0
    """Share of the images with a random blanked rectangle (Zhong et al. 2020)."""
    erase_area: Annotated[float, Field(gt=0, le=1)] = 0.33
    """Maximum share of the image that is blanked; the minimum is 0.02, or this if less."""


class RandAugment(PolicyBase):
    """`n` random transforms for each image, all of strength `m` (Cubuk et al. 2020).

    Transforms and ranges are torchvision's; geometric ones are sampled together, after color
    changes.
    """

    name: Literal["rand_augment"] = "rand_augment"
    n: Annotated[int, Field(ge=1, le=14)] = 2
    """Number of transforms, one after the other."""
    m: Annotated[float, Field(ge=0, le=30)] = 9.0
    """Strength of each, out of 30."""


class TrivialAugment(PolicyBase):
    """One random transform of random strength for each image; nothing to tune (Müller & Hutter
    2021).

    The transforms and their wide ranges are torchvision's.
    """

    name: Literal["trivial_augment"] = "trivial_augment"


class AugMix(PolicyBase):
    """A random mixture of the image and of chains of transforms (Hendrycks et al. 2020).

    Without the paper's Jensen-Shannon loss, which would take three passes of the network.
    """

    name: Literal["augmix"] = "augmix"
    severity: Annotated[float, Field(ge=0.1, le=10)] = 3.0
    """Maximum strength of a transform, out of 10."""
    width: Annotated[int, Field(ge=1, le=8)] = 3
    """Number of chains that are mixed."""
    depth: Annotated[int, Field(ge=1, le=8)] | None = None
    """Transforms in a chain. Default: 1 to 3, drawn for each."""
    alpha: Positive = 1.0
    """Parameter of the Beta and Dirichlet distributions of the mixing shares."""


PolicyConfig = Annotated[
    NoPolicy | Basic | RandAugment | TrivialAugment | AugMix, Field(discriminator="name")
]


# Mixing joins samples and their targets.


class NoMix(Config):
    """No mixing."""

    name: Literal["none"] = "none"


class MixBase(Config):
    """Each sample is mixed with another one of its batch; the share is drawn for each."""

    name: str
    probability: Share = 1.0
    """Share of the samples that are mixed."""
    targets: Literal["linear"] | None = None
    """How a regression's targets are mixed; required there. linear is their weighted mean. For
    classes the probabilities are mixed."""


class MixUp(MixBase):
    """Weighted means of samples (Zhang et al. 2018).

    A table's category has no mean: it is taken from the other sample with the probability of its
    share.
    """

    name: Literal["mixup"] = "mixup"
    alpha: Positive = 0.2
    """The share is drawn from Beta(alpha, alpha): mostly near 0 or 1 when alpha is small."""


class CutMix(MixBase):
    """A rectangle of another image is pasted in (Yun et al. 2019).

    The target's share is that of the pixels, as really pasted.
    """

    name: Literal["cutmix"] = "cutmix"
    alpha: Positive = 1.0
    """The rectangle's share is drawn from Beta(alpha, alpha): evenly when alpha is 1."""


class Both(MixBase):
    """mixup or cutmix, drawn for each sample."""

    name: Literal["both"] = "both"
    mixup_alpha: Positive = 0.2
    """`alpha` of mixup."""
    cutmix_alpha: Positive = 1.0
    """`alpha` of cutmix."""
    switch: Share = 0.5
    """Share of the mixed samples that are mixed by cutmix."""


MixConfig = Annotated[NoMix | MixUp | CutMix | Both, Field(discriminator="name")]


class TableConfig(Config):
    """Changes rows of standardized features; `mix: mixup` works on tables as well."""

    noise: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Standard deviation of Gaussian noise on each number, in units of the feature's deviation."""
    mask: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the features that are masked, drawn for each sample."""
    fill: Literal["mean", "other"] = "mean"
    """The value of a masked feature. mean: its mean (for a category, the code of an unknown one);
    other: its value in another sample of the batch (Bahri et al. 2022)."""


class AugmentConfig(Config):
    """Random changes of the samples of a batch, during training only. The order is: generated
    samples, then `policy` or `table`, then `mix`."""

    policy: PolicyConfig = NoPolicy()
    """How images are changed."""
    mix: MixConfig = NoMix()
    """How samples and their targets are mixed."""
    table: TableConfig | None = None
    """How the rows of a table are changed."""
    synthetic: SyntheticConfig | None = None
    """Samples of a generator that is trained first."""
