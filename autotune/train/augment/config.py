"""What is done to the samples of a batch before the network sees them, in training only.

Each part of `augment` is free of torch; pipeline.py says what implements it. A policy changes
images, `table` changes the rows of tables, `mix` joins samples and their targets, and `synthetic`
brings in generated ones. One random draw is made for each sample, never one for the batch.
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
    """Images as they are."""

    name: Literal["none"] = "none"


class PolicyBase(Config):
    """What every policy may begin and end with: flips and crops before, a hole after."""

    name: str
    flip: Share = 0.0
    """Share of the images mirrored left to right. 0.5 suits photographs; digits and letters, 0."""
    flip_vertical: Share = 0.0
    """Share of the images mirrored top to bottom."""
    crop_pad: Share = 0.125
    """Shift by up to this share of each side, in whole pixels; what comes in is black. 0.125 is the
    usual 4 pixels of 32."""
    cutout: Share = 0.0
    """Side of a square that is blanked, as a share of the image's; its centre lies anywhere."""


class Basic(PolicyBase):
    """The classic transforms, each with a strength of its own; those left at 0 cost nothing.

    All that moves pixels is one affine map an image, sampled once. Colours change in the order in
    which they stand here.
    """

    name: Literal["basic"] = "basic"
    translate: Share = 0.0
    """Shift by up to this share of each side, by any fraction of a pixel."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Degrees at most, either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Enlarged or shrunk by up to this share: the factor lies between 1 - scale and 1 + scale."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0
    """Degrees at most, either way, along x and along y."""
    resized_crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Smallest share of the area that is cropped and enlarged to the whole (Szegedy et al. 2015);
    its sides are as 3:4 to 4:3. 1: never."""
    brightness: Share = 0.0
    """Factor between 1 - brightness and 1 + brightness; so for contrast and saturation."""
    contrast: Share = 0.0
    """Of the distance from the image's mean grey."""
    saturation: Share = 0.0
    """Of the distance from grey. A grey image stays as it is, here and under a change of hue."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Turn of the colour wheel at most, either way; 0.5 is half of it."""
    grayscale: Share = 0.0
    """Share of the images that lose their colour."""
    blur: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Largest standard deviation, in pixels, of a Gaussian blur."""
    erase: Share = 0.0
    """Share of the images in which a random rectangle is blanked (Zhong et al. 2020)."""
    erase_area: Annotated[float, Field(gt=0, le=1)] = 0.33
    """Largest share of the image that is blanked so; the smallest is 0.02, or this if less."""


class RandAugment(PolicyBase):
    """`n` random transforms for each image, all of strength `m` (Cubuk et al. 2020).

    Transforms and ranges are torchvision's; those that move pixels are sampled together, after
    those that change colours.
    """

    name: Literal["rand_augment"] = "rand_augment"
    n: Annotated[int, Field(ge=1, le=14)] = 2
    """Moves made one after the other."""
    m: Annotated[float, Field(ge=0, le=30)] = 9.0
    """Strength of each, of 30."""


class TrivialAugment(PolicyBase):
    """One random move of random strength for each image; nothing to tune (Müller & Hutter 2021).

    The transforms and their wide ranges are torchvision's.
    """

    name: Literal["trivial_augment"] = "trivial_augment"


class AugMix(PolicyBase):
    """A random mixture of the image and of chains of transforms (Hendrycks et al. 2020).

    Without the paper's Jensen-Shannon loss, which would take three passes of the network.
    """

    name: Literal["augmix"] = "augmix"
    severity: Annotated[float, Field(ge=0.1, le=10)] = 3.0
    """Largest strength of a move, of 10."""
    width: Annotated[int, Field(ge=1, le=8)] = 3
    """Chains that are mixed."""
    depth: Annotated[int, Field(ge=1, le=8)] | None = None
    """Moves in a chain. None: 1 to 3, drawn for each."""
    alpha: Positive = 1.0
    """Of the Beta and Dirichlet distributions that the shares are drawn from."""


PolicyConfig = Annotated[
    NoPolicy | Basic | RandAugment | TrivialAugment | AugMix, Field(discriminator="name")
]


# Mixing joins samples and their targets.


class NoMix(Config):
    """Samples stay apart."""

    name: Literal["none"] = "none"


class MixBase(Config):
    """Each sample is joined with another of its batch, in shares drawn for each anew."""

    name: str
    probability: Share = 1.0
    """Share of the samples that are mixed."""
    targets: Literal["linear"] | None = None
    """How a regression's targets are mixed, which must be said: linear is their weighted mean.
    Classes need no rule: their probabilities are mixed."""


class MixUp(MixBase):
    """Weighted means of samples (Zhang et al. 2018).

    A category of a table has no mean: it is the other sample's as often as the share says.
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
    """For each sample mixup or cutmix, as the draw falls."""

    name: Literal["both"] = "both"
    mixup_alpha: Positive = 0.2
    """`alpha` of mixup."""
    cutmix_alpha: Positive = 1.0
    """`alpha` of cutmix."""
    switch: Share = 0.5
    """Share of the mixed samples that are mixed by cutmix."""


MixConfig = Annotated[NoMix | MixUp | CutMix | Both, Field(discriminator="name")]


class TableConfig(Config):
    """For rows of standardised features; `mix: mixup` works on tables as well."""

    noise: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Standard deviation of Gaussian noise on each number, in units of the feature's own."""
    mask: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the features that are hidden, drawn for each sample."""
    fill: Literal["mean", "other"] = "mean"
    """What a hidden feature shows: mean, its mean (a category: the code of an unknown one); other,
    its value in another sample of the batch (Bahri et al. 2022)."""


class AugmentConfig(Config):
    """Random changes to the samples of a batch, in training only.

    In this order: generated samples come in, then `policy` or `table`, then `mix`.
    """

    policy: PolicyConfig = NoPolicy()
    """How images are changed."""
    mix: MixConfig = NoMix()
    """How samples and their targets are joined."""
    table: TableConfig | None = None
    """How the rows of a table are changed."""
    synthetic: SyntheticConfig | None = None
    """Samples of a generator that is trained first."""
