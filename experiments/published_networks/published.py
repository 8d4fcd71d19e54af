"""What a reader makes of a published network."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from experiments.checkpoints.derived_checkpoint import make_component
from user_error import UserError


@dataclass(frozen=True)
class Asked:
    """What the user says of a source beside its name.

    Args:
        revision: branch, tag or commit of a repository of the hub.
        network: YAML of a network of this repository, for a plain state dict.
        weights: local file of weights, where the source is a name of torchvision's.
        classes: names of the network's classes, in their order, where the source states none.
        in_order: whether the network's classes are those of the data, in their order.
        mean: of the network's input by channel, in shares of the image's range.
        std: likewise.
        size: the one size (H, W) that the network takes.
        channels: number of the data's channels.
        num_classes: of the data.
        masks_at: "image" where masks are scored at the image's size instead of the library's.
    """

    channels: int
    num_classes: int
    revision: str | None = None
    network: str | None = None
    weights: Path | None = None
    classes: Sequence[str] | None = None
    in_order: bool = False
    mean: list[float] | None = None
    std: list[float] | None = None
    size: tuple[int, int] | None = None
    masks_at: str = "library"

    def count_classes(self) -> int:
        """Number of the network's classes, where the source does not state it."""
        return self.num_classes if self.classes is None else len(self.classes)


@dataclass(frozen=True)
class Published:
    """A published network, rebuilt as one of this project with its weights.

    Args:
        network: with its weights.
        settings: of its class, beside the numbers of classes and channels.
        num_classes: number of its classes.
        in_channels: number of the channels of its images.
        classes: their names; `None` where the source states none.
        sha256: digest of its weights.
        facts: what the checkpoint records of it: format, revision, preprocessing, ...
        notes: sentences for the user.
    """

    network: nn.Module
    settings: Mapping[str, Any]
    num_classes: int
    in_channels: int
    classes: Sequence[str] | None
    sha256: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def component(self) -> dict[str, Any]:
        """Its class and settings, as a checkpoint stores them."""
        return make_component(type(self.network), self.settings)


def hash_files(paths: Sequence[Path]) -> str:
    """SHA-256 of a file; of several, that of their digests in the order of their names."""
    digests = []
    for path in sorted(paths):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def choose_levels(asked: Asked, stated: Mapping[str, list[float]] | None, where: str) -> dict[str, list[float]]:
    """Mean and standard deviation of the network's input: those of the user, else those that the source states.

    Args:
        asked: see `Asked`.
        stated: mean and std of the source; `None` where it states none.
        where: the source, for the message.

    Raises:
        UserError: neither states them.
    """
    found = {}
    for key, given in (("mean", asked.mean), ("std", asked.std)):
        levels = given or (stated or {}).get(key)
        if levels is None:
            raise UserError(
                f"{where} does not say how the images that it takes are normalised: pass --mean and --std (0,0,0 and 1,1,1 "
                "for images in [0, 1], 0.485,0.456,0.406 and 0.229,0.224,0.225 for those of ImageNet)"
            )
        found[key] = [float(level) for level in levels]
    return found


def list_some(names: Sequence[str], most: int = 6) -> str:
    """The first names of a list, in quotes, and how many more there are."""
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
