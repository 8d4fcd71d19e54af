"""Any data set in nnU-Net's raw format: volumes slice by slice, or pictures, split by cases."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datamodules.base import SegmentationDataModule, Split
from datamodules.cases import CaseSlices, StackedPictures
from datamodules.dataset import SegmentationDataset
from datamodules.grouping import SEQUENCE, parse_names
from datamodules.image_files import ImageFiles
from datamodules.reading import nnunet
from datamodules.reading.image_reading import COLOURS, ImageReading, is_window
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.nifti import PLANES, Plane
from datamodules.reading.pairs import Case, Pair
from datamodules.splitting import SHARES, split_by_unit
from safe_files.roots import find_data
from user_error import UserError

PATIENT = "{patient}"


class NnUNetDataModule(SegmentationDataModule):
    """A folder ``DatasetXXX_NAME`` of ``nnUNet_raw``.

    Cases are split, never slices. Without `fold`, those of ``imagesTr`` are divided by `shares` and `seed`. With `fold`,
    they are divided as nnU-Net does: by the ``splits_final.json`` of the preprocessed data, where there is one, else by its
    own draw. Where ``labelsTs`` is there, `test` is ``imagesTs``; with a fold and without it, `test` means `val`.

    ``dataset.json`` says channels and classes. The label `ignore` is ignored; regions overlap, and need `labels`.

    Isensee et al., nnU-Net, Nature Methods 2021.

    Args:
        root: the folder with ``dataset.json``, ``imagesTr`` and ``labelsTr``.
        plane: through which volumes are cut, whatever the order of their axes.
        window: the levels that become 0 and 255; for CT, in Hounsfield units.
        percentiles: of each channel of each case, which become 0 and 255, in place of a window; for MRI, whose levels have no
            unit, such as [0.5, 99.5].
        labels: names of the values of the labels, as ``{background: 0, tumour: 1}``, in place of those of ``dataset.json``.
        fold: of nnU-Net's cross-validation.
        preprocessed: the folder ``nnUNet_preprocessed``; the one beside ``nnUNet_raw`` if `None`.
        patient: pattern of the names of cases, such as ``{patient}_frame{place}``, where a patient has several; patients
            are then split, and are the units. ``*`` stands for anything but digits.
        shares: of the slices for train, val and test, without `fold`.
        seed: another one gives another split, without `fold`.
        unit: "case", or "patient" with a pattern; `None` for slices that stand for themselves.
        **kwargs: see `SegmentationDataModule`.

    Raises:
        UserError: the folder or its ``dataset.json`` is missing or malformed, or a setting is.
    """

    def __init__(
        self,
        root: str,
        plane: Plane = "axial",
        window: tuple[float, float] | None = None,
        percentiles: tuple[float, float] | None = None,
        labels: dict[str, int] | None = None,
        fold: int | None = None,
        preprocessed: str | None = None,
        patient: str | None = None,
        shares: dict[str, float] | None = None,
        seed: int = 0,
        unit: str | None = "case",
        **kwargs: Any,
    ) -> None:
        self.root = find_data(root)
        if not (self.root / "dataset.json").is_file():
            raise UserError(
                f"{self.root} holds no dataset.json: set --data.init_args.root to a folder DatasetXXX_NAME of nnUNet_raw"
            )
        self.described = nnunet.read_dataset_json(self.root / "dataset.json", labels)
        _require_levels(window, percentiles)
        if plane not in PLANES:
            raise UserError(f"plane is {plane!r}: give one of {', '.join(PLANES)}")
        super().__init__(
            classes=list(self.described.labels.values()),
            channels=self._name_channels(),
            unit="patient" if patient is not None and unit == "case" else unit,
            **kwargs,
        )
        self.plane: Plane = plane
        self.window = None if window is None else (float(window[0]), float(window[1]))
        self.percentiles = None if percentiles is None else (float(percentiles[0]), float(percentiles[1]))
        self.fold = fold
        self.preprocessed = None if preprocessed is None else find_data(preprocessed)
        self.patient = patient
        self.shares = dict(shares or SHARES)
        self.seed = seed
        self.has_test = (self.root / "labelsTs").is_dir() and self.described.listed is None
        self.test_is_val = fold is not None and not self.has_test

    @property
    def reading(self) -> ImageReading:
        """The channels of ``dataset.json``, through the window."""
        return ImageReading(self.channels, self.window)

    def make_dataset(self, split: Split) -> SegmentationDataset:
        """The slices, or pictures, of a split.

        Raises:
            UserError: files are missing, cannot be read or do not go together.
        """
        cases = self._choose(split)
        masks = MaskReading(self.described.values, levels="stored")
        if self.described.of_volumes:
            return CaseSlices(cases, masks, self.reading, self.plane, self.percentiles)
        if self.percentiles is not None:
            raise UserError("percentiles are for volumes: give pictures of more than 8 bits a window")
        if all(len(one.images) == 1 for one in cases):
            return ImageFiles([Pair(one.id, one.images[0], one.label) for one in cases], masks, self.reading)
        return StackedPictures(cases, masks, self.reading)

    def read_meta(self, split: Split) -> Mapping[str, Mapping[str, str]]:
        """The case of each image, its patient where a pattern says it, and the place of a slice."""
        dataset = self.open_split(split)
        rows = (
            dataset.list_meta() if isinstance(dataset, CaseSlices) else {name: {"case": name} for name in dataset.ids}
        )
        if self.patient is None:
            return rows
        patients = self._find_patients(sorted({row["case"] for row in rows.values()}))
        return {name: {**row, "patient": patients[row["case"]]} for name, row in rows.items()}

    def _name_channels(self) -> tuple[str, ...]:
        """Those of ``dataset.json``; red, green and blue where a picture holds all three."""
        names = self.described.channels
        together = not self.described.of_volumes and len(names) == len(COLOURS)
        return COLOURS if together and not list((self.root / "imagesTr").glob("*_0001.*")) else names

    def _choose(self, split: Split) -> list[Case]:
        """The cases of a split."""
        if split == "test" and self.has_test:
            return nnunet.list_cases(self.described, "imagesTs", "labelsTs")
        cases = nnunet.list_cases(self.described, "imagesTr", "labelsTr")
        names = [one.id for one in cases]
        if not names:
            raise UserError(f"{self.root / 'imagesTr'} holds no case that ends in {self.described.ending}: add some")
        if self.fold is not None:
            file = self._find_splits_file()
            members = nnunet.draw_fold(self.fold, names) if file is None else nnunet.read_fold(file, self.fold, names)
            chosen = set(members["train" if split == "train" else "val"])
        else:
            patients = dict(zip(names, names, strict=True)) if self.patient is None else self._find_patients(names)
            shares = {**self.shares, "test": 0.0} if self.has_test else self.shares
            splits = split_by_unit(list(patients.values()), shares, self.seed)
            chosen = {name for name in names if splits[patients[name]] == split}
        return [one for one in cases if one.id in chosen]

    def _find_patients(self, names: list[str]) -> dict[str, str]:
        """The patient of each case, by the pattern of its name."""
        pattern = str(self.patient)
        if pattern.count(PATIENT) != 1:
            raise UserError(
                f"the pattern {pattern!r} of patients must have {PATIENT} once: write one such as "
                f"'{PATIENT}_*{{place}}'"
            )
        found = parse_names(pattern.replace(PATIENT, SEQUENCE), names).units
        return dict(zip(names, found or names, strict=True))

    def _find_splits_file(self) -> Path | None:
        folder = (
            self.root.absolute().parent.parent / "nnUNet_preprocessed"
            if self.preprocessed is None
            else self.preprocessed
        )
        path = folder / self.root.absolute().name / "splits_final.json"
        if self.preprocessed is not None and not path.is_file():
            raise UserError(f"{path} does not exist: correct --data.init_args.preprocessed, or leave it out")
        return path if path.is_file() else None


def _require_levels(window: tuple[float, float] | None, percentiles: tuple[float, float] | None) -> None:
    """Refuse a malformed window or percentiles.

    Raises:
        UserError: they are malformed, or both are given.
    """
    if window is not None and not is_window(window):
        raise UserError(f"window is {list(window)}: give [low, high], the levels that become 0 and 255")
    if percentiles is not None and not (is_window(percentiles) and percentiles[0] >= 0 and percentiles[1] <= 100):
        raise UserError(f"percentiles are {list(percentiles)}: give two numbers from 0 to 100, such as [0.5, 99.5]")
    if window is not None and percentiles is not None:
        raise UserError(
            "a window and percentiles are given: give one, the window for levels that have a unit, as in CT"
        )
