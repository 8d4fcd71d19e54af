"""Stability of features under corruptions: keypoints, descriptors, dense maps, and stages of a network's encoder."""

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
from experiments.measuring.photographs import load_photographs
from experiments.pictures.gallery import read_sample, resize_sample
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
    """The mean of one measure over the images, under one condition; NaN where it is undefined for all images."""

    feature: str
    measure: str
    corruption: str
    severity: int
    value: float


def repeatability(clean: np.ndarray, found: np.ndarray, radius: float = 3.0) -> float:
    """Fraction of the clean keypoints that are found again (Mikolajczyk & Schmid, IJCV 2004, for registered images).

    Some are found by chance: about the fraction of the image that the discs of the others cover.

    Args:
        clean: positions (N, 2) in pixels.
        found: positions (M, 2) in the corrupted image, the strongest first; no more than N of them count.
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
    """Pearson's correlation of maps (F, H, W) with others, each map centred at its mean; 1 for equal ones.

    The correlation of constant maps with others is 0.
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


def extract_encoder_stages(network: nn.Module, image: np.ndarray) -> dict[str, np.ndarray]:
    """Feature maps of each stage of the encoder of a network in evaluation mode.

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
    """The features of a clean image, by their names."""

    maps: dict[str, np.ndarray]
    keypoints: dict[str, list[Any]]
    descriptors: dict[str, np.ndarray]
    stages: dict[str, np.ndarray]


class FeatureStability:
    """Compares features of clean and corrupted images.

    Args:
        features: by the names that they have in the results; see `lightning_modules.networks.features`.
        network: in evaluation mode, whose encoder's stages are compared too; none if null.
        keypoints: number of the strongest that are used.
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
    def _keypoint_features(self) -> dict[str, KeypointFeature]:
        return {name: one for name, one in self.features.items() if isinstance(one, KeypointFeature)}

    def make_reference(self, image: np.ndarray) -> Reference:
        """The features of a clean image uint8 (H, W, C), to which those of corrupted ones are compared."""
        levels = to_gray(image)
        keypoints = {name: one.detect(levels)[: self.keypoints] for name, one in self._keypoint_features.items()}
        return Reference(
            {name: one(image) for name, one in self.features.items()},
            keypoints,
            {name: one.describe(levels, keypoints[name]) for name, one in self._keypoint_features.items()},
            extract_encoder_stages(self.network, image) if self.network else {},
        )

    def compare(self, clean: Reference, image: np.ndarray) -> dict[tuple[str, str], float]:
        """(feature, measure) to the value for a corrupted image uint8 (H, W, C)."""
        values = {}
        levels = to_gray(image)
        for name, one in self._keypoint_features.items():
            known = clean.keypoints[name]
            values[name, REPEATABILITY] = repeatability(
                _stack_positions(known), _stack_positions(one.detect(levels)), self.radius
            )
            distances = one.compute_distance(clean.descriptors[name], one.describe(levels, known))
            values[name, DESCRIPTORS] = float(distances.mean()) if len(distances) else float("nan")
        for name, feature in self.features.items():
            values[name, CORRELATION] = correlation(clean.maps[name], feature(image))
        if self.network:
            for stage, maps in extract_encoder_stages(self.network, image).items():
                values[f"{NETWORK}, {stage}", COSINE] = cosine(clean.stages[stage], maps)
        return values

    def measure(self, images: Mapping[str, np.ndarray], suite: Suite) -> list[Row]:
        """Every measure under every corruption of a suite, except those that read masks.

        Args:
            images: id to uint8 (H, W, C); they are corrupted as in a sweep over images of these ids and sizes.
            suite: whose corruptions, severities and seed.

        Raises:
            UserError: the suite has no such corruptions, or a corruption refuses an image.
        """
        conditions = [one for one in suite.corrupted_conditions if one.corruption.of_image_alone]
        if not conditions:
            raise UserError(
                f"the suite {suite.name!r} has no corruptions of images alone: pass another, such as 'core'"
            )
        found: dict[tuple[str, str, str, int], list[float]] = {}
        for image_id, image in tqdm(images.items(), desc="features", unit="image"):
            clean = self.make_reference(image)
            for condition in conditions:
                corrupted = _corrupt(image, condition, image_id, suite.seed)
                for (feature, measure), value in self.compare(clean, corrupted).items():
                    found.setdefault((feature, measure, condition.name, condition.severity), []).append(value)
        return [Row(*place, value=_average_finite(values)) for place, values in found.items()]


def _stack_positions(keypoints: Sequence[Any]) -> np.ndarray:
    return np.array([one.pt for one in keypoints]).reshape(-1, 2)


def _corrupt(image: np.ndarray, condition: Corrupted, image_id: str, seed: int) -> np.ndarray:
    images = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    masks = torch.zeros(1, *image.shape[:2], dtype=torch.int64)
    return condition(images, masks, [image_id], seed)[0][0].permute(1, 2, 0).numpy()


def _average_finite(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def average_rows(rows: Iterable[Row], *keys: str) -> dict[tuple, float]:
    """Group rows by some fields, and average each group without NaN; in the order of the rows."""
    groups: dict[tuple, list[float]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, key) for key in keys), []).append(row.value)
    return {key: _average_finite(values) for key, values in groups.items()}


def read_pictures(folder: str | Path | None, number: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Read images uint8 (H, W, C) by id: the first of a folder by name, or scikit-image's photographs if `None`.

    Args:
        folder: searched for image files recursively.
        number: how many.
        size: (height, width) in pixels; photographs are square, with sides of the height.

    Raises:
        UserError: there is no such folder, or no image in it.
    """
    if folder is None:
        return {f"photograph{place}": image for place, image in enumerate(load_photographs(number, size[0]))}
    paths = list(find_files(Path(folder)).by_id.values())[:number]
    if not paths:
        raise UserError(f"there are no images in {str(folder)!r}: pass a folder of files {', '.join(SUFFIXES)}")
    return {path.stem: resize_sample(read_sample(path), size)["image"] for path in paths}


def read_network(path: str | Path, in_channels: int = 3, seed: int = 0) -> nn.Module:
    """Read a network in evaluation mode: from a checkpoint, or from a network's YAML with random weights.

    Args:
        path: ``*.ckpt`` or ``*.yaml``.
        in_channels: for a YAML.
        seed: of the random weights.

    Raises:
        UserError: there is no such file, or it describes no network.
    """
    if Path(path).suffix == ".ckpt":
        return load_module(Path(path)).network.eval()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--network", type=Callable[[int, int], nn.Module], sub_configs=True)
    try:
        made = parser.instantiate_classes(parser.parse_args([f"--network={path}"])).network
    except Exception as error:  # the parser passes on all errors of YAML and imports
        raise UserError(f"{str(path)!r} describes no network: pass a checkpoint or a YAML such as unet.yaml") from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made(2, in_channels).eval()
