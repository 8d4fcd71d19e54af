"""How stable features are when an image is corrupted: keypoints, descriptors, dense maps, and what a network sees."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jsonargparse import ArgumentParser
from torch import Tensor, nn
from tqdm import tqdm

from datamodules.corruptions.conditions import Corrupted
from datamodules.reading.found_files import SUFFIXES, find_files
from experiments.checkpoints.checkpoint import load_module
from experiments.measuring.photographs import photographs
from experiments.pictures.gallery import read_sample, resized
from experiments.sweeping.suite import Suite
from lightning_modules.networks.features.base import Feature, to_gray
from lightning_modules.networks.features.keypoints import KeypointFeature
from user_error import UserError

REPEATABILITY = "keypoint repeatability"
DESCRIPTORS = "descriptor distance"
CORRELATION = "map correlation"
COSINE = "cosine similarity"
NETWORK = "network"


class Row(NamedTuple):
    """The mean of one measure over the images, under one condition; NaN where no image has anything to measure."""

    feature: str
    measure: str
    corruption: str
    severity: int
    value: float


def repeatability(clean: np.ndarray, found: np.ndarray, radius: float = 3.0) -> float:
    """Share of the clean keypoints that are found again (after Mikolajczyk & Schmid, IJCV 2004, for images in register).

    Some are found by chance: about as many as the share of the image that the others' discs cover.

    Args:
        clean: places (N, 2) in pixels.
        found: places (M, 2) in the corrupted image, the strongest first; no more than N of them count.
        radius: distance in pixels up to which a keypoint is the same.

    Returns:
        From 0 to 1; NaN without clean keypoints.
    """
    if not len(clean):
        return float("nan")
    found = found[: len(clean)]
    if not len(found):
        return 0.0
    squared = ((clean[:, None].astype(float) - found[None]) ** 2).sum(2)
    return float((squared.min(1) <= radius**2).mean())


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of maps (F, H, W) with others, each map about its own mean; 1 for equal ones.

    Maps that are constant correlate with no others: 0.
    """
    if np.array_equal(first, second):
        return 1.0
    return cosine(*(maps.astype(float) - maps.astype(float).mean((1, 2), keepdims=True) for maps in (first, second)))


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of the angle between two arrays of one shape; 1 for equal ones, else 0 where one is zero."""
    if np.array_equal(first, second):
        return 1.0
    first, second = first.astype(float).ravel(), second.astype(float).ravel()
    norms = np.linalg.norm(first) * np.linalg.norm(second)
    return float((first @ second / norms).clip(-1, 1)) if norms else 0.0


def encoder_stages(network: nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """What the encoder of a network in evaluation mode makes of an image.

    Args:
        network: with one encoder of smp.
        image: uint8 (H, W, C).

    Returns:
        ``stage 1``, the finest, and so on, each (C_i, H_i, W_i).

    Raises:
        UserError: the network has no such encoder, or takes another number of channels.
    """
    encoder = getattr(network, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise UserError(f"{type(network).__name__} has not one encoder: pass a network such as unet.yaml")
    if image.shape[2] != network.in_channels:
        raise UserError(
            f"the network takes {network.in_channels} channels, but the image has {image.shape[2]}: pass another of them"
        )
    seen: list[list[Tensor]] = []
    handle = encoder.register_forward_hook(lambda *call: seen.append(call[-1]))
    try:
        with torch.inference_mode():
            network(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None])
    finally:
        handle.remove()
    maps = [one[0].numpy() for one in seen[0][1:]]  # the first is the input itself
    return {f"stage {number}": one for number, one in enumerate(maps, start=1) if one.size}


@dataclass(frozen=True)
class Reference:
    """What is known of a clean image, by the name of the feature."""

    maps: dict[str, np.ndarray]
    keypoints: dict[str, list[Any]]
    descriptors: dict[str, np.ndarray]
    stages: dict[str, np.ndarray]


class FeatureStability:
    """Compares features of clean and corrupted images.

    Args:
        features: by the names that they have in the results; see `lightning_modules.networks.features`.
        network: in evaluation mode, whose encoder's stages are compared too; none if null.
        keypoints: how many of the strongest count.
        radius: distance in pixels up to which a keypoint is found again.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        network: nn.Module | None = None,
        keypoints: int = 200,
        radius: float = 3.0,
    ) -> None:
        self.features = dict(features)
        self.network = network
        self.keypoints = keypoints
        self.radius = radius

    @property
    def _with_keypoints(self) -> dict[str, KeypointFeature]:
        return {name: one for name, one in self.features.items() if isinstance(one, KeypointFeature)}

    def reference(self, image: np.ndarray) -> Reference:
        """What corrupted versions of an image uint8 (H, W, C) are compared to."""
        levels = to_gray(image)
        keypoints = {name: one.detect(levels)[: self.keypoints] for name, one in self._with_keypoints.items()}
        return Reference(
            {name: one(image) for name, one in self.features.items()},
            keypoints,
            {name: one.describe(levels, keypoints[name]) for name, one in self._with_keypoints.items()},
            encoder_stages(self.network, image) if self.network else {},
        )

    def compare(self, clean: Reference, image: np.ndarray) -> dict[tuple[str, str], float]:
        """(feature, measure) to the value for a corrupted image uint8 (H, W, C)."""
        values = {}
        levels = to_gray(image)
        for name, one in self._with_keypoints.items():
            known = clean.keypoints[name]
            values[name, REPEATABILITY] = repeatability(_places(known), _places(one.detect(levels)), self.radius)
            distances = one.compute_distance(clean.descriptors[name], one.describe(levels, known))
            values[name, DESCRIPTORS] = float(distances.mean()) if len(distances) else float("nan")
        for name, feature in self.features.items():
            values[name, CORRELATION] = correlation(clean.maps[name], feature(image))
        if self.network:
            for stage, maps in encoder_stages(self.network, image).items():
                values[f"{NETWORK}, {stage}", COSINE] = cosine(clean.stages[stage], maps)
        return values

    def measure(self, images: Mapping[str, np.ndarray], suite: Suite) -> list[Row]:
        """Every measure under every corruption of a suite, except those that read masks.

        Args:
            images: id to uint8 (H, W, C); the pixels are those that a sweep meets for images of these ids and sizes.
            suite: whose corruptions, severities and seed.

        Raises:
            UserError: it has no such corruptions, or a corruption refuses an image.
        """
        conditions = [one for one in suite.corrupted if not one.corruption.reads_masks]
        if not conditions:
            raise UserError(
                f"the suite {suite.name!r} has no corruptions of images alone: pass another, such as 'core'"
            )
        found: dict[tuple[str, str, str, int], list[float]] = {}
        for image_id, image in tqdm(images.items(), desc="features", unit="image"):
            clean = self.reference(image)
            for condition in conditions:
                corrupted = _corrupted(image, condition, image_id, suite.seed)
                for (feature, measure), value in self.compare(clean, corrupted).items():
                    found.setdefault((feature, measure, condition.name, condition.severity), []).append(value)
        return [Row(*place, value=_mean(values)) for place, values in found.items()]


def _places(keypoints: Sequence[Any]) -> np.ndarray:
    return np.array([one.pt for one in keypoints]).reshape(-1, 2)


def _corrupted(image: np.ndarray, condition: Corrupted, image_id: str, seed: int) -> np.ndarray:
    images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    masks = torch.zeros(1, *image.shape[:2], dtype=torch.int64)
    return condition(images, masks, [image_id], seed)[0][0].permute(1, 2, 0).numpy()


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def means(rows: Iterable[Row], *keys: str) -> dict[tuple, float]:
    """The mean of the rows that agree in some fields, by these fields, in the order of the rows; NaN does not count."""
    groups: dict[tuple, list[float]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, key) for key in keys), []).append(row.value)
    return {key: _mean(values) for key, values in groups.items()}


def pictures(folder: str | Path | None, number: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Images uint8 (H, W, C) by id: the first of a folder by name, or scikit-image's photographs if null.

    Args:
        folder: image files, in folders of it too.
        number: how many.
        size: (height, width) in pixels; photographs are square, with sides of the height.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    if folder is None:
        return {f"photograph{place}": image for place, image in enumerate(photographs(number, size[0]))}
    paths = list(find_files(Path(folder)).by_id.values())[:number]
    if not paths:
        raise UserError(f"there are no images in {str(folder)!r}: pass a folder of files {', '.join(SUFFIXES)}")
    return {path.stem: resized(read_sample(path), size)["image"] for path in paths}


def read_network(path: str | Path, in_channels: int = 3, seed: int = 0) -> nn.Module:
    """A network in evaluation mode: of a checkpoint, or of a network's YAML with random weights.

    Args:
        path: ``*.ckpt`` or ``*.yaml``.
        in_channels: for a YAML.
        seed: of the random weights.

    Raises:
        UserError: there is no such file, or it is neither.
    """
    if Path(path).suffix == ".ckpt":
        return load_module(Path(path)).network.eval()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--network", type=Callable[[int, int], nn.Module], sub_configs=True)
    try:
        made = parser.instantiate_classes(parser.parse_args([f"--network={path}"])).network
    except Exception as error:  # the parser lets through whatever YAML or an import raises
        raise UserError(f"{str(path)!r} describes no network: pass a checkpoint or a YAML such as unet.yaml") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made(2, in_channels).eval()
