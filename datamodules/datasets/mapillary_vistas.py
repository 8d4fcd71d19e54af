"""Mapillary Vistas: streets of the world."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from datamodules.base import Split
from datamodules.dataset import IGNORED
from datamodules.original_layout import Known, OriginalLayout
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.origins import OR_SET, ORIGINS
from safe_files.json_file import read_json_object
from safe_files.roots import find_data
from user_error import UserError

Version = Literal["v1.2", "v2.0"]
FOLDERS = {"train": "training", "val": "validation", "test": "validation"}
_REMEDY = "unpack the archive of Mapillary Vistas anew"


class MapillaryVistasDataModule(OriginalLayout):
    """Mapillary Vistas: the classes that its configuration says are evaluated, 65 (v1.2) or 116 (v2.0); others are ignored.

    ``{training,validation}/images/*.jpg``, ``{training,validation}/VERSION/labels/*.png`` (or ``labels`` alone, in the first
    release) and ``config_VERSION.json`` (or ``config.json``), which names the classes. The labels of the test images are
    withheld, so `test` means val; choose hyperparameters on a part of train. Each image is of a place of its own.

    Neuhold et al., The Mapillary Vistas Dataset for Semantic Understanding of Street Scenes, ICCV 2017.

    Args:
        root: the folder that holds ``training``, ``validation`` and the configuration.
        version: of the labels.
        **kwargs: see `SegmentationDataModule`.
    """

    origin = "mapillary_vistas"
    archives = "the Vistas dataset"
    test_is_val = True

    def __init__(self, root: str = "data/mapillary_vistas", version: Version = "v1.2", **kwargs: Any) -> None:
        labels = read_labels(find_data(root), version)
        evaluated = [number for number, one in enumerate(labels) if one["evaluate"]]
        values = dict.fromkeys(range(len(labels)), IGNORED) | {number: at for at, number in enumerate(evaluated)}
        super().__init__(
            root,
            MaskReading(values, levels="stored"),
            classes=name_classes([labels[number] for number in evaluated]),
            palette=[labels[number]["color"] for number in evaluated],
            **kwargs,
        )
        self.version = version

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        part = FOLDERS[split]
        masks = self.find_folder(
            f"{part}/{self.version}/labels", *([f"{part}/labels"] if self.version == "v1.2" else [])
        )
        return [Known(one) for one in self.pair_files(self.root / part / "images", masks)]


def read_labels(root: Path, version: str) -> list[dict[str, Any]]:
    """The labels in the configuration of the data, by their number in the masks: `readable`, `color` and `evaluate`.

    Raises:
        UserError: there is none, or it is not as published.
    """
    names = [f"config_{version}.json", *(["config.json"] if version == "v1.2" else [])]
    path = next((root / name for name in names if (root / name).is_file()), None)
    if path is None:
        origin = ORIGINS["mapillary_vistas"]
        raise UserError(
            f"{origin.name} is not in {root} ({names[0]} is looked for): get the Vistas dataset from {origin.page} and unpack "
            f"it there, or {OR_SET}"
        )
    labels = read_json_object(path, _REMEDY).get("labels")
    if not isinstance(labels, list) or not all(map(_is_label, labels)):
        raise UserError(f"{path} does not list `labels` with `readable`, `color` and `evaluate`: {_REMEDY}")
    return labels


def name_classes(labels: Sequence[Mapping[str, Any]]) -> list[str]:
    """The readable name of each label; where several share one, with what tells them apart."""
    names = [str(one["readable"]) for one in labels]
    full = [f"{name} ({one.get('name')})" for name, one in zip(names, labels, strict=True)]
    return [whole if names.count(name) > 1 else name for name, whole in zip(names, full, strict=True)]


def _is_label(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("readable"), str)
        and isinstance(one.get("evaluate"), bool)
        and isinstance(one.get("color"), list)
        and len(one["color"]) == 3
        and all(type(level) is int and 0 <= level <= 255 for level in one["color"])
    )
