"""Matching a checkpoint to data: classes and channels by their names, and the window of intensities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from plain_values import show
from user_error import UserError


@dataclass(frozen=True)
class Mapped:
    """The user's mapping of names that differ between checkpoint and data.

    Args:
        classes: names of the data by those of the checkpoint, such as ``{polyp: lesion}``.
        channels: likewise.
        window: whether a different window is intended, such as that of another scanner.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    window: bool = False

    def as_json(self) -> dict[str, Any]:
        """The mapping as a record stores it; empty where nothing is mapped."""
        content = {"classes": dict(self.classes), "channels": dict(self.channels), "window": self.window}
        return {key: value for key, value in content.items() if value}

    @classmethod
    def from_json(cls, content: Any) -> "Mapped":
        """The inverse of `as_json`; invalid entries of an untrusted record are left out."""
        given = content if isinstance(content, dict) else {}
        return cls(_as_names(given.get("classes")), _as_names(given.get("channels")), given.get("window") is True)


def require_its_data(file: CheckpointFile, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data whose classes, channels or window differ from those of a checkpoint.

    Raises:
        UserError: they differ.
    """
    require_its_numbers(file.path, classes, channels, data)
    require_same_names(file.path, describe_data(file), data)


def require_its_numbers(checkpoint: Path, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data whose numbers of classes or channels differ from those of a checkpoint.

    Raises:
        UserError: they differ.
    """
    if classes != data.num_classes:
        raise UserError(
            f"{str(checkpoint)!r} tells {classes} classes apart, but the data have {data.num_classes}: pass the --data it "
            "was trained for"
        )
    if channels != data.in_channels:
        raise UserError(
            f"{str(checkpoint)!r} takes images of {channels} channels, but the data have {data.in_channels}: pass the "
            "--data it was trained for"
        )


def _as_names(content: Any) -> dict[str, str]:
    return {str(name): str(meant) for name, meant in content.items()} if isinstance(content, dict) else {}


@dataclass(frozen=True)
class Match:
    """The order of the data's classes and channels relative to the checkpoint's.

    Args:
        classes: index of the checkpoint's class for each class of the data.
        channels: index of the data's channel for each channel of the checkpoint.
    """

    classes: list[int]
    channels: list[int]

    @property
    def in_order(self) -> bool:
        """Whether all are in the order of the training."""
        return all(order == sorted(order) for order in (self.classes, self.channels))


def match_data(
    checkpoint: Path, known: Mapping[str, Any], data: SegmentationDataModule, mapped: Mapped | None = None
) -> Match:
    """Match classes and channels of data by the names in a checkpoint; those of early versions hold none.

    Args:
        checkpoint: its path, for the message.
        known: see `describe_data`.
        data: the data to match.
        mapped: names that differ; `None` where the verb has no options for them.

    Raises:
        UserError: names or the window differ from those of the training.
    """
    class_names, channel_names = (mapped.classes, mapped.channels) if mapped else (None, None)
    classes = _find_order(checkpoint, "class", known.get("classes") or data.classes, data.classes, class_names)
    channels = _find_order(checkpoint, "channel", known.get("channels") or data.channels, data.channels, channel_names)
    window, now = known.get("window"), data.reading.window
    if "window" in known and _as_levels(window) != _as_levels(now) and not (mapped and mapped.window):
        otherwise = "" if mapped is None else ", or pass --map.window true if it is meant so"
        raise UserError(
            f"{str(checkpoint)!r} was trained on images seen through the window {_as_levels(window)}, and these data have "
            f"{_as_levels(now)}: describe the data alike{otherwise}"
        )
    if (learned := known.get("percentiles")) is not None and learned != (data.percentiles and list(data.percentiles)):
        raise UserError(
            f"{str(checkpoint)!r} was trained on images seen between the percentiles {show(learned)} of their levels, and these "
            f"data have {data.percentiles and list(data.percentiles)}: describe the data alike"
        )
    return Match(classes, [channels.index(place) for place in range(len(channels))])


def describe_framing_change(checkpoint: Path, known: Mapping[str, Any], data: SegmentationDataModule) -> str:
    """A note where the data resize images to another size, or in another way, than the training did; else empty."""
    if "size" not in known:
        return ""
    learned = _describe_framing(known["size"], known.get("aspect", "squash"))
    now = _describe_framing(data.size, data.aspect)
    return "" if now == learned else f"note: {str(checkpoint)!r} is for images {learned}, and now sees them {now}"


def _describe_framing(size: Sequence[int] | None, aspect: str) -> str:
    return "of their own sizes" if size is None else f"brought to {size[0]} x {size[1]} ({aspect})"


def require_same_names(checkpoint: Path, known: Mapping[str, Any], data: SegmentationDataModule) -> None:
    """Refuse data with other names, or the same names in another order; see `match_data`.

    Raises:
        UserError: they differ.
    """
    if not match_data(checkpoint, known, data).in_order:
        raise UserError(
            f"{str(checkpoint)!r} knows classes {_list_names(known.get('classes', ()))} and channels "
            f"{_list_names(known.get('channels', ()))}, which the data name in another order: name them in that of the training"
        )


def _find_order(
    checkpoint: Path,
    kind: str,
    checkpoint_names: Sequence[str],
    data_names: Sequence[str],
    mapped: Mapping[str, str] | None,
) -> list[int]:
    """For each name of the data, its index among those of the checkpoint."""
    known, found = _list_names(checkpoint_names), _list_names(data_names)
    option = f"--map.{'classes' if kind == 'class' else 'channels'}"
    for name, meant in (mapped or {}).items():
        if name not in checkpoint_names or meant not in data_names:
            raise UserError(
                f"{option} has {name!r}: {meant!r}, but the checkpoint knows {known} and the data {found}: "
                "give names of the checkpoint, each with one of the data"
            )
    called = [(mapped or {}).get(name, name) for name in checkpoint_names]
    if sorted(called) != sorted(data_names):
        lacking = next((name for name in data_names if name not in called), data_names[0])
        unknown = next((name for name in called if name not in data_names), called[0])
        otherwise = "" if mapped is None else f", or say which is which, as {option} '{{{unknown}: {lacking}}}'"
        raise UserError(
            f"{str(checkpoint)!r} knows the {kind} {unknown!r}, and the data have {lacking!r} in its place (it knows "
            f"{known}, they have {found}): pass the --data it was trained for{otherwise}"
        )
    return [called.index(name) for name in data_names]


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:12])) + (", ..." if len(names) > 12 else "")


def _as_levels(window: Any) -> list[float] | None:
    return None if window is None else [float(level) for level in window]
