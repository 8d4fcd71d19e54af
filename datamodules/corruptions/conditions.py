"""Conditions under which the images of a sweep are evaluated."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from datamodules.corruptions.base import JSON, Corruption, draw_key
from datamodules.corruptions.further_targets import TargetTensors
from datamodules.dataset import IGNORED

CLEAN = "clean"


class Condition(ABC):
    """A condition that does not depend on the network.

    Scores are averaged separately for each kind of condition.
    """

    name: str
    severity: int
    family: str | None
    kind: ClassVar[str]

    @property
    def needs(self) -> Sequence[str]:
        """Further targets of the data that it reads, by name."""
        return ()

    @abstractmethod
    def __call__(
        self, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        """Images and masks under this condition; random draws follow from (`seed`, id).

        Args:
            images: uint8 (B, C, H, W).
            masks: int64 (B, H, W), 255 where ignored.
            ids: of the images.
            seed: of the suite.
            targets: those that it `needs`, float (B, H, W), by name.

        Returns:
            uint8 (B, C, H, W) and int64 (B, H, W). Unchanged tensors are returned as the same objects.
        """

    def draw_region(self, images: Tensor, ids: Sequence[str], seed: int) -> Tensor | None:
        """The region in which images, (B, C, H, W), differ under this condition: bool (B, H, W); `None` for all of them."""
        return None

    @property
    @abstractmethod
    def parameters(self) -> dict[str, JSON]:
        """What determines the pixels beside name and severity."""

    def __str__(self) -> str:
        return self.name


class Clean(Condition):
    """The unchanged images."""

    name = CLEAN
    severity = 0
    family = None
    kind = "clean"

    @override
    def __call__(
        self, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        return images, masks

    @property
    @override
    def parameters(self) -> dict[str, JSON]:
        return {}


@dataclass(frozen=True)
class Corrupted(Condition):
    """A corruption at a severity."""

    corruption: Corruption
    severity: int

    kind = "corruption"

    @property
    def name(self) -> str:  # type: ignore[override]
        """Of the corruption."""
        return self.corruption.name

    @property
    def family(self) -> str:  # type: ignore[override]
        """Of the corruption."""
        return self.corruption.family

    @property
    @override
    def needs(self) -> Sequence[str]:
        return self.corruption.needs

    @override
    def __call__(
        self, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        further = [targets or {}] if self.needs else []  # a class of one's own need not know of targets
        return self.corruption.apply(images, masks, self.severity, self._draw_keys(ids, seed), *further)

    @override
    def draw_region(self, images: Tensor, ids: Sequence[str], seed: int) -> Tensor | None:
        keys = self._draw_keys(ids, seed).to(images.device)
        return self.corruption.draw_region(keys, self.severity, images.shape[2], images.shape[3])

    def _draw_keys(self, ids: Sequence[str], seed: int) -> Tensor:
        keys = [draw_key(seed, image_id, self.name, self.severity) for image_id in ids]
        return torch.tensor(keys, dtype=torch.int64)

    @property
    @override
    def parameters(self) -> dict[str, JSON]:
        return self.corruption.describe_parameters(self.severity)

    def __str__(self) -> str:
        return f"{self.name} at severity {self.severity}"


@dataclass(frozen=True)
class Shifted(Condition):
    """A real shift: the clean images selected by a column of ``meta.csv``; all pixels of the others are ignored.

    Args:
        column: of ``meta.csv``.
        value: value of the selected images in that column.
        members: ids of the selected images.
    """

    column: str
    value: str
    members: frozenset[str]

    severity = 0
    family = "shift"
    kind = "shift"

    @property
    def name(self) -> str:  # type: ignore[override]
        """Column and value."""
        return f"{self.column}={self.value}"

    @override
    def __call__(
        self, images: Tensor, masks: Tensor, ids: Sequence[str], seed: int, targets: TargetTensors | None = None
    ) -> tuple[Tensor, Tensor]:
        others = torch.tensor([image_id not in self.members for image_id in ids], device=masks.device)
        return images, masks.masked_fill(others[:, None, None], IGNORED)

    @property
    @override
    def parameters(self) -> dict[str, JSON]:
        digest = blake2b("\n".join(sorted(self.members)).encode(), digest_size=16).hexdigest()
        return {"images": len(self.members), "ids": digest}
