"""What a checkpoint knows of its data held against data that it meets: classes and channels by name, and the window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule
from experiments.checkpoints.checkpoint import describe_data
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from user_error import UserError


@dataclass(frozen=True)
class Mapped:
    """What a user says of names that differ.

    Args:
        classes: names of the data by those of the checkpoint, such as ``{polyp: lesion}``.
        channels: likewise.
        window: whether another window is meant, such as that of another scanner.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    window: bool = False

    def as_json(self) -> dict[str, Any]:
        """What a record says of it; nothing where nothing is mapped."""
        said = {"classes": dict(self.classes), "channels": dict(self.channels), "window": self.window}
        return {key: value for key, value in said.items() if value}

    @classmethod
    def from_json(cls, said: Any) -> "Mapped":
        """That of `as_json`; what a stranger's record says otherwise is left out."""
        given = said if isinstance(said, dict) else {}
        return cls(_names(given.get("classes")), _names(given.get("channels")), given.get("window") is True)


def require_its_data(file: CheckpointFile, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data of other classes, channels or levels than those that the network of a checkpoint was made for.

    Raises:
        UserError: they differ.
    """
    require_its_numbers(file.path, classes, channels, data)
    require_same_names(file.path, describe_data(file), data)


def require_its_numbers(checkpoint: Path, classes: int, channels: int, data: SegmentationDataModule) -> None:
    """Refuse data of more or fewer classes or channels than those that the network of `checkpoint` was made for.

    Raises:
        UserError: they are.
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


def _names(said: Any) -> dict[str, str]:
    return {str(name): str(meant) for name, meant in said.items()} if isinstance(said, dict) else {}


@dataclass(frozen=True)
class Match:
    """Where the names of the data stand among those of the checkpoint.

    Args:
        classes: which of the checkpoint's classes each class of the data is.
        channels: which channel of the data each of the checkpoint's channels is.
    """

    classes: list[int]
    channels: list[int]

    @property
    def in_order(self) -> bool:
        """Whether all stand where they stood in the training."""
        return all(order == sorted(order) for order in (self.classes, self.channels))


def match_data(
    checkpoint: Path, known: Mapping[str, Any], data: SegmentationDataModule, mapped: Mapped | None = None
) -> Match:
    """Find the classes and channels of data by the names that a checkpoint keeps; one of an early version keeps none.

    Args:
        checkpoint: to be named.
        known: see `describe_data`.
        data: whose names are looked for.
        mapped: names that differ; `None` where a verb does not take any.

    Raises:
        UserError: names or the window differ from those of the training.
    """
    names, further = (mapped.classes, mapped.channels) if mapped else (None, None)
    classes = _order(checkpoint, "class", known.get("classes") or data.classes, data.classes, names)
    channels = _order(checkpoint, "channel", known.get("channels") or data.channels, data.channels, further)
    window, now = known.get("window"), data.reading.window
    if "window" in known and _levels(window) != _levels(now) and not (mapped and mapped.window):
        otherwise = "" if mapped is None else ", or pass --map.window true if it is meant so"
        raise UserError(
            f"{str(checkpoint)!r} was trained on images seen through the window {_levels(window)}, and these data have "
            f"{_levels(now)}: describe the data alike{otherwise}"
        )
    return Match(classes, [channels.index(place) for place in range(len(channels))])


def describe_framing_change(checkpoint: Path, known: Mapping[str, Any], data: SegmentationDataModule) -> str:
    """What is to be said where data bring images to another size, or otherwise, than the training did; else nothing."""
    if "size" not in known:
        return ""
    learned = _framing(known["size"], known.get("aspect", "squash"))
    now = _framing(data.size, data.aspect)
    return "" if now == learned else f"note: {str(checkpoint)!r} learned from images {learned}, and now sees them {now}"


def _framing(size: Sequence[int] | None, aspect: str) -> str:
    return "of their own sizes" if size is None else f"brought to {size[0]} x {size[1]} ({aspect})"


def require_same_names(checkpoint: Path, known: Mapping[str, Any], data: SegmentationDataModule) -> None:
    """Refuse data of other names, or of the same in another order; see `match_data`.

    Raises:
        UserError: they differ.
    """
    if not match_data(checkpoint, known, data).in_order:
        raise UserError(
            f"{str(checkpoint)!r} knows classes {_listed(known.get('classes', ()))} and channels "
            f"{_listed(known.get('channels', ()))}, which the data name in another order: name them in that of the training"
        )


def _order(
    checkpoint: Path, kind: str, theirs: Sequence[str], ours: Sequence[str], mapped: Mapping[str, str] | None
) -> list[int]:
    """Which of `theirs` each of `ours` is."""
    option = f"--map.{'classes' if kind == 'class' else 'channels'}"
    for name, meant in (mapped or {}).items():
        if name not in theirs or meant not in ours:
            raise UserError(
                f"{option} has {name!r}: {meant!r}, but the checkpoint knows {_listed(theirs)} and the data {_listed(ours)}: "
                "give names of the checkpoint, each with one of the data"
            )
    called = [(mapped or {}).get(name, name) for name in theirs]
    if sorted(called) != sorted(ours):
        lacking = next((name for name in ours if name not in called), ours[0])
        unknown = next((name for name in called if name not in ours), called[0])
        otherwise = "" if mapped is None else f", or say which is which, as {option} '{{{unknown}: {lacking}}}'"
        raise UserError(
            f"{str(checkpoint)!r} knows the {kind} {unknown!r}, and the data have {lacking!r} in its place (it knows "
            f"{_listed(theirs)}, they have {_listed(ours)}): pass the --data it was trained for{otherwise}"
        )
    return [called.index(name) for name in ours]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:12])) + (", ..." if len(names) > 12 else "")


def _levels(window: Any) -> list[float] | None:
    return None if window is None else [float(level) for level in window]
