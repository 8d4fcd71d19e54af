"""Segmentation of image files by a checkpoint, read and resized as in its training."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from datamodules.aspect import Aspect
from datamodules.reading.found_files import get_suffix
from datamodules.reading.image_reading import ImageReading, NotAsDescribedError, name_channels
from experiments.pictures.native_size import interpolate_levels
from experiments.pictures.overlays import overlay
from experiments.predicting.inputs import CONVERT, SUFFIXES
from experiments.predicting.marked_results import write_result
from experiments.predicting.network_input import make_network_input
from experiments.predicting.uncertainty_maps import compute_uncertainty_maps, name_maps
from lightning_modules.finite import find_finite, require_finite
from lightning_modules.labels import find_classes
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError


def make_reading(described: Mapping[str, Any], in_channels: int) -> ImageReading:
    """How images of a checkpoint's data are read; see `describe_data`.

    Args:
        described: older checkpoints have no "reading", and the oldest ones neither window nor channels.
        in_channels: that the network takes.
    """
    known = described.get("reading") or {"window": described.get("window"), "channels": described.get("channels")}
    return ImageReading.from_state({**known, "channels": known.get("channels") or name_channels(in_channels)})


class Segmenter(NamedTuple):
    """Writes the predictions of a network for image files.

    Attributes:
        module: on its device.
        reading: of the files.
        size: (height, width) that images are brought to for the network; their own if `None`.
        aspect: how images of another shape are.
        palette: a colour (K, 3) for each class.
        uncertainty: whether maps of it are written, too.
    """

    module: SegmentationModule
    reading: ImageReading
    size: tuple[int, int] | None
    aspect: Aspect
    palette: np.ndarray
    uncertainty: bool

    def name_results(self, place: Path) -> list[Path]:
        """The files that `write` writes."""
        kinds = ("mask", "overlay", *(name_maps(self.module) if self.uncertainty else ()))
        return [_name_result(place, kind) for kind in kinds]

    def write(self, file: Path, place: Path) -> None:
        """Segment an image file into ``PLACE_mask.png`` and the like.

        Raises:
            UserError: the file is not read, takes more memory than there is, or gives no numbers or too long a name.
            OSError: a result cannot be written.
        """
        image = self._read(file)
        try:
            self._write(image, file, place)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise UserError(
                f"the image {str(file)!r} ({image.shape[0]} x {image.shape[1]}) is too large for the memory: leave out "
                "--native-size, or cut it into tiles"
            ) from error
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise UserError(
                f"the results of {str(file)!r} would have names that are too long for the folder {str(place.parent)!r}: "
                "rename it"
            ) from error

    def _read(self, file: Path) -> np.ndarray:
        try:
            return self.reading.read(file)
        except UserError as error:
            suffix = get_suffix(file)
            if suffix and suffix not in SUFFIXES:
                raise UserError(f"{str(file)!r} is of a kind that is not read ({suffix}): {CONVERT}") from error
            if not isinstance(error.__cause__, NotAsDescribedError):
                raise
            problem, _, remedy = str(error.__cause__).partition(": ")
            if "dataset.yaml" not in remedy:
                problem = f"{problem}: {remedy}"
            raise UserError(f"the image {file} {problem} ({self._describe_reading()})") from error

    def _describe_reading(self) -> str:
        window = self.reading.window
        levels = "of 8 bits" if window is None else f"by the window [{window[0]:g}, {window[1]:g}]"
        mode = "" if self.reading.mode is None else f", in the mode {self.reading.mode}"
        return f"the checkpoint reads {', '.join(self.reading.channels)} {levels}{mode} as in its training; bring images to that"

    def _write(self, image: np.ndarray, file: Path, place: Path) -> None:
        seen, size = make_network_input(image, self.size, self.aspect), (image.shape[0], image.shape[1])
        batch = torch.from_numpy(np.ascontiguousarray(seen.image.transpose(2, 0, 1)))[None].to(self.module.device)
        with torch.inference_mode():
            logits = seen.cut(self.module.predict_logits(batch))
            require_finite(find_finite(logits)[None], [str(file)])
            mask = interpolate_levels(size, logits, lambda part: find_classes(part)[0])
        ids = Image.fromarray(mask, mode="L").convert("P")
        ids.putpalette(self.palette.ravel().tolist())
        write_result(ids, _name_result(place, "mask"))
        write_result(Image.fromarray(overlay(image, mask, self.palette)), _name_result(place, "overlay"))
        if self.uncertainty:
            with torch.inference_mode():
                for name, values in compute_uncertainty_maps(self.module, batch).items():
                    levels = interpolate_levels(size, seen.cut(values[None]), lambda part: (255 * part[0, 0]).round())
                    write_result(Image.fromarray(levels), _name_result(place, name))


def _name_result(place: Path, kind: str) -> Path:
    return place.with_name(f"{place.name}_{kind}.png")
