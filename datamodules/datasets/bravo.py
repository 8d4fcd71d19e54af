"""BRAVO: six collections of streets, real and synthetic, with pixels that are of no class."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from datamodules.base import Split
from datamodules.dataset import IGNORED, INLIER, OUTLIER, Sample
from datamodules.datasets.cityscapes_labels import CLASSES, PALETTE, TRAIN_IDS
from datamodules.image_files import ImageFiles
from datamodules.original_layout import EVALUATION_ONLY, Known, OriginalLayout
from datamodules.reading.found_files import find_files
from datamodules.reading.image_reading import ImageReading
from datamodules.reading.mask_reading import MaskReading
from datamodules.reading.pairs import Pair
from safe_files.roots import find_data
from user_error import UserError


class Part(NamedTuple):
    """A collection: how the names of images, labels and masks of invalid pixels end, and what invalid pixels are."""

    image: str
    labels: str
    invalid: str
    has_classes: bool = True
    has_outliers: bool = False


PARTS: Mapping[str, Part] = {
    "ACDC": Part("_rgb_anon", "_gt_labelTrainIds", "_gt_invIds"),
    "SMIYC": Part("", "_labels_semantic_fake", "_labels_semantic", has_classes=False, has_outliers=True),
    "outofcontext": Part("_leftImg8bit", "_gt_labelTrainIds", "_gt_invIds"),
    "synflare": Part("_leftImg8bit", "_gt_labelTrainIds", "_gt_invIds"),
    "synobjs": Part("", "_gt", "_mask", has_outliers=True),
    "synrain": Part("_leftImg8bit", "_gt_labelTrainIds", "_gt_invIds"),
}
"""By the name of the folder, ``bravo_NAME``; as the challenge's toolkit has them."""

KNOWN_LABEL = MaskReading(dict.fromkeys(range(256), 0) | {IGNORED: IGNORED}, levels="stored")
"""Labels that tell void pixels alone."""

INVALID = MaskReading(dict.fromkeys(range(256), 1) | {0: 0}, levels="stored")


class BravoDataModule(OriginalLayout):
    """BRAVO: ACDC's four conditions, SegmentMeIfYouCan, and Cityscapes with rain, flares, objects and other backgrounds.

    Images lie in ``bravo_{ACDC,SMIYC,outofcontext,synflare,synobjs,synrain}/`` as the challenge distributes them; labels
    (``*_gt_labelTrainIds.png``, ...) and masks of invalid pixels (``*_gt_invIds.png``, ...) beside them or, in the same
    folders, below `truth`. The challenge keeps its own on its server, so that scores against labels of another split are of
    its definition but not on its leaderboard. There is no split but `test`.

    Its nine subsets are real shifts (`subset`), collections that are not there are left out. Invalid pixels are outliers
    (see `datamodules.dataset.OUTLIER`) in SMIYC and synobjs, and ignored in the others; SMIYC has no classes.

    Vu et al., The BRAVO Semantic Segmentation Challenge Results in UNCV2024, ECCV Workshops 2024 (arXiv:2409.15107).

    Args:
        root: the folder that holds the collections.
        truth: the folder with labels and masks, where they do not lie beside the images.
        unit: see `SegmentationDataModule`; the column `scene` is the sequence of ACDC, the image of Cityscapes that the
            synthetic ones were made of, and the image itself elsewhere.
        **kwargs: see there.
    """

    origin = "bravo"
    archives = "its collections, and the labels of the images,"
    marks_outliers = True
    shift_columns = ("subset",)
    withheld = {"train": EVALUATION_ONLY, "val": EVALUATION_ONLY}  # noqa: RUF012

    def __init__(
        self, root: str = "data/bravo", truth: str | None = None, unit: str | None = "scene", **kwargs: Any
    ) -> None:
        super().__init__(root, TRAIN_IDS, classes=CLASSES, palette=PALETTE, unit=unit, **kwargs)
        self.truth = self.root if truth is None else find_data(truth)

    def make_dataset(self, split: Split) -> "BravoFiles":
        """See `OriginalLayout`."""
        files = super().make_dataset(split)
        parts = [PARTS[one.id.partition("/")[0]] for one in files.pairs]
        return BravoFiles(files.pairs, parts, self.reading)

    def find_images(self, split: Split) -> list[Known]:
        """See `OriginalLayout`."""
        found = [known for name in PARTS for known in self._find_part(name)]
        if not found:
            raise self.make_missing_error("bravo_ACDC and its like")
        return found

    def _find_part(self, name: str) -> list[Known]:
        folder, part = self.root / f"bravo_{name}", PARTS[name]
        if not folder.is_dir():
            return []
        found = []
        for one, path in find_files(folder).by_id.items():
            if not one.endswith(part.image) or (not part.image and _is_truth(one, part)):
                continue
            stem = one.removesuffix(part.image)
            labels, invalid = (
                self.truth / folder.name / f"{stem}{ending}.png" for ending in (part.labels, part.invalid)
            )
            for missing in (labels, invalid):
                if not missing.is_file():
                    raise UserError(
                        f"{path} has no {missing.name} in {missing.parent}: unpack the labels of BRAVO there, or name their "
                        "folder by --data.init_args.truth"
                    )
            found.append(Known(Pair(f"{name}/{stem}", path, labels), _describe(name, stem)))
        return found


def _is_truth(name: str, part: Part) -> bool:
    return name.endswith((part.labels, part.invalid))


def _describe(name: str, stem: str) -> dict[str, str]:
    """Subset and scene of an image."""
    folders = stem.split("/")
    if name == "ACDC":
        return {"subset": f"{name}{folders[0]}", "scene": folders[-1].partition("_frame_")[0]}
    made = name not in ("SMIYC", "synobjs")
    return {"subset": name, "scene": folders[-1] if made else f"{name}/{stem}"}


class BravoFiles(ImageFiles):
    """Images with labels and masks of invalid pixels, which become one mask.

    Args:
        pairs: images and labels.
        parts: the collection of each.
        images: how images are read.
    """

    def __init__(self, pairs: Sequence[Pair], parts: Sequence[Part], images: ImageReading) -> None:
        super().__init__(pairs, TRAIN_IDS, images)
        self.parts = list(parts)
        self.invalid = [
            one.mask.with_name(one.mask.name.removesuffix(f"{part.labels}.png") + f"{part.invalid}.png")
            for one, part in zip(pairs, parts, strict=True)
        ]

    def __getitem__(self, index: int) -> Sample:
        """Decode sample `index`.

        Raises:
            UserError: a file cannot be read, or the sizes of the three differ.
        """
        one, part = self.pairs[index], self.parts[index]
        image, invalid = self.images.read(one.image), INVALID.read(self.invalid[index])
        labels = (TRAIN_IDS if part.has_classes else KNOWN_LABEL).read(one.mask)
        if not image.shape[:2] == labels.shape == invalid.shape:
            raise UserError(
                f"{one.image}, {one.mask.name} and {self.invalid[index].name} are of different sizes: get them anew"
            )
        known = labels != IGNORED
        mask = labels if part.has_classes else np.where(known, INLIER, IGNORED).astype(np.uint8)
        mask[known & (invalid == 1)] = OUTLIER if part.has_outliers else IGNORED
        return Sample(image=image, mask=mask)

    def prepare(self) -> None:
        """Nothing: masks are read by the numbers that they store."""
