"""albumentations pipelines for training and evaluation."""

import os
import random
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise ask the network for news

import albumentations as A
import cv2
import numpy as np

from datamodules.albumentations_step import find_transform, make_transform
from datamodules.dataset import IGNORED, Sample, Transform
from user_error import UserError


def apply(pipeline: A.Compose, sample: Sample) -> Sample:
    """Run `pipeline` on the image and, with the same geometry, on the mask and the depth of `sample`.

    Depth is NaN where the image was padded: what the pipeline fills masks with there is a depth like any other.
    """
    if "depth" not in sample:
        result = pipeline(**sample)
    else:
        result = pipeline(**sample, outside=np.zeros_like(sample["mask"]))
        outside = result.pop("outside") == IGNORED
        result["depth"] = np.where(outside, np.float32(np.nan), result["depth"])
    if result["image"].ndim == 2:  # some transforms drop a single channel
        result["image"] = result["image"][..., None]
    return Sample(**result)


def compose(steps: Sequence[A.BasicTransform]) -> A.Compose:
    """An albumentations pipeline that knows this project's targets."""
    return A.Compose(list(steps), additional_targets={"depth": "mask", "outside": "mask"})


def _sampling(interpolation: int) -> dict[str, Any]:
    return {
        "interpolation": interpolation,
        "mask_interpolation": cv2.INTER_NEAREST_EXACT,  # INTER_NEAREST shifts masks by up to half a pixel
        "area_for_downscale": "image",  # as in evaluation: training must not see more aliasing than the test
    }


def _resize(size: tuple[int, int], interpolation: int) -> A.Resize:
    return A.Resize(*size, **_sampling(interpolation))


class Resize:
    """Every image to one size (height, width); `None` leaves each at its own.

    The image is averaged over areas when it shrinks and interpolated linearly when it grows; the mask takes the
    nearest class.
    """

    def __init__(self, size: tuple[int, int] | None) -> None:
        self.size = size
        if size is not None:
            self._shrink = compose([_resize(size, cv2.INTER_AREA)])
            self._grow = compose([_resize(size, cv2.INTER_LINEAR)])

    def __call__(self, sample: Sample, seed: int = 0) -> Sample:
        """The sample at the size; nothing is drawn."""
        if self.size is None or sample["mask"].shape == self.size:
            return sample
        shrinks = self.size[0] * self.size[1] < sample["mask"].size
        return apply(self._shrink if shrinks else self._grow, sample)


class _Seeded:
    """A pipeline drawn from the sample's seed; an object, not a closure, since spawned workers need to pickle it."""

    def __init__(self, pipeline: A.Compose, resize: Resize) -> None:
        self.pipeline = pipeline
        self.resize = resize

    def __call__(self, sample: Sample, seed: int) -> Sample:
        # not set_random_seed: it gives every step the same stream, so that both flips come together or not at all
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        try:
            changed = apply(self.pipeline, sample)
        except Exception as error:  # transforms raise many kinds for images that they are not made for
            channels, reason = sample["image"].shape[-1], " ".join(str(error).split())
            raise UserError(f"the augmentation cannot take images of {channels} channels ({reason})") from error
        return self.resize(changed)


class Augmentation:
    """Training augmentation: `steps` gives the albumentations transforms, drawn anew for every sample."""

    def steps(self, size: tuple[int, int] | None) -> Sequence[A.BasicTransform]:
        """The transforms, in order; the result has `size`, or the input's size where it is `None`."""
        raise NotImplementedError

    def bind(self, size: tuple[int, int] | None) -> Transform:
        """The transform for images of `size`."""
        return _Seeded(compose(self.steps(size)), Resize(size))


class NoAugmentation(Augmentation):
    """Images as they are, at the data module's size."""

    def steps(self, size: tuple[int, int] | None) -> Sequence[A.BasicTransform]:
        """None."""
        return []


class FlipScaleCrop(Augmentation):
    """Random horizontal flip, scale and crop, and a light colour jitter: the field's common recipe.

    Args:
        scale: range of the zoom; the crop keeps the data module's size.
        flip: probability of a horizontal flip.
        vertical_flip: probability of a vertical flip, for images without an up.
        brightness: largest change of brightness and contrast, as a share of the range.
        further: transforms of albumentations after these, each as ``{Name: {argument: value}}``, with their probability
            ``p`` among the arguments.

    Raises:
        UserError: albumentations has no such transform, or it does not take such arguments.
    """

    def __init__(
        self,
        scale: tuple[float, float] = (0.75, 1.5),
        flip: float = 0.5,
        vertical_flip: float = 0.0,
        brightness: float = 0.2,
        further: list[dict[str, dict[str, Any]]] | None = None,
    ) -> None:
        self.scale = scale
        self.flip = flip
        self.vertical_flip = vertical_flip
        self.brightness = brightness
        named = [pair for entry in further or [] for pair in entry.items()]
        self.further = [make_transform("further", find_transform("further", name), given) for name, given in named]

    def steps(self, size: tuple[int, int] | None) -> Sequence[A.BasicTransform]:
        """Scale and crop (where there is a size to crop to), flips, jitter, and what is asked for further."""
        crop: list[A.BasicTransform] = []
        if size is not None:
            low, high = self.scale
            crop = [
                _resize(size, cv2.INTER_LINEAR),
                A.RandomScale((low - 1, high - 1), p=1.0, **_sampling(cv2.INTER_LINEAR)),
                A.PadIfNeeded(*size, fill=0, fill_mask=IGNORED),
                A.RandomCrop(*size),
            ]
        jitter: dict[str, Any] = {"brightness_limit": self.brightness, "contrast_limit": self.brightness}
        return [
            *crop,
            A.HorizontalFlip(p=self.flip),
            A.VerticalFlip(p=self.vertical_flip),
            A.RandomBrightnessContrast(**jitter, p=0.5 if self.brightness else 0.0),
            *self.further,
        ]
