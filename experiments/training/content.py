"""Digests of a training's inputs besides its settings: its data, and the files that its settings name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule, Split
from datamodules.fingerprint import Fingerprint
from experiments.files.atomic_write import atomic_write
from experiments.files.digest import compute_sha256
from safe_files.json_file import read_json
from safe_files.roots import find_weights
from user_error import UserError

WATCHED = "meta"
"""A setting of a fingerprint that does not affect training: metadata of the images."""


@dataclass(frozen=True)
class Content:
    """Fingerprints of the splits that a training uses, and digests of the files that its model's settings name."""

    splits: dict[str, Fingerprint]
    files: dict[str, str]

    def list_digests(self) -> dict[str, dict[str, str]]:
        """The digests that a checkpoint stores."""
        return {"splits": {name: found.sha256 for name, found in self.splits.items()}, "files": self.files}

    def save(self, path: Path) -> None:
        """Write the fingerprints of the splits, so that the next call need not read unchanged files and can name others."""
        with atomic_write(path) as file:
            json.dump({name: found.as_json() for name, found in self.splits.items()}, file)

    def find_change(self, before: Any, known: Mapping[str, Fingerprint]) -> str | None:
        """Describe what changed since a checkpoint was written; `None` where nothing did, or it is unknown.

        Args:
            before: `list_digests` of the checkpoint.
            known: earlier fingerprints of the splits, as far as they are known.
        """
        if not isinstance(before, dict):
            return None
        splits, files = (found if isinstance(found := before.get(key), dict) else {} for key in ("splits", "files"))
        for name, now in self.splits.items():
            if name in splits and splits[name] != now.sha256:
                was = known.get(name)
                what = now.find_difference_from(was) if was is not None and was.sha256 == splits[name] else None
                return f"the images or masks of the split {name!r} are no longer those that it began with" + (
                    f" ({what})" if what else ""
                )
        changed = next((name for name, now in self.files.items() if files.get(name, now) != now), None)
        return None if changed is None else f"the file of {changed} is no longer the one that it began with"


def read_splits(path: Path) -> dict[str, Fingerprint]:
    """Read what `Content.save` wrote; empty where it cannot be read."""
    try:
        saved = read_json(path, "pass another --run, or --restart")
    except (OSError, UserError):
        return {}
    found = {name: Fingerprint.from_json(one) for name, one in saved.items()} if isinstance(saved, dict) else {}
    return {name: one for name, one in found.items() if one is not None}


def read_content(
    data: SegmentationDataModule, splits: Sequence[Split], model: Any, known: Mapping[str, Fingerprint]
) -> Content:
    """Compute the current content of a training's inputs.

    Args:
        data: of the training.
        splits: those that it uses.
        model: settings of the module; each text in them that is the path of a file names one.
        known: earlier fingerprints, so that unchanged files need not be read.
    """
    found: dict[str, Fingerprint] = {split: data.compute_fingerprint(split, known.get(split)) for split in splits}
    seen = {name: replace(one, settings=_drop_key(one.settings, WATCHED)) for name, one in found.items()}
    return Content(seen, {name: compute_sha256(path) for name, path in find_named_files(model, "model").items()})


def find_named_files(settings: Any, place: str) -> dict[str, Path]:
    """The files that settings name, by the dotted keys of the settings."""
    if isinstance(settings, dict):
        entries = [(f"{place}.{key}", value) for key, value in settings.items()]
    elif isinstance(settings, list):
        entries = [(f"{place}.{number}", value) for number, value in enumerate(settings)]
    else:
        return {place: find_weights(settings)} if isinstance(settings, str) and _is_file(settings) else {}
    return {name: path for key, value in entries for name, path in find_named_files(value, key).items()}


def _is_file(text: str) -> bool:
    try:
        return find_weights(text).is_file()
    except (OSError, ValueError):  # too long, or not a valid path
        return False


def _drop_key(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != key}
