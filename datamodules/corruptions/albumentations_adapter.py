"""Any transform of albumentations as a corruption, seeded like all others."""

from collections.abc import Mapping, Sequence
from typing import Any

import albumentations
import numpy as np
import torch
from albumentations.core.transforms_interface import DualTransform
from torch import Tensor
from typing_extensions import override

from datamodules.albumentations_step import find_transform, make_transform
from datamodules.corruptions.base import Corruption, Family
from datamodules.corruptions.declaration import JSON, SEVERITIES
from datamodules.corruptions.further_targets import TargetTensors
from user_error import UserError


class AlbumentationsCorruption(Corruption):
    """A transform of albumentations (Buslaev et al., Information 2020) at five strengths, image by image on the CPU.

    Args:
        name: of the corruption, as in records.
        transform: name of a class of the albumentations package, such as ``RandomRain``.
        severities: its arguments at each of the five severities.
        family: under which the corruption is listed.
        moves_mask: whether a geometric transform is applied to the mask too; pixels from outside the image are then ignored.

    Raises:
        UserError: there is no such transform, it does not take such arguments, or there are not five sets of them.
    """

    libraries = ("albumentations", "opencv-python-headless")
    in_chunks = False

    def __init__(
        self,
        name: str,
        transform: str,
        severities: list[dict[str, Any]],
        family: Family = "digital",
        moves_mask: bool = False,
    ) -> None:
        self.name = name
        self.family = family
        self.transform = transform
        self.moves_masks = moves_mask
        self.arguments = [dict(arguments) for arguments in severities]
        if len(severities) != len(SEVERITIES):
            raise UserError(
                f"{name} has arguments for {len(severities)} severities: give one mapping for each of 1 to 5"
            )
        kind = find_transform(name, transform)
        if moves_mask and not issubclass(kind, DualTransform):
            raise UserError(f"{name}: {transform} leaves masks as they are: do not set `moves_mask`")
        self._pipelines = [
            albumentations.Compose([make_transform(name, kind, arguments, p=1)], seed=0) for arguments in self.arguments
        ]

    @property
    @override
    def severities(self) -> Mapping[str, Sequence[Any]]:
        return {"arguments": self.arguments}

    @override
    def look_up(self, severity: int) -> dict[str, Any]:
        return {"pipeline": self._pipelines[severity - 1]}

    @override
    def corrupt(self, images: Tensor, keys: Tensor, *, pipeline: albumentations.Compose) -> Tensor:
        results = [self._transform(image, None, pipeline, key)[0] for image, key in zip(images, keys, strict=True)]
        return torch.stack(results).to(images.device)

    @override
    def apply(
        self, images: Tensor, masks: Tensor, severity: int, keys: Tensor, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        if not self.moves_masks or not images.numel():
            return super().apply(images, masks, severity, keys, targets)
        self._check(images, severity, keys)
        scenes = zip(images, masks, keys, strict=True)
        pipeline = self.look_up(severity)["pipeline"]
        pairs = [self._transform(image, mask, pipeline, key) for image, mask, key in scenes]
        moved, scored = (torch.stack(part) for part in zip(*pairs, strict=True))
        return moved.to(images.device), scored.to(masks.device)

    def _transform(
        self, image: Tensor, mask: Tensor | None, pipeline: albumentations.Compose, key: Tensor
    ) -> tuple[Tensor, Tensor]:
        pipeline.set_random_seed(int(key) % (1 << 32))
        levels = np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy())
        scene = {"image": levels} if mask is None else {"image": levels, "mask": mask.cpu().numpy().astype(np.uint8)}
        try:
            result = pipeline(**scene)
        except Exception as error:  # transforms raise errors of many classes for unsupported images
            reason = " ".join(str(error).split())
            raise UserError(f"{self.transform} cannot take images of {len(image)} channels ({reason})") from error
        changed = result["image"]
        if changed.shape != levels.shape or changed.dtype != np.uint8:
            raise UserError(
                f"{self.transform} turned an image of {levels.shape} into {changed.dtype} of {changed.shape}: take one "
                "that keeps size and type"
            )
        scored = torch.from_numpy(result.get("mask", np.zeros(0))).to(torch.int64)
        return torch.from_numpy(np.ascontiguousarray(changed.transpose(2, 0, 1))), scored

    @override
    def describe_parameters(self, severity: int) -> dict[str, JSON]:
        return {"transform": self.transform, "moves_mask": self.moves_masks, **self.arguments[severity - 1]}
