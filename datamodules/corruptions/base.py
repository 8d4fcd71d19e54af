"""The base of all corruptions: maps of 8-bit images whose random draws follow from one key per image."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from hashlib import blake2b
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from datamodules.corruptions.declaration import GIVEN, JSON, SEVERITIES, as_json, read_parameters, require_declared
from datamodules.corruptions.further_targets import TargetTensors, require_needed
from user_error import UserError

Family = Literal[
    "noise", "blur", "weather", "digital",
    "lighting", "occlusion", "geometric",
    "endoscopy", "microscopy", "mri", "radiology",
]  # fmt: skip
SMALLEST_SIDE = 32
CHUNK = 1 << 18  # values that stay in the cache of one core; larger batches are cut into chunks on a CPU


class Corruption(ABC):
    """A corruption at five severities, for images of any size and any number of channels.

    The severities are those of Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions
    and Perturbations" (ICLR 2019), as `imagecorruptions` (Michaelis et al., 2019) extends them to any size.

    A subclass states its `name`, `family` and `severities` and implements `corrupt`, which takes the parameters that
    `severities` and `constants` name. The pixels of an image depend on that image and its key alone, never on the rest of
    the batch.

    Raises:
        UserError: when a subclass is defined whose `corrupt` does not take the parameters that it declares.
    """

    name: str
    """Name in snake_case, as in records and published tables."""

    family: Family

    @property
    @abstractmethod
    def severities(self) -> Mapping[str, Sequence[Any]]:
        """The values of each parameter at severities 1 to 5, by its name; `None` where a severity does not use it.

        A subclass declares them as an attribute: ``severities = declare(radius=(3, 4, 6, 8, 10))``.
        """

    constants: ClassVar[Mapping[str, Any]] = {}
    """Parameters that are the same at every severity; the manifest of a suite contains them, too."""

    libraries: tuple[str, ...] = ()
    """Installed packages whose version can change the pixels; none where the arithmetic is exact."""

    per_channel: bool = False
    """Whether channels are corrupted independently; `corrupt` then gets each as an image, (B * C, 1, H, W)."""

    colour_only: bool = False
    """Whether it is defined for RGB only; images with any other number of channels are not changed."""

    exact: bool = False
    """Whether all devices give the same bits: it computes with integers, tables, or floats without rounding errors.

    For the others nearly all pixels agree within one level, since a device may fuse or reorder operations on floats.
    """

    reads_masks: bool = False
    """Whether the corrupted image depends on the mask; then `apply` must be called with masks."""

    moves_masks: bool = False
    """Whether `apply` returns other masks than it is given; a class that overrides it to that end says so."""

    needs: Sequence[str] = ()
    """Further dense targets of the data that it reads, such as "depth"; `corrupt` gets each by its name, float32 (B, H, W)."""

    has_region: bool = False
    """Whether it changes a region of each image alone, which `draw_region` gives."""

    in_chunks: ClassVar[bool] = True
    """Whether a CPU processes a few images at a time; `False` for a corruption that divides the batch itself."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        require_declared(cls, cls.corrupt, (*GIVEN, *cls.needs))

    @property
    def of_image_alone(self) -> bool:
        """Whether it takes nothing of the data but the image."""
        return not self.reads_masks and not self.needs

    def __call__(self, images: Tensor, severity: int, keys: Tensor, targets: TargetTensors | None = None) -> Tensor:
        """Corrupted copies of `images`.

        Args:
            images: uint8 (B, C, H, W) on any device, H and W at least 32 px.
            severity: 1 (light) to 5 (strong).
            keys: int64 (B,), one random key per image; see `draw_key`.
            targets: those that it `needs`, float (B, H, W), by name; others are not looked at.

        Returns:
            uint8 (B, C, H, W), contiguous, on the device of `images`.

        Raises:
            UserError: an argument has another type, shape or range, or a target is missing.
        """
        self._check(images, severity, keys)
        needed = require_needed(self.name, self.needs, images, targets or {})
        if not images.numel() or (self.colour_only and images.shape[1] != 3):
            return images.clone()
        images, keys = images.contiguous(), keys.to(images.device)
        if not self.per_channel:
            return self._corrupt_chunks(images, severity, keys, needed)
        planes, channels = images.view(-1, 1, *images.shape[2:]), images.shape[1]
        needed = {name: one.repeat_interleave(channels, 0) for name, one in needed.items()}
        return self._corrupt_chunks(planes, severity, keys.repeat_interleave(channels), needed).view(images.shape)

    def apply(
        self, images: Tensor, masks: Tensor, severity: int, keys: Tensor, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        """Corrupted copies of `images` and the masks by which they are scored.

        Most corruptions neither read nor change the masks; the others override this method.

        Args:
            images: uint8 (B, C, H, W).
            masks: int64 (B, H, W), 255 where ignored; not modified.
            severity: 1 to 5.
            keys: int64 (B,).
            targets: those that it `needs`, float (B, H, W), by name.

        Returns:
            uint8 (B, C, H, W) and int64 (B, H, W).

        Raises:
            UserError: an argument has another type, shape or range, or a target is missing.
        """
        return self(images, severity, keys, targets), masks

    def draw_region(self, keys: Tensor, severity: int, height: int, width: int) -> Tensor | None:
        """The region that it changes, where it does not change the whole image: bool (B, H, W), on the device of `keys`.

        Args:
            keys: int64 (B,).
            severity: 1 to 5.
            height: of the images, in pixels.
            width: of the images, in pixels.
        """
        return None

    def _corrupt_chunks(self, images: Tensor, severity: int, keys: Tensor, needed: TargetTensors) -> Tensor:
        parameters = self.look_up(severity)
        per_chunk = count_images_per_chunk(images)
        if not self.in_chunks or len(images) <= per_chunk:
            return self.corrupt(images, keys, **needed, **parameters)
        result = torch.empty_like(images)
        for start in range(0, len(images), per_chunk):
            chunk = slice(start, start + per_chunk)
            some = {name: one[chunk] for name, one in needed.items()}
            result[chunk] = self.corrupt(images[chunk], keys[chunk], **some, **parameters)
        return result

    @abstractmethod
    def corrupt(self, images: Tensor, keys: Tensor, *_: Any, **parameters: Any) -> Tensor:
        """Compute the corruption of checked, contiguous arguments; `images` must not be modified.

        A subclass names the parameters: ``def corrupt(self, images: Tensor, keys: Tensor, *, radius: int) -> Tensor``.

        Args:
            images: uint8 (B, C, H, W).
            keys: int64 (B,), on the device of `images`.
            parameters: those of one severity, see `look_up`, and the targets that it `needs`, float32 (B, H, W).

        Returns:
            uint8 (B, C, H, W).
        """

    def look_up(self, severity: int) -> dict[str, Any]:
        """The parameters of a severity by their names, as `corrupt` takes them."""
        return {name: values[severity - 1] for name, values in self.severities.items()} | {**self.constants}

    def with_parameters(self, parameters: Mapping[str, Any]) -> Self:
        """This corruption, with other strengths at its severities.

        Args:
            parameters: five values of each parameter that is to be another, by its name.

        Raises:
            UserError: they are not five values of declared parameters, or the corruption takes its severities as arguments.
        """
        declared: Any = type(self).severities  # a property where they follow from arguments
        if not isinstance(declared, Mapping):
            raise UserError(f"{self.name} takes its severities as arguments: state them there")
        found = copy(self)
        vars(found)["severities"] = read_parameters(self.name, declared, parameters)
        return found

    def describe_parameters(self, severity: int) -> dict[str, JSON]:
        """The parameters of a severity for the manifest of a suite, in the units of the corruption."""
        return {name: as_json(value) for name, value in self.look_up(severity).items() if value is not None}

    def _check(self, images: Tensor, severity: int, keys: Tensor) -> None:
        if severity not in SEVERITIES:
            raise UserError(f"{self.name} has no severity {severity!r}: choose one of 1 to 5")
        if images.dtype != torch.uint8 or images.ndim != 4:
            found = f"{images.dtype} of shape {tuple(images.shape)}"
            raise UserError(f"{self.name} met images of {found}: hand it 8-bit images of shape (B, C, H, W)")
        if min(images.shape[2:]) < SMALLEST_SIDE:
            height, width = images.shape[2:]
            raise UserError(
                f"{self.name} met images of {height} x {width} pixels: corruptions are defined from "
                f"{SMALLEST_SIDE} x {SMALLEST_SIDE} on, give the data a larger size, and "
                "pass --order resize_then_corrupt where the files themselves are that small"
            )
        if keys.dtype != torch.int64 or keys.shape != images.shape[:1]:
            found = f"keys of {keys.dtype} and shape {tuple(keys.shape)} for {len(images)} images"
            raise UserError(f"{self.name} met {found}: hand it one int64 key per image")


def count_images_per_chunk(images: Tensor) -> int:
    """How many of the images (B, C, H, W) are processed at once: as many as fit the cache of a CPU, all on other devices."""
    if images.device.type != "cpu":
        return max(1, len(images))
    return max(1, CHUNK // images.shape[1:].numel())


def draw_key(seed: int, image_id: str, corruption: str, severity: int) -> int:
    """The key of all random draws of one corruption for one image: a signed 64-bit integer."""
    draw = json.dumps([seed, image_id, corruption, severity]).encode()
    return int.from_bytes(blake2b(draw, digest_size=8).digest(), "little", signed=True)
