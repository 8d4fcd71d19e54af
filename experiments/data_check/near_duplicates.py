"""Pictures that look alike: hashes of gradients, also of what was turned or mirrored before the data were split."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

SIDE = 17
"""Pixels of a thumbnail; the hash has a bit for each two neighbours, 2 x 17 x 16 in all."""

NEAR = 40
"""Bits of 544 that may differ. Measured on CamVid, Kvasir-SEG and LGG: copies of half the size or 1.3 times the brightness
differ by at most 29, of JPEG quality 30 by 23, 17 and 44 (median 15, 8, 29), mirrored and turned ones by none; the nearest
pictures of another patient or place by 44 and more. A cut of 5 % of the sides (100 and more) is not found."""

RISE = 1.0
"""Levels between neighbours that count: in the flat ground of a scan, compression alone makes smaller ones."""

MOST_CHANNELS = 4
"""That are looked at."""

LEAST_RISES = 100
"""Bits that must be set: pictures that are flat but for one object are near to each other whatever it is."""

WAYS = 8
"""Positions of a picture: turned by quarters, and mirrored."""

ROWS = 256
"""Pictures whose distances are taken at once."""


def shrink(image: np.ndarray) -> np.ndarray:
    """A thumbnail (17, 17) float32 of an image (H, W, C): the mean of its channels."""
    few = np.ascontiguousarray(image[..., :MOST_CHANNELS])
    small = cv2.resize(few, (SIDE, SIDE), interpolation=cv2.INTER_AREA).reshape(SIDE, SIDE, -1)
    return small.mean(axis=2, dtype=np.float32)


def compute_hash(thumbnail: np.ndarray) -> np.ndarray:
    """Where a thumbnail's levels rise, uint8 (68,)."""
    across, down = np.diff(thumbnail, axis=1) > RISE, np.diff(thumbnail, axis=0) > RISE
    return np.packbits(np.concatenate([across.ravel(), down.ravel()]))


def turn_all_ways(thumbnail: np.ndarray) -> list[np.ndarray]:
    """A thumbnail in its eight positions, its own first."""
    turned = [np.rot90(thumbnail, times) for times in range(4)]
    return turned + [one[:, ::-1] for one in turned]


def find_near(
    first: Sequence[np.ndarray], second: Sequence[np.ndarray], most: int = NEAR
) -> Iterator[tuple[int, int, int]]:
    """The nearest thumbnail of `second` for each of `first`, by numbers, and the bits by which they differ, if few.

    Args:
        first: thumbnails of one split.
        second: of another.
        most: bits that may differ.
    """
    places, others = ([place for place, one in enumerate(seen) if _is_distinctive(one)] for seen in (first, second))
    if not places or not others:
        return
    left = np.stack([_unpack_bits(compute_hash(first[place])) for place in places])
    turned = [turn_all_ways(second[place]) for place in others]
    distance, nearest = np.full(len(places), np.iinfo(np.int32).max), np.zeros(len(places), np.int64)
    for way in range(WAYS):
        right = np.stack([_unpack_bits(compute_hash(one[way])) for one in turned])
        for start in range(0, len(places), ROWS):
            rows = slice(start, start + ROWS)
            found = _count_different(left[rows], right)
            closest = found.argmin(1)
            bits = found[np.arange(len(found)), closest]
            nearest[rows] = np.where(bits < distance[rows], closest, nearest[rows])
            distance[rows] = np.minimum(bits, distance[rows])
    for row in np.flatnonzero(distance <= most):
        yield places[row], others[nearest[row]], int(distance[row])


def _is_distinctive(thumbnail: np.ndarray) -> bool:
    return bool(_unpack_bits(compute_hash(thumbnail)).sum() >= LEAST_RISES)


def _unpack_bits(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed).astype(np.float32)


def _count_different(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The bits (N, M) by which rows of (N, B) and (M, B) differ: by a product, as those that are in one alone."""
    return np.rint(first.sum(1)[:, None] + second.sum(1)[None] - 2 * first @ second.T).astype(np.int32)
