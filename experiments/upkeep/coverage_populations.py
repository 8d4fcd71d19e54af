"""Populations that a test set is drawn from: committed records, and models of what makes intervals fail."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.evaluation.blocks import Blocks, make_blocks, make_independent
from experiments.evaluation.robustness import CLEAN, Condition, compute_corrupted_mean
from experiments.evaluation.scores.overlap import iou
from experiments.evaluation.scores.ratios import Ratio
from experiments.evaluation.statistics import jackknife
from experiments.record_files.record_file import read_swept

RESULTS = Path(__file__).parent.parent / "results"

MODELLED = 20_000
"""Units of a population that is modelled."""

LOST = (1.0, 0.7, 0.5)
"""What is left of the foreground's IoU, clean and under two severities."""

IMAGE = 65_536
"""Pixels of an image."""


FRAMES_PER_UNIT = 4
"""Frames that are drawn where another population draws one unit: each says less."""


class Population(NamedTuple):
    """Two networks on all units that a test set may hold.

    Units are drawn for themselves, or as the frames of two drives, whose places along `order` are those of a
    first-order autoregressive process with so much `correlation` from a frame to the next: every unit is as likely as
    before, but neighbours are alike.
    """

    name: str
    one: Ratio  # (units, conditions, classes)
    other: Ratio
    conditions: list[Condition]
    order: np.ndarray | None = None  # units from the easiest to the hardest
    correlation: float = 0.0

    def count_drawn(self, units: int) -> int:
        """How many are drawn where others draw so many units."""
        return units if self.order is None else FRAMES_PER_UNIT * units

    def draw(self, units: int, rng: np.random.Generator) -> tuple[np.ndarray, Blocks]:
        """Units of a test set, and how they depend on each other."""
        number = len(self.one.numerator)
        if self.order is None:
            return rng.integers(0, number, units), make_independent(units)
        from scipy.special import ndtr

        drives = self._find_drives(units)
        places = np.concatenate([ndtr(_draw_process(one, self.correlation, rng)) for one in drives])
        return self.order[np.minimum((places * number).astype(int), number - 1)], make_blocks(drives)

    def draw_swaps(self, units: int, rng: np.random.Generator) -> np.ndarray:
        """Which of the drawn units are swapped between two networks to make them alike: neighbours alike, as they err."""
        if self.order is None:
            return rng.random(units) < 0.5
        return np.concatenate([_draw_process(one, self.correlation, rng) > 0 for one in self._find_drives(units)])

    def _find_drives(self, units: int) -> tuple[int, int]:
        frames = self.count_drawn(units)
        return frames // 3, frames - frames // 3


def _draw_process(number: int, correlation: float, rng: np.random.Generator) -> np.ndarray:
    steps, found = rng.normal(size=number), np.empty(number)
    found[0] = steps[0]
    for at in range(1, number):
        found[at] = correlation * found[at - 1] + np.sqrt(1 - correlation**2) * steps[at]
    return found


def read_population(name: str, one: str, other: str) -> Population:
    """The units of two committed records as a population, of which units are drawn with replacement."""
    (record, images), (_, others) = (read_swept(RESULTS / f"{path}.json") for path in (one, other))
    places = record.headline_places
    images, others = (one._replace(places=None, units=None) if one.places else one for one in (images, others))

    def count(found: np.ndarray) -> Ratio:
        return iou(np.ascontiguousarray(found[:, places]))

    first, second = (of.sum_by_unit(count(of.counts["classes"])) for of in (images, others))
    return Population(name, first, second, [record.conditions[place] for place in places])


def model_population(
    name: str, draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]], seed: int
) -> Population:
    """A background and a foreground whose size and IoU vary from unit to unit.

    Args:
        name: of the population.
        draw: generator and number of units to the foreground's pixels (N,) and its IoU (N,) before it is corrupted.
        seed: of the units.
    """
    rng = np.random.default_rng(seed)
    size, quality = draw(rng, MODELLED)
    background = IMAGE * np.exp(rng.normal(0, 0.1, MODELLED))
    ratios = []
    for _ in range(2):  # two networks that err alike, and differ at random from unit to unit
        own = np.clip(quality + rng.normal(0, 0.05, MODELLED), 0.01, 0.99)
        hit = np.stack([size * own * left for left in LOST], 1)
        right = background[:, None] * np.array([0.99, 0.97, 0.95])
        numerator = np.stack([right, hit], -1)
        union = np.stack([np.repeat(part[:, None], len(LOST), 1) for part in (background, size)], -1)
        ratios.append(Ratio(numerator, union))
    return Population(name, ratios[0], ratios[1], [(CLEAN, 0), ("corruption", 1), ("corruption", 2)])


def _draw_sizes(spread: float) -> Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]:
    """Sizes whose logarithm varies by `spread`: of two lesions, one is often so many times the other."""
    return lambda rng, number: (1000 * np.exp(rng.normal(0, spread, number)), rng.beta(6, 2, number))


def _draw_groups(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Patients of 1 to some 40 slices, whose slices a network finds about equally hard."""
    slices = 1 + rng.poisson(10 * rng.gamma(1.0, 1.0, number))
    return 1000 * slices * np.exp(rng.normal(0, 0.5, number)), rng.beta(4, 2, number)


def _draw_rare(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A class in one unit of ten."""
    return (rng.random(number) < 0.1) * 1000 * np.exp(rng.normal(0, 1, number)), rng.beta(2, 2, number)


def order_frames(population: Population, correlation: float, *, of_difference: bool = False) -> Population:
    """The population of frames that follow each other: neighbours are alike in how hard they are.

    Args:
        population: of frames.
        correlation: from a frame to the next.
        of_difference: neighbours are alike in how much they favour one of the networks instead.
    """
    one, other = (
        compute_corrupted_mean(jackknife(ratio), population.conditions) for ratio in (population.one, population.other)
    )
    order = np.argsort(one - other if of_difference else one)
    alike = "in the difference" if of_difference else "in difficulty"
    name = f"frames of CamVid, correlated {alike} by {correlation}"
    return population._replace(name=name, order=order, correlation=correlation)


def make_populations(seed: int) -> list[Population]:
    """All of them, the committed ones first."""
    middle = "imagenet_c_middle"
    frames = read_population("frames of CamVid, one by one", f"camvid/{middle}/unet", f"camvid/{middle}/fpn")
    return [
        read_population("polyps of Kvasir-SEG", f"kvasir_seg/{middle}/unet", f"kvasir_seg/{middle}/fpn"),
        frames,
        order_frames(frames, 0.5),
        order_frames(frames, 0.8),
        order_frames(frames, 0.8, of_difference=True),
        read_population("patients of LGG", "lgg_mri/modality/unet", "lgg_mri/modality/fusion_middle"),
        model_population("lesions, sizes e^1", _draw_sizes(1.0), seed),
        model_population("lesions, sizes e^2", _draw_sizes(2.0), seed + 1),
        model_population("patients of 1 to 40 slices", _draw_groups, seed + 2),
        model_population("a class in 10 % of the units", _draw_rare, seed + 3),
    ]
