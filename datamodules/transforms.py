"""albumentations pipelines for training and evaluation."""

import os
import random
from collections.abc import Sequence
from typing import Any, cast

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would otherwise look for updates online

import albumentations as A
import cv2
import numpy as np

from datamodules.albumentations_step import find_transform, make_transform
from datamodules.aspect import Aspect, Interpolation, list_kept_sizes, place
from datamodules.dataset import IGNORED, Sample, Transform
from datamodules.opencv_resize import resize_mask
from datamodules.targets import KNOWN, Targets, select_dense
from user_error import UserError

PREFIX = "target_"
"""Prefix of targets within a pipeline, since albumentations reserves some names."""


def apply(pipeline: A.Compose, sample: Sample, targets: Targets = KNOWN) -> Sample:
    """Run `pipeline` on the image and, with the same geometry, on the mask and the dense targets of `sample`.

    Continuous targets become NaN where the image was padded, since the fill value of masks would be a valid number.
    """
    dense = select_dense(sample, targets)
    given: dict[str, Any] = dict(sample)
    moving = {PREFIX + name: given[name] for name in dense}
    if "continuous" in dense.values():
        moving["outside"] = np.zeros_like(sample["mask"])
    result = pipeline(image=sample["image"], mask=sample["mask"], **moving)
    outside = result["outside"] == IGNORED if "outside" in result else None
    for name, kind in dense.items():
        moved = result[PREFIX + name]
        given[name] = _replace_filling(moved, outside) if kind == "continuous" and outside is not None else moved
    image = result["image"]
    given["image"] = image[..., None] if image.ndim == 2 else image  # some transforms drop a single channel
    given["mask"] = result["mask"]
    return cast(Sample, given)


def _replace_filling(numbers: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Numbers (H, W) or (H, W, N), NaN where `outside` (H, W)."""
    where = outside if numbers.ndim == 2 else outside[..., None]
    return np.where(where, numbers.dtype.type(np.nan), numbers)


def compose(steps: Sequence[A.BasicTransform], targets: Targets = KNOWN) -> A.Compose:
    """An albumentations pipeline that transforms these targets like masks."""
    further = {PREFIX + name: "mask" for name, kind in targets.items() if kind != "whole"}
    return A.Compose(list(steps), additional_targets={**further, "outside": "mask"})


def _make_sampling(interpolation: int, averaged: str | None = "image") -> dict[str, Any]:
    return {
        "interpolation": interpolation,
        "mask_interpolation": cv2.INTER_NEAREST_EXACT,  # INTER_NEAREST shifts masks by up to half a pixel
        "area_for_downscale": averaged,  # as in evaluation: training must not see more aliasing than the test
    }


class _Resize(A.Resize):
    """Resizes masks of any size, which the one of albumentations leaves to OpenCV."""

    def apply_to_mask(self, mask: np.ndarray, *_: Any, **__: Any) -> np.ndarray:
        return resize_mask(mask, (self.height, self.width))


def _resize(size: tuple[int, int], interpolation: int, averaged: str | None = "image") -> A.Resize:
    return _Resize(*size, **_make_sampling(interpolation, averaged))


class Resize:
    """Resizes every image to one size (height, width); with `None` each keeps its own.

    The image is averaged over areas when it shrinks and interpolated linearly when it grows; masks and other targets are
    resampled by the nearest pixel. Where an image is padded, its mean colour fills the frame, and every target is ignored
    there.

    Args:
        size: (height, width).
        targets: types of the targets that are transformed with the image.
        aspect: how images of another aspect ratio are fitted.
        drawn: whether the position of a crop is drawn by the seed; it is centred otherwise.
        multiple: with the aspect "keep", sides are brought up to multiples of it.
        interpolation: how images shrink.
    """

    def __init__(
        self,
        size: tuple[int, int] | None,
        targets: Targets = KNOWN,
        aspect: Aspect = "squash",
        drawn: bool = False,
        multiple: int = 1,
        interpolation: Interpolation = "area",
    ) -> None:
        self.size = size
        self.multiple = multiple
        self.interpolation: Interpolation = interpolation
        self.targets = targets
        self.aspect: Aspect = aspect
        self.drawn = drawn
        if size is not None:
            shrinking = cv2.INTER_AREA if interpolation == "area" else cv2.INTER_LINEAR
            averaged = "image" if interpolation == "area" else None
            self._shrink = compose([_resize(size, shrinking, averaged)], targets)
            self._grow = compose([_resize(size, cv2.INTER_LINEAR)], targets)

    def __call__(self, sample: Sample, seed: int = 0) -> Sample:
        """The sample, resized."""
        if self.size is not None and self.aspect == "keep":
            height, width = sample["mask"].shape
            for target in list_kept_sizes((height, width), self.size, self.multiple):
                sample = Resize(target, self.targets, interpolation=self.interpolation)(sample)
            return sample
        if self.size is None or sample["mask"].shape == self.size:
            return sample
        if self.aspect != "squash":
            return self._fit_frame(sample, self.size, seed)
        shrinks = self.size[0] * self.size[1] < sample["mask"].size
        return apply(self._shrink if shrinks else self._grow, sample, self.targets)

    def _fit_frame(self, sample: Sample, size: tuple[int, int], seed: int) -> Sample:
        height, width = sample["mask"].shape
        first, second = np.random.default_rng([seed, 1]).random(2) if self.drawn else (0.5, 0.5)
        placement = place((height, width), size, self.aspect, (first, second))
        scaled: dict[str, Any] = dict(Resize(placement.scaled, self.targets, interpolation=self.interpolation)(sample))
        fillings = {"classes": IGNORED, "continuous": np.nan}
        for name, kind in select_dense(sample, self.targets).items():
            scaled[name] = placement.put(scaled[name], fillings[kind])
        scaled["mask"] = placement.put(scaled["mask"], IGNORED)
        scaled["image"] = placement.put(scaled["image"], np.rint(scaled["image"].mean((0, 1))))
        return cast(Sample, scaled)


class _Seeded:
    """A pipeline that is seeded for each sample; an object, not a closure, since spawned workers must pickle it."""

    def __init__(self, pipeline: A.Compose, resize: Resize) -> None:
        self.pipeline = pipeline
        self.resize = resize

    def __call__(self, sample: Sample, seed: int) -> Sample:
        if self.resize.aspect != "squash":
            sample = self.resize(sample, seed)  # the steps themselves fit both sides
        # not set_random_seed: it gives every step the same stream, so that both flips come together or not at all
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        try:
            changed = apply(self.pipeline, sample, self.resize.targets)
        except Exception as error:  # transforms raise errors of many classes for unsupported images
            channels, reason = sample["image"].shape[-1], " ".join(str(error).split())
            raise UserError(f"the augmentation cannot take images of {channels} channels ({reason})") from error
        return self.resize(changed)


class Augmentation:
    """Training augmentation: `make_steps` returns the albumentations transforms, whose parameters are drawn per sample."""

    def make_steps(self, size: tuple[int, int] | None) -> Sequence[A.BasicTransform]:
        """The transforms, in order; the result has `size`, or the input's size where it is `None`."""
        raise NotImplementedError

    def bind(self, size: tuple[int, int] | None, targets: Targets = KNOWN, aspect: Aspect = "squash") -> Transform:
        """The transform to images of `size`, with these targets beside them; see `Resize`."""
        return _Seeded(compose(self.make_steps(size), targets), Resize(size, targets, aspect, drawn=True))


class NoAugmentation(Augmentation):
    """No augmentation; images are resized to the data module's size."""

    def make_steps(self, size: tuple[int, int] | None) -> Sequence[A.BasicTransform]:
        """None."""
        return []


class FlipScaleCrop(Augmentation):
    """Random horizontal flip, scale and crop, and a light colour jitter: the field's common recipe.

    Args:
        scale: range of the zoom; the crop keeps the data module's size.
        flip: probability of a horizontal flip.
        vertical_flip: probability of a vertical flip, for images without an up.
        brightness: largest change of brightness and contrast, relative to the range.
        further: transforms of albumentations that follow, each as ``{Name: {argument: value}}``, with the probability
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

    def make_steps(self, size: tuple[int, int] | None) -> Sequence[A.BasicTransform]:
        """Scale and crop (where there is a size to crop to), flips, jitter, and the `further` transforms."""
        crop: list[A.BasicTransform] = []
        if size is not None:
            low, high = self.scale
            crop = [
                _resize(size, cv2.INTER_LINEAR),
                A.RandomScale((low - 1, high - 1), p=1.0, **_make_sampling(cv2.INTER_LINEAR)),
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
