"""Segment image files: a mask and an overlay for each, of the image's own size, and how unsure the network is."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from datamodules.reading.found_files import SUFFIXES
from datamodules.reading.image_reading import ImageReading, name_channels
from datamodules.transforms import Resize
from experiments.checkpoints.checkpoint import describe_data, load_module
from experiments.checkpoints.opened_checkpoint import CheckpointFile
from experiments.command_line.device import add_device_argument, on_device
from experiments.command_line.light_parser import light_parser
from experiments.pictures.overlays import find_palette, overlay, save
from experiments.pictures.own_size import levels_at
from lightning_modules.metrics.uncertainty import uncertainty
from lightning_modules.networks.combination import combination_in
from lightning_modules.networks.temperature import TemperatureScaled
from lightning_modules.segmentation import SegmentationModule
from user_error import UserError

EXAMPLES = """
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted
--checkpoint runs/camvid_fpn/best.ckpt photos/ more/ --output predicted
--checkpoint runs/ensemble/best.ckpt photos/ --output predicted --uncertainty
--checkpoint runs/camvid_fpn/best.ckpt photo.jpg --output predicted --native-size
"""


def find_images(inputs: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Image files among `inputs`, each with its place below the output folder; folders are searched through.

    Raises:
        UserError: an input does not exist, is no image, or two results would share a name.
    """
    found: dict[Path, Path] = {}
    for path in inputs:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            if not files:
                raise UserError(f"the folder {str(path)!r} holds no image ({', '.join(SUFFIXES)})")
            places = [(file.relative_to(path).with_suffix(""), file) for file in files]
        elif path.is_file():
            places = [(Path(path.stem), path)]
        else:
            raise UserError(f"no image and no folder {str(path)!r}: check the path")
        for place, file in places:
            if place in found:
                raise UserError(
                    f"{str(found[place])!r} and {str(file)!r} would both be written as {str(place)!r}: predict them apart"
                )
            found[place] = file
    return [(file, place) for place, file in found.items()]


def uncertainty_maps(module: SegmentationModule, image: Tensor) -> dict[str, Tensor]:
    """How unsure a network is of one image (1, C, H, W), from 0 to 1, (1, H, W) each by name.

    Entropy and mutual information are in shares of the entropy of a guess, log K. Where the network does not combine
    several opinions, it has an entropy only. A temperature is left out: it belongs to the mean of the opinions.
    """
    network: Any = module.network
    while isinstance(network, TemperatureScaled):
        network = network.network
    several = combination_in(network)
    found = uncertainty([module.predict_logits(image)]) if several is None else several.uncertainty(image)
    maps = found._asdict()
    guess = math.log(module.num_classes)
    scale = {"entropy": guess, "mutual_information": guess, "disagreement": 1.0}
    names = ["entropy"] if several is None else scale
    return {name: (maps[name] / scale[name]).clamp(0, 1) for name in names}


def as_batch(image: np.ndarray, device: torch.device) -> Tensor:
    """An image (H, W, C) as a batch (1, C, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(device)


def resized(image: np.ndarray, resize: Resize) -> np.ndarray:
    """An image (H, W, C) at the size at which the network sees it."""
    return resize({"image": image, "mask": np.zeros(image.shape[:2], np.uint8)})["image"]


def write_mask(module: SegmentationModule, batch: Tensor, image: np.ndarray, palette: np.ndarray, place: Path) -> None:
    """Write ``PLACE_mask.png`` and ``PLACE_overlay.png`` of an image (H, W, C) that is seen as `batch`."""
    with torch.inference_mode():
        logits = module.predict_logits(batch)
        mask = levels_at(image.shape[:2], logits, lambda part: part.argmax(1)[0])
    ids = Image.fromarray(mask, mode="L").convert("P")
    ids.putpalette(palette.ravel().tolist())
    save(ids, place.with_name(f"{place.name}_mask.png"))
    save(Image.fromarray(overlay(image, mask, palette)), place.with_name(f"{place.name}_overlay.png"))


def write_uncertainty(module: SegmentationModule, batch: Tensor, size: tuple[int, int], place: Path) -> None:
    """Write ``PLACE_entropy.png`` and the like of an image of some size (H, W) that is seen as `batch`."""
    with torch.inference_mode():
        for name, values in uncertainty_maps(module, batch).items():
            levels = levels_at(size, values[None], lambda part: (255 * part[0, 0]).round())
            save(Image.fromarray(levels), place.with_name(f"{place.name}_{name}.png"))


def main(argv: list[str]) -> None:
    """The verb."""
    parser = light_parser(
        "predict",
        "Segment image files: NAME_mask.png holds class ids as a palette image, NAME_overlay.png shows them. An image is seen\n"
        "at the size of the training's, as in a sweep, and the answer is brought back to its own.\n"
        "With --uncertainty NAME_entropy.png says how unsure the network is, from black (sure) to white (a guess); of an\n"
        "ensemble NAME_mutual_information.png is the part that its members do not share, and NAME_disagreement.png the\n"
        "share of members that vote for another class than most.",
        EXAMPLES,
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="image files and folders of them")
    parser.add_argument("--checkpoint", required=True, type=Path, help="file that 'fit' wrote")
    parser.add_argument("--output", required=True, type=Path, help="folder for the results")
    add_device_argument(parser)
    parser.add_argument("--uncertainty", action="store_true", help="write maps of it, too")
    parser.add_argument("--native-size", action="store_true", help="see images at their own size")
    args = parser.parse_args(argv)
    file = CheckpointFile(args.checkpoint)
    module = on_device(load_module(file), args.device)
    images = find_images(args.inputs)
    described = describe_data(file)
    palette = find_palette(described.get("palette"), module.num_classes)
    known = described.get("reading") or {"window": described.get("window"), "channels": described.get("channels")}
    names = known.get("channels") or name_channels(module.hparams["in_channels"])
    reading = ImageReading.from_state({**known, "channels": names})
    learned = None if args.native_size else described.get("size")
    resize = Resize(None if learned is None else (learned[0], learned[1]))
    for path, place in tqdm(images, desc="predict", unit="img"):
        image = reading.read(path)
        batch = as_batch(resized(image, resize), args.device)
        write_mask(module, batch, image, palette, args.output / str(place))
        if args.uncertainty:
            write_uncertainty(module, batch, image.shape[:2], args.output / str(place))
    print(f"{len(images)} masks and overlays: {args.output}")
